//! One lease: its queue, what it has heard and said, and the fork that answers a finalise.
use std::{collections::VecDeque, time::Duration};

use voiced_core::{audio::SampleRate, engine::Hearing};

use super::{Options, TOGETHER, filter::Filter, positions};
use crate::{
    voxtral::{LEFT_PAD, Row, SAMPLES, Voxtral},
    words::{Word, WordStream, joined},
};

/// Audio waiting in a row before it is given up, for callers that do not hold back.
const BACKLOG: u64 = 60 * 16_000;
/// Audio waiting in a row before its session is asked to hold back.
const QUEUE: u64 = 2 * 16_000;
/// Audio kept for starting anew.
const RECENT: usize = 5 * 16_000;
/// Loudness above which there may be speech, and below which there is a pause: -45 dBFS.
const LOUD: f32 = 0.005_6;
/// Blank positions that make a pause, and a rut.
const PAUSE: u64 = 10;
const RUT: u64 = 50;
/// Two rescues are at least this far apart: music would otherwise be started anew all the time.
const RESCUE_EVERY: u64 = 20 * 16_000;

/// Why a row starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// It has come far, and nobody speaks.
    InAPause,
    /// It writes nothing though somebody speaks.
    OutOfARut,
}

impl Renewal {
    /// Samples it hears again.
    fn replay(self) -> u64 {
        match self {
            Renewal::InAPause => 16_000 * 8 / 10,
            Renewal::OutOfARut => 2 * 16_000,
        }
    }
}

/// A row and the words it writes.
#[derive(Clone)]
pub(super) struct Listener {
    pub row: Row,
    pub words: WordStream,
    /// Samples of the lease before this listener's first.
    base: u64,
    /// Samples this listener was given.
    given: u64,
}

impl Listener {
    fn new(row: Row, base: u64) -> Listener {
        Listener {
            words: WordStream::new(row.delay(), time(base)),
            row,
            base,
            given: 0,
        }
    }

    fn push(&mut self, model: &Voxtral, samples: &[f32]) {
        self.row.push(model, samples);
        self.given += samples.len() as u64;
    }

    /// Samples of the lease that were decoded.
    fn decoded(&self) -> u64 {
        let positions = self.row.decoded().saturating_sub(LEFT_PAD as u64);
        self.base + (positions * SAMPLES as u64).min(self.given)
    }
}

/// A position in the lease's audio as time.
fn time(samples: u64) -> Duration {
    SampleRate::HEARING.duration_of(samples)
}

/// A lease's state.
pub(super) struct Session {
    /// In positions; of the row's next beginning.
    pub delay: usize,
    begun: bool,
    pub listener: Listener,
    pub inbox: VecDeque<Hearing>,
    /// Samples in the inbox.
    waiting: u64,
    /// Samples heard.
    total: u64,
    /// The last few seconds heard.
    recent: VecDeque<f32>,
    /// Words since the last final.
    hypothesis: Vec<Word>,
    /// A fork is at work.
    pub flushing: bool,
    /// Words written meanwhile, which may be ones it will say.
    unsettled: Vec<Word>,
    /// Samples heard at the last final or discard.
    settled: u64,
    filter: Filter,
    /// The partial the lease knows.
    told: String,
    /// No rescue before this sample.
    rescue_from: u64,
}

impl Session {
    /// Before its first audio; `row` says nothing yet.
    pub fn new(row: Row, delay: usize) -> Session {
        Session {
            delay,
            begun: false,
            listener: Listener::new(row, 0),
            inbox: VecDeque::new(),
            waiting: 0,
            total: 0,
            recent: VecDeque::new(),
            hypothesis: Vec::new(),
            flushing: false,
            unsettled: Vec::new(),
            settled: 0,
            filter: Filter::default(),
            told: String::new(),
            rescue_from: 0,
        }
    }

    /// Whether the row stands in its slot.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Begins with a row whose slot was just filled.
    pub fn begin(&mut self, row: Row) {
        self.listener = Listener::new(row, 0);
        self.begun = true;
    }

