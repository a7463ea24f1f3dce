//! What of a translator's answer continues the words already said. Models asked for the next words
//! only sometimes begin the sentence again; spoken, that would be heard twice.
//!
//! Guarantee: text is passed on in order, none of it held back after the answer has ended, and
//! dropped only when it repeats all that was said of the utterance.
use super::words::{Unit, units};

/// Fewer said words than this may well be said again on purpose: "No, no."
const FEWEST: usize = 3;

/// Filters one answer as it streams in.
#[derive(Debug)]
pub struct Continuation {
    /// Keys of what was said of the utterance, marks left out.
    said: Vec<String>,
    /// Whether the answer may still turn out to begin with it.
    undecided: bool,
    /// What was held back meanwhile.
    held: String,
}

impl Continuation {
    /// An answer that follows `said`, the utterance's translation so far.
    pub fn new(said: &str) -> Self {
        let said: Vec<String> = keys(&units(said));
        Self {
            undecided: said.len() >= FEWEST,
            said,
            held: String::new(),
        }
    }

    /// More of the answer; returns what can be passed on.
    pub fn push(&mut self, text: &str) -> String {
        if !self.undecided {
            return text.to_owned();
        }
        self.held.push_str(text);
        // The last word may go on in the next piece.
        let complete = self.held.rfind(char::is_whitespace).unwrap_or(0);
        let heard = keys(&units(&self.held[..complete]));
        let n_same = same(&self.said, &heard);
        if n_same == self.said.len() {
            self.undecided = false;
            let rest = after_words(&self.held, n_same).to_owned();
            self.held.clear();
            return rest;
        }
        if n_same < heard.len() {
            self.undecided = false;
            return std::mem::take(&mut self.held);
        }
        String::new()
    }

    /// The answer has ended; what was still held back and is not a repetition.
    pub fn finish(&mut self) -> String {
        if !self.undecided {
            return String::new();
        }
        self.undecided = false;
        let held = std::mem::take(&mut self.held);
        let heard = keys(&units(&held));
        // Nothing but the beginning of what was said, or all of it: said already.
        if !heard.is_empty() && same(&self.said, &heard) == self.said.len() {
            return after_words(&held, self.said.len()).to_owned();
        }
        held
    }
}

fn keys(units: &[Unit]) -> Vec<String> {
    let keys = units.iter().map(|unit| unit.key.clone());
    keys.filter(|key| !key.is_empty()).collect()
}

fn same(said: &[String], heard: &[String]) -> usize {
    said.iter()
        .zip(heard)
        .take_while(|(said, heard)| said == heard)
        .count()
}

/// What follows the first `n` words of a text.
fn after_words(text: &str, n: usize) -> &str {
    let mut n_left = n;
    let mut from = 0;
    for unit in units(text) {
        if n_left == 0 {
            break;
        }
        let word = unit.text.trim_start();
        from += text[from..].find(word).unwrap_or(0) + word.len();
        n_left -= usize::from(!unit.key.is_empty());
    }
    &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(said: &str, pieces: &[&str]) -> String {
        let mut continuation = Continuation::new(said);
        let mut out: String = pieces
            .iter()
            .map(|piece| continuation.push(piece))
            .collect();
        out.push_str(&continuation.finish());
        out.trim().to_owned()
    }

    #[test]
    fn an_answer_that_begins_again_loses_what_was_said() {
        let said = "I would like, a table";
        assert_eq!(
            passed(said, &["I would ", "like a ta", "ble for two"]),
            "for two"
        );
        assert_eq!(passed(said, &["I would like a table"]), "");
        assert_eq!(passed(said, &["for", " two"]), "for two");
        assert_eq!(passed(said, &["I would ", "love one"]), "I would love one");
        assert_eq!(passed(said, &["I would"]), "I would");
    }

    #[test]
    fn short_words_may_be_repeated_on_purpose() {
        assert_eq!(passed("No,", &["no, thank you"]), "no, thank you");
        assert_eq!(passed("", &["hello"]), "hello");
    }
}
