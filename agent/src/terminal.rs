//! Writing to standard output and error. A reader that went away is not an error: whoever pipes
//! into `head` has seen enough.
use std::io::Write;

/// Writes a line to standard output.
pub fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    // See above: a broken pipe is the reader's choice.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// Writes text as it is to standard output.
pub fn print(text: &str) {
    let mut output = std::io::stdout().lock();
    let _ = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
}

/// Writes a line to standard error.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