    /// Queues an input.
    pub fn feed(&mut self, input: Hearing) -> Result<(), String> {
        if let Hearing::Audio(frame) = &input {
            self.waiting += frame.samples.len() as u64;
            if self.waiting > BACKLOG {
                return Err(format!(
                    "the recogniser is {} s behind: this machine is too slow for its model",
                    self.waiting / 16_000
                ));
            }
        }
        self.inbox.push_back(input);
        Ok(())
    }

    /// Whether the queue is short enough to take more: two seconds of audio.
    pub fn has_room(&self) -> bool {
        self.waiting < QUEUE && self.inbox.len() < 256
    }

    /// Whether the row will soon have used up what it was given.
    pub fn wants_audio(&self) -> bool {
        self.listener.row.encodable() + self.listener.row.waiting() < TOGETHER
    }

    /// Words and samples held, for the tests that nothing grows.
    #[cfg(test)]
    pub fn held(&self) -> (usize, usize) {
        let words = self.hypothesis.len() + self.unsettled.len() + self.filter.expected.len();
        (words, self.recent.len() + self.waiting as usize)
    }

    /// Hears the audio at the front of the queue.
    pub fn hear_next(&mut self, model: &Voxtral) {
        if let Some(Hearing::Audio(frame)) = self.inbox.pop_front() {
            self.waiting -= frame.samples.len() as u64;
            self.total += frame.samples.len() as u64;
            self.listener.push(model, &frame.samples);
            self.recent.extend(&frame.samples);
            let excess = self.recent.len().saturating_sub(RECENT);
            self.recent.drain(..excess);
        }
    }

    /// Whether a final would have nothing to say without asking the model.
    pub fn nothing_heard(&self) -> bool {
        self.total == self.settled && self.hypothesis.is_empty()
    }

    /// Forgets what was heard since the last final.
    pub fn discard(&mut self) {
        self.settled = self.total;
        self.filter = Filter {
            until: time(self.total),
            expected: VecDeque::new(),
        };
        self.hypothesis.clear();
    }

    /// The fork that will answer a finalise: this row's state, and the silence it is to hear. Its
    /// slot is still to be copied.
    pub fn fork(&mut self, owner: usize, model: &Voxtral) -> Flush {
        let mut listener = self.listener.clone();
        let positions = listener.given.div_ceil(SAMPLES as u64);
        let align = positions * SAMPLES as u64 - listener.given;
        let delay = listener.row.delay();
        // Ten positions more than the delay: the longest word is written that long after its end.
        let silence = align as usize + (delay + 11) * SAMPLES + 40;
        listener.push(model, &vec![0.0; silence]);
        self.flushing = true;
        self.settled = self.total;
        Flush {
            owner,
            listener,
            enough: LEFT_PAD as u64 + positions + delay as u64 + 1,
            known: self.hypothesis.len(),
            words: std::mem::take(&mut self.hypothesis),
            filter: self.filter.clone(),
            blank: false,
        }
    }

    /// Takes what a fork heard: the words of the final.
    pub fn settle(&mut self, flush: Flush) -> Vec<Word> {
        let new = flush.words[flush.known..].iter();
        self.filter = Filter {
            until: time(self.settled).max(self.filter.until),
            expected: new.map(|w| w.text.clone()).collect(),
        };
        self.flushing = false;
        self.told.clear();
        for word in std::mem::take(&mut self.unsettled) {
            self.write(word);
        }
        flush.words
    }

    /// Takes a word the row wrote.
    pub fn write(&mut self, word: Word) {
        if self.flushing {
            self.unsettled.push(word);
        } else if self.filter.passes(&word.text, word.end) {
            self.hypothesis.push(word);
        }
    }

    /// The hypothesis, when it is another than the lease knows.
    pub fn news(&mut self) -> Option<String> {
        if self.flushing {
            return None;
        }
        let unfinished = self.listener.words.unfinished();
        let unfinished = unfinished.filter(|(text, end)| self.filter.would_pass(text, *end));
        let written = self.hypothesis.iter().map(|w| w.text.as_str());
        let text = joined(written.chain(unfinished.map(|(text, _)| text)));
        if text == self.told {
            return None;
        }
        self.told.clone_from(&text);
        Some(text)
    }

