//! What the caller is saying now: words that are not yet a committed item.
use std::time::Duration;

use crate::{
    engine::{HeardWord, Transcript},
    time::SessionTime,
    turn::{ItemId, TurnPolicy},
};

/// The caller's words since the last committed item.
#[derive(Clone, Debug, Default)]
pub(super) struct Hearing {
    /// The item they will become, once there is something.
    pub item: Option<ItemId>,
    /// Whether the caller's side knows of the item.
    pub is_announced: bool,
    /// Whether voice activity goes on.
    pub is_loud: bool,
    /// How many final words the recogniser owes: one for every time it was asked.
    finals_due: u32,
    /// Finals that were given up and may still come.
    finals_late: u32,
    /// When the speech ended whose words never came; they are welcome late.
    missed: Option<SessionTime>,
    finals: String,
    /// What is known of the words of the finals.
    pub words: Vec<HeardWord>,
    partial: String,
    /// When the present stretch of speech began.
    began: SessionTime,
    /// When the last stretch of speech ended.
    pub ended: Option<SessionTime>,
    /// When the last final words came.
    pub final_at: Option<SessionTime>,
    /// Where in the caller's audio the item begins.
    pub audio_start: Duration,
    /// Where in the caller's audio it ends, as far as known.
    pub audio_end: Duration,
}

impl Hearing {
    pub fn start(&mut self, now: SessionTime, at: Duration) {
        if self.item.is_none() && self.text().is_empty() {
            self.audio_start = at;
        }
        self.is_loud = true;
        self.began = now;
        self.audio_end = at;
    }

    pub fn stop(&mut self, ended: SessionTime, at: Duration) {
        self.is_loud = false;
        self.expect_final();
        self.ended = Some(ended);
        self.audio_end = at;
    }

    /// The recogniser was asked for its final words.
    pub fn expect_final(&mut self) {
        self.finals_due += 1;
        // What is still missing by now was lost, not late.
        self.finals_late = 0;
        self.missed = None;
    }

    /// Whether the recogniser owes final words.
    pub fn awaits_final(&self) -> bool {
        self.finals_due > 0
    }

    /// Final words that did not come in time are not waited for. They are not wanted any more
    /// where their partials were taken instead.
    pub fn give_up_finals(&mut self) {
        let n_late = std::mem::take(&mut self.finals_due);
        self.finals_late += n_late;
        self.missed = self.ended.filter(|_| n_late > 0 && !self.has_words());
    }

    /// The recogniser forgot what it was asked about.
    pub fn forget_finals(&mut self) {
        self.finals_due = 0;
        self.finals_late = 0;
        self.missed = None;
    }

    /// Whether final words that came now were given up before and are not wanted any more.
    pub fn is_late_final(&mut self) -> bool {
        let is_late = self.finals_due == 0 && self.finals_late > 0;
        self.finals_late -= u32::from(is_late);
        match self.missed.take().filter(|_| is_late) {
            // The turn they make ended when it was spoken, not when they came.
            Some(ended) => {
                self.ended.get_or_insert(ended);
                false
            }
            None => is_late,
        }
    }

    pub fn set_partial(&mut self, text: &str) {
        text.trim().clone_into(&mut self.partial);
    }

    pub fn set_final(&mut self, now: SessionTime, said: Transcript) {
        self.partial.clear();
        let text = said.text.trim();
        self.words.extend(said.words);
        if !text.is_empty() && !self.finals.is_empty() {
            self.finals.push(' ');
        }
        self.finals.push_str(text);
        self.finals_due = self.finals_due.saturating_sub(1);
        self.final_at = Some(now);
    }

    /// All words so far, hypotheses included.
    pub fn text(&self) -> String {
        match (self.finals.is_empty(), self.partial.is_empty()) {
            (_, true) => self.finals.clone(),
            (true, false) => self.partial.clone(),
            (false, false) => format!("{} {}", self.finals, self.partial),
        }
    }

    pub fn has_words(&self) -> bool {
        !self.finals.is_empty() || !self.partial.is_empty()
    }

    /// How long the present or last stretch of speech lasted.
    pub fn speech_lasted(&self, now: SessionTime) -> Duration {
        match self.ended {
            Some(ended) if !self.is_loud => ended.since(self.began),
            _ => now.since(self.began),
        }
    }

    /// When the present stretch of speech is long enough to interrupt.
    pub fn long_enough_at(&self, policy: &TurnPolicy) -> SessionTime {
        self.began + policy.interrupt_after
    }

    /// Whether the words are more than agreement: enough of them, and not all backchannels.
    pub fn contradicts(&self, policy: &TurnPolicy) -> bool {
        let text = self.text().to_lowercase();
        let mut n_words = 0;
        let mut n_meant = 0;
        for word in text.split_whitespace() {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric());
            if word.is_empty() {
                continue;
            }
            n_words += 1;
            n_meant += usize::from(!policy.backchannels.iter().any(|agreed| agreed == word));
        }
        n_meant > 0 && n_words >= policy.interrupt_words
    }

    /// Forgets the words but not that somebody is speaking right now.
    pub fn reset(&mut self) {
        *self = Hearing {
            is_loud: self.is_loud,
            began: self.began,
            finals_late: self.finals_late,
            missed: self.missed,
            audio_start: self.audio_end,
            audio_end: self.audio_end,
            ..Hearing::default()
        };
    }
}
