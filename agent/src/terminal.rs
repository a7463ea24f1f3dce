//! Writing to standard output and error. A reader that went away is not an error: whoever pipes
//! into `head` has seen enough. Progress is shown on a terminal only.
use std::{
    io::{IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

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

/// A bar on standard error, where that is a terminal; nothing elsewhere.
#[derive(Clone, Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Of some number of steps.
    pub fn steps(what: &str) -> Progress {
        Progress::styled(what, "{msg} {wide_bar} {percent} % {eta}")
    }

    /// Of bytes.
    pub fn bytes(what: &str) -> Progress {
        let style = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        Progress::styled(what, style)
    }

    /// Of seconds of sound whose end is not known yet.
    pub fn sound(what: &str) -> Progress {
        Progress::styled(what, "{msg} {pos} s of {len} s {wide_bar} {elapsed}")
    }

    fn styled(what: &str, style: &str) -> Progress {
        // Draws nothing where standard error is no terminal.
        let bar = ProgressBar::new(0).with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        if is_shown() {
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        Progress(bar)
    }

    /// Where it stands.
    pub fn set(&self, done: usize, all: usize) {
        self.0.set_length(all as u64);
        self.0.set_position(done as u64);
    }

    /// Takes it away.
    pub fn done(&self) {
        self.0.finish_and_clear();
    }
}

/// Whether progress is shown at all.
pub fn is_shown() -> bool {
    std::io::stderr().is_terminal()
}

/// Whether somebody sits there who can answer.
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Shows what may still change on the terminal's last line; as much as fits on 100 columns.
pub fn show_line(text: &str) {
    let count = text.chars().count();
    let end: String = text.chars().skip(count.saturating_sub(100)).collect();
    let mut error = std::io::stderr().lock();
    let _ = write!(error, "\r\x1b[2K{end}").and_then(|()| error.flush());
}

/// Takes it away.
pub fn erase_line() {
    show_line("");
}