    /// Whether this row should start anew.
    pub fn should_renew(&self, options: &Options) -> Option<Renewal> {
        let listener = &self.listener;
        let blanks = listener.words.blanks();
        if self.flushing || listener.words.in_a_word() || blanks < PAUSE {
            return None;
        }
        if let Some(limit) = options.roll_after
            && positions(listener.row.decoded()) >= limit
            && self.loud_parts(16_000) == 0.0
        {
            return Some(Renewal::InAPause);
        }
        let rescue = options.watchdog
            && blanks >= RUT
            && blanks.is_multiple_of(PAUSE)
            && self.total >= self.rescue_from
            && self.loud_parts(RUT * SAMPLES as u64) > 0.6;
        rescue.then_some(Renewal::OutOfARut)
    }

    /// How much of the last `samples` decoded, and of what came after them, is loud: 0 to 1.
    fn loud_parts(&self, samples: u64) -> f32 {
        let since = self.listener.decoded().saturating_sub(samples);
        let recent: Vec<f32> = self.since(since).collect();
        let parts = recent.chunks_exact(SAMPLES);
        let count = parts.len().max(1);
        let loud = parts.filter(|part| {
            let power: f32 = part.iter().map(|s| s * s).sum();
            (power / SAMPLES as f32).sqrt() > LOUD
        });
        loud.count() as f32 / count as f32
    }

    /// What was heard from a sample of the lease on, as far back as it is kept.
    fn since(&self, sample: u64) -> impl Iterator<Item = f32> + '_ {
        let first = self.total - self.recent.len() as u64;
        let skip = sample.saturating_sub(first) as usize;
        self.recent.iter().copied().skip(skip)
    }

    /// Starts anew from a fresh row, whose slot was just filled, hearing the last moments again.
    /// What was written stays, and is not written twice.
    pub fn renew(&mut self, model: &Voxtral, beginning: Row, renewal: Renewal) {
        let decoded = self.listener.decoded();
        let kept = self.total - self.recent.len() as u64;
        let from = decoded.saturating_sub(renewal.replay()).max(kept);
        let again: Vec<f32> = self.since(from).collect();
        let until = match renewal {
            // Nothing was said lately.
            Renewal::InAPause => time(decoded),
            // Much may have been said and not written.
            Renewal::OutOfARut => {
                self.rescue_from = self.total + RESCUE_EVERY;
                self.hypothesis.last().map_or(Duration::ZERO, |w| w.end)
            }
        };
        self.filter.until = self.filter.until.max(until);
        self.listener = Listener::new(beginning, from);
        self.listener.push(model, &again);
    }
}

/// A fork hearing silence.
pub(super) struct Flush {
    /// The row it answers for.
    pub owner: usize,
    pub listener: Listener,
    /// Positions after which a blank is the end.
    enough: u64,
    words: Vec<Word>,
    /// Of these, the row had written so many.
    known: usize,
    filter: Filter,
    /// The last token wrote nothing.
    blank: bool,
}

impl Flush {
    /// Takes the word a token completed, if it did; `blank` when the token writes nothing.
    pub fn write(&mut self, word: Option<Word>, blank: bool) {
        self.blank = blank;
        let word = word.filter(|w| self.filter.passes(&w.text, w.end));
        self.words.extend(word);
    }

    /// Whether all was heard that the audio can still bring.
    pub fn done(&mut self) -> bool {
        let row = &self.listener.row;
        let exhausted = row.encodable() == 0 && row.waiting() == 0;
        if exhausted {
            let last = self.listener.words.finish();
            let last = last.filter(|w| self.filter.passes(&w.text, w.end));
            self.words.extend(last);
        }
        exhausted || row_is_past(&self.listener, self.enough) && self.blank
    }
}

fn row_is_past(listener: &Listener, positions: u64) -> bool {
    listener.row.decoded() >= positions
}
