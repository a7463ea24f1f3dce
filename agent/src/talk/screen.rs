//! The conversation in a terminal: what was said scrolls up, what is being said and how loud it
//! is stays on the last line. Without a terminal only what was said is printed.
use voiced_core::turn::{CallEvent, ReplyOutcome, Role};
use voiced_pipeline::call::end_reason_text;

use crate::terminal;

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const STRUCK: &str = "\x1b[9m";
const PLAIN: &str = "\x1b[0m";
/// Back to the line's beginning and clear it.
const CLEAR: &str = "\r\x1b[K";

/// What the last line says of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Listening,
    Hearing,
    Thinking,
    Speaking,
    Held,
}

impl State {
    fn text(self) -> &'static str {
        match self {
            State::Listening => "listening",
            State::Hearing => "hearing you",
            State::Thinking => "thinking",
            State::Speaking => "speaking",
            State::Held => "holding",
        }
    }
}

/// What is shown.
pub struct Screen {
    terminal: bool,
    width: usize,
    state: State,
    /// What the caller is saying.
    partial: String,
    /// What the agent is saying.
    reply: String,
    /// Peaks, falling slowly so that the eye can follow.
    levels: [f32; 2],
}

impl Screen {
    /// An empty one, with a living last line in a terminal.
    pub fn new(terminal: bool) -> Self {
        let width = std::env::var("COLUMNS").ok().and_then(|n| n.parse().ok());
        Self {
            terminal,
            width: width.unwrap_or(80),
            state: State::Listening,
            partial: String::new(),
            reply: String::new(),
            levels: [0.0; 2],
        }
    }

    /// Prints a remark that nobody said.
    pub fn note(&mut self, text: &str) {
        let line = self.styled(DIM, text);
        self.print(&[line]);
    }

    /// Shows what happened.
    pub fn show(&mut self, event: &CallEvent) {
        let lines = self.take(event);
        self.print(&lines);
    }

    /// Moves the meters.
    pub fn levels(&mut self, microphone: f32, loudspeaker: f32) {
        const FALL: f32 = 0.8;
        for (shown, peak) in self.levels.iter_mut().zip([microphone, loudspeaker]) {
            *shown = peak.max(*shown * FALL);
        }
        self.print(&[]);
    }

    /// Leaves the terminal as it was found.
    pub fn close(&mut self) {
        if self.terminal {
            terminal::print(CLEAR);
        }
    }

    fn print(&self, lines: &[String]) {
        let mut text = String::new();
        if self.terminal {
            text.push_str(CLEAR);
        }
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        if self.terminal {
            text.push_str(&self.last_line());
        }
        if !text.is_empty() {
            terminal::print(&text);
        }
    }

    /// What the event adds to what was said.
    fn take(&mut self, event: &CallEvent) -> Vec<String> {
        let mut lines = Vec::new();
        match event {
            CallEvent::SpeechStarted { .. } => self.state = State::Hearing,
            CallEvent::SpeechStopped { .. } => self.state = State::Thinking,
            CallEvent::Partial { text, .. } => self.partial.clone_from(text),
            CallEvent::UserSaid { text, .. } => {
                self.partial.clear();
                lines.push(format!("{} {text}", self.styled(BOLD, "  you:")));
            }
            CallEvent::ItemAdded { message, .. } if message.role == Role::User => {
                lines.push(format!("{} {}", self.styled(BOLD, "  you:"), message.text));
            }
            CallEvent::Discarded { .. } => {
                self.partial.clear();
                self.state = State::Listening;
            }
            CallEvent::ReplyStarted { .. } => {
                self.reply.clear();
                self.state = State::Thinking;
            }
            CallEvent::ReplyText { text, .. } => self.reply.push_str(text),
            CallEvent::ReplyHeard { .. } | CallEvent::Resumed => self.state = State::Speaking,
            CallEvent::Held => self.state = State::Held,
            CallEvent::ToolCalled { call, .. } => {
                lines.push(self.styled(DIM, &format!("       ({} …)", call.name)));
            }
            CallEvent::ReplyEnded {
                outcome,
                written,
                heard,
                ..
            } => {
                self.reply.clear();
                self.state = State::Listening;
                lines.extend(self.reply_line(outcome, written, *heard));
            }
            CallEvent::TransferRequested { target } => {
                lines.push(self.styled(DIM, &format!("       (you are handed over to {target})")));
            }
            CallEvent::Ended { reason } => {
                lines.push(self.styled(DIM, &format!("({})", end_reason_text(*reason))));
            }
            _ => (),
        }
        lines
    }

