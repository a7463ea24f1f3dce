//! Stub.
fn main() {
    voiced::terminal::print(&voiced::config::print::defaults());
}
