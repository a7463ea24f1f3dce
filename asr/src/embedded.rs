//! The recogniser that needs no download and no GPU: PocketSphinx with its US-English model,
//! utterance by utterance. It is modest, and here so that the daemon hears at once: of the embedded
//! voices' short sentences it gets 12 % of words wrong, of recorded readers 39 %, of digits spoken
//! alone most (`tests/words.rs`, a room's noise at -65 dB, each utterance a new caller's first).
//!
//! Guarantees: each `Finalize` is answered by exactly one `Final`, empty when nothing credible was
//! said; a step searches at most 100 ms of audio for each row (15 ms of work, 50 to 75 at worst,
//! measured); 400 ms before `SpeechStarted` are heard; without `SpeechStarted` nothing is.
//!
//! Rows are cheap: a row has a front end, which runs all the time, and borrows a decoder (93 MB)
//! from `pool` for as long as somebody speaks.
mod pool;
mod utterance;

use std::{path::PathBuf, thread};

use voiced_core::{
    audio::SampleRate,
    engine::{Engine, EngineError, Heard, Hearing, Progress, SlotId},
};

pub use crate::sphinx::LoadError;
use crate::sphinx::Model;
use pool::Pool;
use utterance::{Step, Utterance};

/// A row takes no more audio while the search is this many frames behind it: 5 s. Its inputs wait
/// in its own queue.
const BEHIND: usize = 500;

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
    rows: Vec<Utterance>,
    pool: Pool,
}

impl Embedded {
    /// A recogniser with `rows` rows. Loads one decoder, in a quarter of a second; others are
    /// loaded beside, when more than one person speaks at a time.
    pub fn new(rows: usize, options: &EmbeddedOptions) -> Result<Self, StartError> {
        let model = Model::find(options.model.as_deref())?;
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let pool = Pool::new(model, rows.min(cores * DECODERS_PER_CORE))?;
        let rows = (0..rows)
            .map(|_| {
                pool.front_end()
                    .map(Utterance::new)
                    .ok_or(StartError::FrontEnd)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { rows, pool })
    }

    fn reset(&mut self, slot: SlotId) {
        if let Some(decoder) = self.rows[slot.0].reset() {
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
        let utterance = &mut self.rows[slot.0];
        match input {
            Hearing::Audio(frame) => utterance.hear(&frame.samples),
            Hearing::SpeechStarted => utterance.begin(),
            // One language, one way.
            Hearing::Tune(_) => {}
            Hearing::Finalize => utterance.finish(),
            Hearing::Discard => {
                if let Some(decoder) = utterance.discard() {
                    self.pool.give_back(decoder);
                }
            }
        }
        Ok(())
    }

    fn has_room(&self, slot: SlotId) -> bool {
        // What comes after a `Finalize` belongs to the next utterance.
        let utterance = &self.rows[slot.0];
        !utterance.is_finishing() && utterance.behind() < BEHIND
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
        for (slot, utterance) in self.rows.iter_mut().enumerate() {
            if !ready[slot] || !utterance.has_work() {
                continue;
            }
            if utterance.needs_decoder() {
                match self.pool.take().map_err(EngineError::device)? {
                    Some(decoder) => utterance.lend(decoder),
                    None => continue,
                }
            }
            progress = Progress::Stepped;
            match utterance.step() {
                Step::Searched => {}
                Step::Partial(words) => emit(SlotId(slot), Heard::Partial(words)),
                Step::Final(words, decoder) => {
                    if let Some(decoder) = decoder {
                        self.pool.give_back(decoder);
                    }
                    emit(SlotId(slot), Heard::Final(words));
                }
            }
        }
        Ok(progress)
    }
}
