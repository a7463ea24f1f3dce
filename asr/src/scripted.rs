//! A recogniser for benches and tests: it hears whether there is sound, and says words it was
//! given.
//!
//! Guarantees: what it says depends on the audio alone; answers within one step.
use std::collections::VecDeque;

use voiced_core::engine::{Engine, EngineError, Heard, Hearing, Progress, SlotId};

/// Louder than this (-40 dB of full scale) is sound.
const LOUD: f32 = 1e-4;
/// Loud audio of a word: 200 ms at 16 kHz.
const WORD: usize = 3_200;
/// Less than this since the last final is nothing: 60 ms.
const LEAST: usize = 960;
/// Loudness is judged by stretches of 10 ms.
const STRETCH: usize = 160;

/// Hears every utterance as the same words.
pub struct ScriptedEar {
    words: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Default)]
struct Row {
    /// Sum of squares and length of the stretch at hand.
    power: f32,
    samples: usize,
    /// Loud samples since the last final.
    loud: usize,
    /// Words told.
    told: usize,
    /// Loud samples of each utterance that waits for its final.
    finals: VecDeque<usize>,
}

impl ScriptedEar {
    /// A recogniser with `rows` rows that hears `words`, separated by blanks.
    pub fn new(rows: usize, words: &str) -> Self {
        Self {
            words: words.split_whitespace().map(str::to_owned).collect(),
            rows: (0..rows).map(|_| Row::default()).collect(),
        }
    }
}

impl Engine for ScriptedEar {
    type Input = Hearing;
    type Output = Heard;

    fn slots(&self) -> usize {
        self.rows.len()
    }

    fn open(&mut self, slot: SlotId) {
        self.rows[slot.0] = Row::default();
    }

    fn feed(&mut self, slot: SlotId, input: Hearing) -> Result<(), EngineError> {
        let row = &mut self.rows[slot.0];
        match input {
            Hearing::Audio(frame) => frame.samples.iter().for_each(|s| row.hear(*s)),
            Hearing::SpeechStarted | Hearing::Tune(_) => {}
            Hearing::Finalize => {
                row.finals.push_back(row.loud);
                row.forget();
            }
            Hearing::Discard => row.forget(),
        }
        Ok(())
    }

    fn close(&mut self, slot: SlotId) {
        self.rows[slot.0] = Row::default();
    }

    fn step(
        &mut self,
        ready: &[bool],
        emit: &mut dyn FnMut(SlotId, Heard),
    ) -> Result<Progress, EngineError> {
        let mut progress = Progress::Idle;
        for (slot, row) in self.rows.iter_mut().enumerate() {
            if !ready[slot] {
                continue;
            }
            if let Some(loud) = row.finals.pop_front() {
                let all = if loud >= LEAST { self.words.len() } else { 0 };
                emit(
                    SlotId(slot),
                    Heard::Final(self.words[..all].join(" ").into()),
                );
                progress = Progress::Stepped;
            } else if row.loud >= LEAST {
                let heard = (row.loud / WORD).min(self.words.len());
                if heard > row.told {
                    row.told = heard;
                    emit(SlotId(slot), Heard::Partial(self.words[..heard].join(" ")));
                    progress = Progress::Stepped;
                }
            }
        }
        Ok(progress)
    }
}

impl Row {
    fn hear(&mut self, sample: f32) {
        if sample.is_finite() {
            self.power += sample * sample;
        }
        self.samples += 1;
        if self.samples == STRETCH {
            if self.power / STRETCH as f32 > LOUD {
                self.loud += STRETCH;
            }
            self.power = 0.0;
            self.samples = 0;
        }
    }

    fn forget(&mut self) {
        self.loud = 0;
        self.told = 0;
    }
}
