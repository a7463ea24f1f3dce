//! The recogniser that needs no download and no GPU: PocketSphinx with its US-English model,
//! utterance by utterance. It is modest, and here so that the daemon hears at once.
//!
//! Guarantees: each `Finalize` is answered by exactly one `Final`, empty when nothing credible was
//! said; a step searches at most 100 ms of audio for each row (15 ms of work); 400 ms before
//! `SpeechStarted` are heard; without `SpeechStarted` nothing is.
//!
//! Rows are cheap: a row has a front end, which runs all the time, and borrows a decoder (93 MB)
//! from `pool` for as long as somebody speaks.
mod pool;
mod utterance;

use std::{collections::VecDeque, path::PathBuf, thread};

use voiced_core::{
    audio::SampleRate,
    engine::{Engine, EngineError, Heard, Hearing, Progress, SlotId},
};

pub use crate::sphinx::LoadError;
use crate::sphinx::{FrontEnd, Model};
use pool::Pool;
use utterance::{Step, Utterance};

/// Inputs that wait behind a `Finalize`; 8 s of 20 ms frames, far more than a last pass takes.
const WAITING: usize = 400;

/// Decoders for each core: one takes a sixth of a core while somebody speaks.
const DECODERS_PER_CORE: usize = 4;

/// Where the model is.
#[derive(Clone, Debug, Default)]
pub struct EmbeddedOptions {
    /// The folder with `en-us`, `en-us.lm.bin` and `cmudict-en-us.dict`; `None` looks into the
    /// usual places.
    pub model: Option<PathBuf>,
}

/// Why the recogniser could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No model, or one that cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The library has no memory for another row.
    #[error("PocketSphinx could not make a front end: out of memory?")]
    FrontEnd,
}

/// The engine.
pub struct Embedded {
    rows: Vec<Row>,
    pool: Pool,
}

struct Row {
    utterance: Utterance,
    /// What came after a `Finalize` that is not answered yet.
    waiting: VecDeque<Hearing>,
}

impl Embedded {
    /// A recogniser with `rows` rows. Loads one decoder, in a quarter of a second; others are
    /// loaded beside, when more than one person speaks at a time.
    pub fn new(rows: usize, options: &EmbeddedOptions) -> Result<Self, StartError> {
        let model = Model::find(options.model.as_deref())?;
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let pool = Pool::new(model, rows.min(cores * DECODERS_PER_CORE))?;
        let row = |front_end: FrontEnd| Row {
            utterance: Utterance::new(front_end),
            waiting: VecDeque::new(),
        };
        let rows = (0..rows)
            .map(|_| pool.front_end().map(row).ok_or(StartError::FrontEnd))
            .collect::<Result<_, _>>()?;
        Ok(Self { rows, pool })
    }

    fn reset(&mut self, slot: SlotId) {
        let row = &mut self.rows[slot.0];
        row.waiting.clear();
        if let Some(decoder) = row.utterance.reset() {
            self.pool.give_back(decoder);
        }
    }
}

impl Engine for Embedded {
    type Input = Hearing;
    type Output = Heard;

    fn slots(&self) -> usize {
        self.rows.len()
    }

    fn open(&mut self, slot: SlotId) {
        self.reset(slot);
    }

    fn feed(&mut self, slot: SlotId, input: Hearing) -> Result<(), EngineError> {
        if let Hearing::Audio(frame) = &input
            && frame.rate != SampleRate::HEARING
        {
            let rate = frame.rate.hz();
            let problem = format!("the recogniser hears at 16000 Hz, not at {rate}");
            return Err(EngineError::bad_input(problem));
        }
        let row = &mut self.rows[slot.0];
        if !row.utterance.is_finishing() {
            row.take(input, &mut self.pool);
        } else if row.waiting.len() < WAITING {
            row.waiting.push_back(input);
        } else {
            return Err(EngineError::bad_input("too much audio behind a finalize"));
        }
        Ok(())
    }

    fn close(&mut self, slot: SlotId) {
        self.reset(slot);
    }

    fn step(
        &mut self,
        ready: &[bool],
        emit: &mut dyn FnMut(SlotId, Heard),
    ) -> Result<Progress, EngineError> {
        let mut progress = Progress::Idle;
        for (slot, row) in self.rows.iter_mut().enumerate() {
            if !ready[slot] || !row.utterance.has_work() {
                continue;
            }
            if row.utterance.needs_decoder() {
                match self.pool.take().map_err(EngineError::device)? {
                    Some(decoder) => row.utterance.lend(decoder),
                    None => continue,
                }
            }
            progress = Progress::Stepped;
            match row.utterance.step() {
                Step::Searched => {}
                Step::Partial(words) => emit(SlotId(slot), Heard::Partial(words)),
                Step::Final(words, decoder) => {
                    if let Some(decoder) = decoder {
                        self.pool.give_back(decoder);
                    }
                    emit(SlotId(slot), Heard::Final(words));
                    row.catch_up(&mut self.pool);
                }
            }
        }
        Ok(progress)
    }
}

impl Row {
    fn take(&mut self, input: Hearing, pool: &mut Pool) {
        match input {
            Hearing::Audio(frame) => self.utterance.hear(&frame.samples),
            Hearing::SpeechStarted => self.utterance.begin(),
            Hearing::Finalize => self.utterance.finish(),
            Hearing::Discard => {
                if let Some(decoder) = self.utterance.discard() {
                    pool.give_back(decoder);
                }
            }
        }
    }

    /// Takes in what waited for the final, up to the next `Finalize`.
    fn catch_up(&mut self, pool: &mut Pool) {
        while !self.utterance.is_finishing()
            && let Some(input) = self.waiting.pop_front()
        {
            self.take(input, pool);
        }
    }
}
