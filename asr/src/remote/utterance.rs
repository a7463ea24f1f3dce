//! What a lease has heard and not yet had answered: utterances in order, the last of them perhaps
//! still being spoken.
use std::collections::VecDeque;

use voiced_core::audio::SampleRate;

/// Sound kept from before a voice was noticed: half a second. Models lose first words otherwise.
const BEFORE: usize = 8_000;
/// Sound waiting in all before the lease is asked to hold back: half a minute.
const WAITING: usize = 30 * 16_000;
/// Longest utterance; a call cuts long before.
const LONGEST: usize = 10 * 60 * 16_000;

/// An utterance. Its sound is kept until it is answered, to be sent again if need be.
#[derive(Debug, Default)]
pub(super) struct Utterance {
    pub audio: Vec<f32>,
    /// Its end was heard: it is to be answered.
    pub closed: bool,
    /// Words so far.
    pub text: String,
    /// How often a connection was lost over it.
    pub losses: u32,
}

/// Utterances in order of time; the first is the one the server hears.
#[derive(Debug, Default)]
pub(super) struct Utterances {
    all: VecDeque<Utterance>,
    before: VecDeque<f32>,
}

impl Utterances {
    /// A voice began.
    pub fn start(&mut self) {
        if self.open().is_none() {
            self.all.push_back(Utterance {
                audio: self.before.drain(..).collect(),
                ..Utterance::default()
            });
        }
    }

    /// More sound. False when an utterance has become longer than any may be.
    pub fn hear(&mut self, samples: &[f32]) -> bool {
        if let Some(open) = self.open() {
            open.audio.extend_from_slice(samples);
            return open.audio.len() <= LONGEST;
        }
        self.before.extend(samples);
        let excess = self.before.len().saturating_sub(BEFORE);
        self.before.drain(..excess);
        true
    }

    /// What was heard is to be answered, even when it was nothing.
    pub fn finish(&mut self) {
        match self.open() {
            Some(open) => open.closed = true,
            None => self.all.push_back(Utterance {
                closed: true,
                ..Utterance::default()
            }),
        }
    }

    /// Forgets what is being spoken; true when the server was hearing it.
    pub fn discard(&mut self) -> bool {
        self.before.clear();
        if self.open().is_none() {
            return false;
        }
        self.all.pop_back();
        self.all.is_empty()
    }

    /// The one the server hears.
    pub fn first(&mut self) -> Option<&mut Utterance> {
        self.all.front_mut()
    }

    /// It was answered.
    pub fn pop(&mut self) -> Option<Utterance> {
        self.all.pop_front()
    }

    /// Whether more may come.
    pub fn has_room(&self) -> bool {
        let waiting: usize = self.all.iter().map(|u| u.audio.len()).sum();
        self.all.len() < 2 || waiting < WAITING
    }

    fn open(&mut self) -> Option<&mut Utterance> {
        self.all.back_mut().filter(|utterance| !utterance.closed)
    }
}

/// Samples at the hearing rate as seconds, for the log.
pub(super) fn seconds(samples: usize) -> f64 {
    SampleRate::HEARING
        .duration_of(samples as u64)
        .as_secs_f64()
}
