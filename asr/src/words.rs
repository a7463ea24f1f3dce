//! Tokens to words: text put together from bytes, times from the model's own markers, confidence
//! from its probabilities.
//!
//! A word marker says that the group whose tokens follow ended at that moment, 80 ms exact. Where
//! a group begins is not told: it cannot be before the one before ended, and hardly earlier than
//! its letters take to say. Several words that end in the same 80 ms share a marker.
use std::time::Duration;

use voiced_nn::tekken::{Tekken, Utf8Stream};

use crate::voxtral::{Control, LEFT_PAD};

/// A position.
pub const POSITION: Duration = Duration::from_millis(80);

/// What was written at one marker: usually a word, with the space in front of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// As written, leading space included; texts in a row are the transcript.
    pub text: String,
    /// At the latest; an estimate from its letters or the end of the word before.
    pub start: Duration,
    /// When it ended, 80 ms exact.
    pub end: Duration,
    /// Geometric mean of its tokens' probabilities, 0 to 1.
    pub confidence: f32,
}

/// The transcript of words in a row, without the space around it.
pub fn transcript<'a>(words: impl IntoIterator<Item = &'a Word>) -> String {
    joined(words.into_iter().map(|w| w.text.as_str()))
}

/// Texts in a row, without the space around them.
pub(crate) fn joined<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut text: String = texts.into_iter().collect();
    text.truncate(text.trim_end().len());
    let lead = text.len() - text.trim_start().len();
    text.split_off(lead)
}

/// One token as the decoder chose it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// Its place in the sequence: one more than the position that chose it.
    pub index: u64,
    /// Natural logarithm of its probability.
    pub log_probability: f32,
}

/// A group being written.
#[derive(Clone, Debug)]
struct Group {
    text: String,
    end: Duration,
    /// A marker opened it, so it is not the rest of what came before.
    marked: bool,
    log_probability: f32,
    tokens: u32,
}

/// Puts the words of one session together.
#[derive(Clone, Debug)]
pub struct WordStream {
    delay: usize,
    /// When the session's audio began, on the caller's clock.
    base: Duration,
    utf8: Utf8Stream,
    open: Option<Group>,
    previous_end: Duration,
    blanks: u64,
}

impl WordStream {
    /// A session of this delay whose first sample was at `base`.
    pub fn new(delay: usize, base: Duration) -> WordStream {
        WordStream {
            delay,
            base,
            utf8: Utf8Stream::default(),
            open: None,
            previous_end: base,
            blanks: 0,
        }
    }

    /// The moment the token at `index` speaks of: the model writes `delay` positions late, and
    /// heard silence before the audio began.
    fn moment(&self, index: u64) -> Duration {
        let late = (LEFT_PAD + self.delay) as u64;
        self.base + POSITION * u32::try_from(index.saturating_sub(late)).unwrap_or(u32::MAX)
    }

    /// Takes a token and gives the word it completes.
    pub fn push(&mut self, token: Token, control: &Control, tekken: &Tekken) -> Option<Word> {
        if token.id == control.pad {
            self.blanks += 1;
        } else {
            self.blanks = 0;
        }
        if !tekken.is_special(token.id) {
            let text = self.utf8.push(tekken.piece(token.id));
            let end = self.moment(token.index);
            let group = self.group(end);
            group.text.push_str(&text);
            group.log_probability += token.log_probability;
            group.tokens += 1;
            return None;
        }
        let done = self.close();
        if token.id == control.word {
            let end = self.moment(token.index);
            self.group(end).marked = true;
        }
        done
    }

    /// The group being written, or a new one that ended at `end`.
    fn group(&mut self, end: Duration) -> &mut Group {
        self.open.get_or_insert(Group {
            text: String::new(),
            end,
            marked: false,
            log_probability: 0.0,
            tokens: 0,
        })
    }

    fn close(&mut self) -> Option<Word> {
        let group = self.open.take()?;
        if group.text.is_empty() {
            return None;
        }
        let letters = group.text.trim().chars().count() as u32;
        // 15 letters a second is slow speech; a word takes at least a position.
        let longest = POSITION + Duration::from_millis(65) * letters;
        let end = group.end.max(self.previous_end);
        let start = self.previous_end.max(end.saturating_sub(longest));
        self.previous_end = end;
        Some(Word {
            text: group.text,
            start,
            end,
            confidence: (group.log_probability / group.tokens.max(1) as f32).exp(),
        })
    }

    /// The text of the word being written and when it ended, if any of it is there.
    pub fn unfinished(&self) -> Option<(&str, Duration)> {
        let group = self.open.as_ref()?;
        (!group.text.is_empty()).then_some((group.text.as_str(), group.end))
    }

    /// Whether a marker stands without its text yet, or a word without its end.
    pub fn in_a_word(&self) -> bool {
        self.open
            .as_ref()
            .is_some_and(|g| g.marked || !g.text.is_empty())
    }

    /// Blank positions in a row.
    pub fn blanks(&self) -> u64 {
        self.blanks
    }

    /// The end of the session: gives what was still being written.
    pub fn finish(&mut self) -> Option<Word> {
        let rest = self.utf8.finish();
        if !rest.is_empty() {
            let end = self.previous_end;
            self.group(end).text.push_str(&rest);
        }
        self.close()
    }
}

#[cfg(test)]
mod tests;
