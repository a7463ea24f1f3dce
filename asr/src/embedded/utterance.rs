//! One caller's speech, from pre-roll to final.
//!
//! The words are searched while they are spoken. As the utterance grows, the mean its cepstra are
//! normalised with becomes better known; at a few lengths, and at the end of a short one, the
//! search begins anew if the mean moved. When that is depends on the audio alone, not on how it came
//! in chunks or how late the search is.
use std::{collections::VecDeque, time::Duration};

use voiced_core::engine::{HeardWord, Transcript};

use crate::{
    cepstra::{Cepstrum, Normal, distance},
    credible::{LEAST_VOICED, Voicing, is_speech},
    sphinx::{Decoder, FrontEnd, MOST_FRAMES, Segment},
};

/// Frames kept while nobody speaks: 400 ms.
const PRE_ROLL: usize = 40;
/// Frames searched in a step, and between partials: 100 ms.
const STRIDE: usize = 10;
/// When the mean is looked at again, in frames.
const CHECKPOINTS: [usize; 6] = [100, 200, 300, 400, 600, 800];
/// An utterance up to this long is looked at once more at its end: 2 s, searched in 0.3 s.
const SHORT: usize = 200;
/// How far the mean must have moved for that.
const MOVED: f32 = 1.5;
/// Noise mixed into what is heard, as the peak of 16-bit samples: -78 dB. Silence made by machines
/// is exactly zero, of which no logarithm can be taken.
const DITHER: i32 = 7;

pub struct Utterance {
    front_end: FrontEnd,
    voicing: Voicing,
    dither: u32,
    /// Frames of the utterance, or the pre-roll.
    frames: VecDeque<Cepstrum>,
    voiced: VecDeque<bool>,
    normal: Normal,
    /// What the utterance is to be normalised with.
    mean: Cepstrum,
    state: State,
    search: Option<Search>,
    partial: String,
    /// Frames of the lease so far, and where in them the utterance begins.
    heard: u64,
    first: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody speaks.
    Idle,
    /// Somebody speaks.
    Hearing,
    /// A final is due.
    Finishing,
}

struct Search {
    decoder: Decoder,
    mean: Cepstrum,
    /// Frames searched with it.
    done: usize,
    /// Frames when the words were looked at last.
    told: usize,
}

/// What a step did.
pub enum Step {
    /// Searched on, nothing new.
    Searched,
    /// New words.
    Partial(String),
    /// The final words, and the decoder that is not needed any more.
    Final(Transcript, Option<Decoder>),
}

impl Utterance {
    pub fn new(front_end: FrontEnd) -> Self {
        let normal = Normal::new();
        Self {
            front_end,
            voicing: Voicing::new(),
            dither: 1,
            frames: VecDeque::new(),
            voiced: VecDeque::new(),
            mean: normal.mean(),
            normal,
            state: State::Idle,
            search: None,
            partial: String::new(),
            heard: 0,
            first: 0,
        }
    }

    /// Forgets everything, the caller included.
    pub fn reset(&mut self) -> Option<Decoder> {
        let decoder = self.discard();
        self.front_end.restart();
        self.voicing = Voicing::new();
        self.dither = 1;
        self.heard = 0;
        self.frames.clear();
        self.voiced.clear();
        self.normal = Normal::new();
        decoder
    }

    /// Forgets the utterance.
    pub fn discard(&mut self) -> Option<Decoder> {
        self.rest(false)
    }

    pub fn is_finishing(&self) -> bool {
        self.state == State::Finishing
    }

    /// Takes in audio at 16 kHz.
    pub fn hear(&mut self, samples: &[f32]) {
        let clean: Vec<f32> = samples
            .iter()
            .map(|s| {
                if s.is_finite() {
                    s.clamp(-1.0, 1.0)
                } else {
                    0.0
                }
            })
            .collect();
        let dithered: Vec<i16> = clean.iter().map(|s| self.dithered(*s)).collect();
        let mut frames = Vec::new();
        self.front_end.process(&dithered, &mut frames);
        self.heard += frames.len() as u64;
        let mut voiced = Vec::new();
        self.voicing.push(&clean, &mut voiced);
        if self.state == State::Idle {
            self.frames.extend(frames);
            self.voiced.extend(voiced);
            keep_last(&mut self.frames, PRE_ROLL);
            keep_last(&mut self.voiced, PRE_ROLL);
            return;
        }
        for frame in frames {
            // Longer than any turn: the pipeline takes one at a minute.
            if self.frames.len() < MOST_FRAMES {
                self.normal.add(&frame);
                self.frames.push_back(frame);
                if CHECKPOINTS.contains(&self.frames.len()) {
                    self.reconsider();
                }
            }
        }
        if self.voiced.len() < MOST_FRAMES {
            self.voiced.extend(voiced);
        }
    }

    /// Somebody began to speak, in the pre-roll.
    pub fn begin(&mut self) {
        if self.state == State::Idle {
            self.state = State::Hearing;
            self.first = self.heard - self.frames.len() as u64;
            for frame in &self.frames {
                self.normal.add(frame);
            }
            self.mean = self.normal.mean();
        }
    }