    fn reply_line(&self, outcome: &ReplyOutcome, written: &str, heard: usize) -> Option<String> {
        let name = self.styled(BOLD, "agent:");
        let (heard, unheard) = match outcome {
            ReplyOutcome::Completed | ReplyOutcome::CutShort => (written, ""),
            _ => written.split_at(floor_boundary(written, heard)),
        };
        let mut line = format!("{name} {heard}");
        if !unheard.trim().is_empty() {
            match self.terminal {
                true => line.push_str(&self.styled(STRUCK, unheard)),
                false => line.push_str(&format!("[not heard:{unheard}]")),
            }
        }
        if let ReplyOutcome::Failed(why) = outcome {
            line.push_str(&self.styled(DIM, &format!(" (failed: {why})")));
        } else if written.trim().is_empty() {
            return None;
        }
        Some(line)
    }

    fn last_line(&self) -> String {
        const BARS: usize = 8;
        let [microphone, loudspeaker] = self.levels.map(|level| meter(level, BARS));
        let text = match self.reply.is_empty() {
            true => &self.partial,
            false => &self.reply,
        };
        let head = format!("{microphone} {loudspeaker} {:<11} ", self.state.text());
        let room = self.width.saturating_sub(head.chars().count() + 1);
        let n_left_out = text.chars().count().saturating_sub(room);
        let tail: String = text.chars().skip(n_left_out).collect();
        format!("{DIM}{head}{PLAIN}{}", tail.replace(['\n', '\r'], " "))
    }

    fn styled(&self, style: &str, text: &str) -> String {
        match self.terminal {
            true => format!("{style}{text}{PLAIN}"),
            false => text.to_owned(),
        }
    }
}

/// A peak of 0 to 1 as bars, 6 dB each.
fn meter(peak: f32, bars: usize) -> String {
    let db = 20.0 * peak.max(1e-6).log10();
    let full = ((db / 6.0).ceil() + bars as f32).clamp(0.0, bars as f32) as usize;
    format!("{}{}", "▮".repeat(full), "▯".repeat(bars - full))
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use voiced_core::{
        engine::ReplyEnd,
        epoch::Epoch,
        turn::{EndReason, ItemId, Message},
    };

    use super::*;

    fn ended(outcome: ReplyOutcome, written: &str, heard: usize) -> CallEvent {
        CallEvent::ReplyEnded {
            epoch: Epoch(1),
            item: ItemId::from("a"),
            outcome,
            written: written.to_owned(),
            heard,
            audio: Duration::ZERO,
            end: ReplyEnd::default(),
        }
    }

    #[test]
    fn without_a_terminal_only_what_was_said_is_printed() {
        let mut screen = Screen::new(false);
        let item = ItemId::from("u");
        let partial = CallEvent::Partial {
            item: item.clone(),
            text: "hel".into(),
        };
        assert!(screen.take(&partial).is_empty());
        let said = CallEvent::UserSaid {
            item,
            text: "hello".into(),
            audio: Duration::ZERO,
            words: Vec::new(),
        };
        assert_eq!(screen.take(&said), ["  you: hello"]);
        let typed = CallEvent::ItemAdded {
            item: ItemId::from("t"),
            previous: None,
            message: Message::new(Role::User, "typed"),
        };
        assert_eq!(screen.take(&typed), ["  you: typed"]);
        let whole = ended(ReplyOutcome::Completed, "Hi there.", 9);
        assert_eq!(screen.take(&whole), ["agent: Hi there."]);
        let cut = ended(ReplyOutcome::Interrupted, "One two three.", 7);
        assert_eq!(screen.take(&cut), ["agent: One two[not heard: three.]"]);
        let unheard = ended(ReplyOutcome::Interrupted, "", 0);
        assert!(screen.take(&unheard).is_empty());
        let over = CallEvent::Ended {
            reason: EndReason::AgentHungUp,
        };
        assert_eq!(screen.take(&over), ["(the agent hung up)"]);
    }

    #[test]
    fn what_was_cut_off_is_struck_through_at_a_whole_letter() {
        let mut screen = Screen::new(true);
        let lines = screen.take(&ended(ReplyOutcome::Interrupted, "naïve words", 3));
        assert_eq!(
            lines,
            [format!("{BOLD}agent:{PLAIN} na{STRUCK}ïve words{PLAIN}")]
        );
    }

    #[test]
    fn the_last_line_fits_and_shows_the_newest_words() {
        let mut screen = Screen::new(true);
        screen.width = 50;
        screen.reply = "word ".repeat(40) + "end";
        let line = screen.last_line().replace(DIM, "").replace(PLAIN, "");
        assert!(line.chars().count() < 50, "{line}");
        assert!(line.ends_with("word end"));
    }

    #[test]
    fn the_meter_is_empty_in_silence_and_full_at_full_scale() {
        assert_eq!(meter(0.0, 4), "▯▯▯▯");
        assert_eq!(meter(1.0, 4), "▮▮▮▮");
        assert_eq!(meter(0.2, 4), "▮▮▯▯");
        assert_eq!(meter(9.0, 4), "▮▮▮▮");
    }
}