    /// A final is wanted.
    pub fn finish(&mut self) {
        self.state = State::Finishing;
        if self.frames.len() <= SHORT {
            self.reconsider();
        }
    }

    /// Takes a better mean, if it moved far enough for a search anew.
    fn reconsider(&mut self) {
        let mean = self.normal.mean();
        if distance(&self.mean, &mean) > MOVED {
            self.mean = mean;
        }
    }

    /// Frames the search has not come to yet.
    pub fn behind(&self) -> usize {
        match self.state {
            State::Idle => 0,
            State::Hearing | State::Finishing => self.frames.len() - self.searched(),
        }
    }

    /// Whether a step would do anything.
    pub fn has_work(&self) -> bool {
        match self.state {
            State::Idle => false,
            State::Hearing => self.frames.len() >= self.searched() + STRIDE,
            State::Finishing => true,
        }
    }

    /// Whether a step needs a decoder first.
    pub fn needs_decoder(&self) -> bool {
        self.search.is_none() && self.may_be_speech()
    }

    /// Takes a decoder for this utterance.
    pub fn lend(&mut self, mut decoder: Decoder) {
        decoder.begin(&self.mean);
        self.search = Some(Search {
            decoder,
            mean: self.mean,
            done: 0,
            told: 0,
        });
    }

    /// Searches on, by at most 100 ms.
    pub fn step(&mut self) -> Step {
        let finishing = self.state == State::Finishing;
        let Some(search) = &mut self.search else {
            // A sound without a voice: nothing was said.
            return if finishing {
                Step::Final(Transcript::default(), self.rest(false))
            } else {
                // Looked at; what comes may be speech.
                Step::Searched
            };
        };
        if search.mean != self.mean {
            search.decoder.begin(&self.mean);
            search.mean = self.mean;
            search.done = 0;
        }
        let until = self.frames.len().min(search.done + STRIDE);
        if search.done < until {
            let stride: Vec<Cepstrum> = self.frames.range(search.done..until).copied().collect();
            search.decoder.search(&stride);
            search.done = until;
        }
        let caught_up = search.done + STRIDE > self.frames.len();
        if finishing && search.done == self.frames.len() {
            let voiced = self.voiced.iter().filter(|voiced| **voiced).count();
            let (words, segments) = search.decoder.finish();
            let speech = is_speech(voiced, &segments);
            let said = match speech {
                true => Transcript {
                    text: words,
                    words: timed(&segments, self.first),
                },
                false => Transcript::default(),
            };
            return Step::Final(said, self.rest(speech));
        }
        if !finishing && caught_up && search.done >= search.told + STRIDE {
            search.told = search.done;
            let words = search.decoder.words();
            if words != self.partial && !words.is_empty() {
                self.partial.clone_from(&words);
                return Step::Partial(words);
            }
        }
        Step::Searched
    }

    /// Frames that need no search: those that were, or all while there is no voice in them.
    fn searched(&self) -> usize {
        match &self.search {
            Some(search) => search.done,
            None if self.may_be_speech() => 0,
            None => self.frames.len(),
        }
    }

    fn may_be_speech(&self) -> bool {
        self.state != State::Idle
            && self.voiced.iter().filter(|voiced| **voiced).count() >= LEAST_VOICED
    }

    /// Back to waiting for speech; what was heard last is the next pre-roll.
    fn rest(&mut self, was_speech: bool) -> Option<Decoder> {
        self.normal.finish(was_speech);
        self.state = State::Idle;
        self.partial.clear();
        // Speech that ended must not be heard twice, so nothing is kept of an utterance.
        self.frames.clear();
        self.voiced.clear();
        self.search.take().map(|search| search.decoder)
    }

    fn dithered(&mut self, sample: f32) -> i16 {
        self.dither = self
            .dither
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let noise = (self.dither >> 16) as i32 % (2 * DITHER + 1) - DITHER;
        let value = (sample * 32_767.0) as i32 + noise;
        value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
    }
}

/// The words of an utterance that began at frame `first`, without what is no word.
fn timed(segments: &[Segment], first: u64) -> Vec<HeardWord> {
    let at = |frame: u64| Duration::from_millis(10 * frame);
    let mut frame = first;
    let mut words = Vec::new();
    for segment in segments {
        let (start, end) = (frame, frame + segment.frames as u64);
        frame = end;
        if segment.word.starts_with(['<', '[', '+']) {
            continue;
        }
        // Other ways to say a word are numbered: "a(2)".
        let text = segment.word.split('(').next().unwrap_or_default();
        words.push(HeardWord {
            text: text.to_owned(),
            start: at(start),
            end: at(end),
            // It weighs whole sentences, not words.
            confidence: 1.0,
        });
    }
    words
}

fn keep_last<T>(queue: &mut VecDeque<T>, most: usize) {
    let old = queue.len().saturating_sub(most);
    queue.drain(..old);
}
