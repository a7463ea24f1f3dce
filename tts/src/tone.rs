//! A synthesiser for benches and tests: it answers at once with a quiet tone as long as the text
//! would take to say, and says where the words end.
//!
//! Guarantees: what it makes depends on the text alone.
use std::{collections::VecDeque, f32::consts::TAU, time::Duration};

use voiced_core::{
    audio::{AudioFrame, SampleRate},
    engine::{Engine, EngineError, Line, Progress, SlotId, Speech},
};

/// Samples of tone for each character of the text: 60 ms, the pace of speech.
pub const SAMPLES_PER_CHARACTER: usize = 24_000 * 60 / 1_000;
/// Samples handed out at a time: 80 ms.
const PIECE: usize = 24_000 * 80 / 1_000;
/// Its pitch, in samples a wave: 240 Hz.
const WAVE: usize = 100;
/// Its level: -26 dB of full scale, quiet and yet far above any threshold.
const LEVEL: f32 = 0.07;

/// Says every line as a tone.
pub struct ToneVoice {
    rows: Vec<VecDeque<Saying>>,
}

/// A line on its way out.
struct Saying {
    /// Words that were not announced yet.
    words: VecDeque<Word>,
    said: usize,
    samples: usize,
}

struct Word {
    end: usize,
    at: usize,
}

impl ToneVoice {
    /// A synthesiser with `rows` rows.
    pub fn new(rows: usize) -> Self {
        Self {
            rows: (0..rows).map(|_| VecDeque::new()).collect(),
        }
    }
}

impl Engine for ToneVoice {
    type Input = Line;
    type Output = Speech;

    fn slots(&self) -> usize {
        self.rows.len()
    }

    fn open(&mut self, slot: SlotId) {
        self.rows[slot.0].clear();
    }

    fn feed(&mut self, slot: SlotId, line: Line) -> Result<(), EngineError> {
        self.rows[slot.0].push_back(Saying::of(&line));
        Ok(())
    }

    fn close(&mut self, slot: SlotId) {
        self.rows[slot.0].clear();
    }

    fn step(
        &mut self,
        ready: &[bool],
        emit: &mut dyn FnMut(SlotId, Speech),
    ) -> Result<Progress, EngineError> {
        let mut progress = Progress::Idle;
        for (slot, row) in self.rows.iter_mut().enumerate() {
            if !ready[slot] {
                continue;
            }
            let Some(saying) = row.front_mut() else {
                continue;
            };
            progress = Progress::Stepped;
            let output = saying.next();
            if matches!(output, Speech::End) {
                row.pop_front();
            }
            emit(SlotId(slot), output);
        }
        Ok(progress)
    }
}

impl Saying {
    fn of(line: &Line) -> Saying {
        let speed = line
            .speed
            .filter(|s| s.is_finite())
            .unwrap_or(1.0)
            .clamp(0.25, 4.0);
        let length =
            |characters: usize| ((characters * SAMPLES_PER_CHARACTER) as f32 / speed) as usize;
        let mut words = VecDeque::new();
        let mut characters = 0;
        let mut in_word = false;
        for (at, c) in line.text.char_indices() {
            if c.is_whitespace() && in_word {
                words.push_back(Word {
                    end: at,
                    at: length(characters),
                });
            }
            in_word = !c.is_whitespace();
            characters += 1;
        }
        if in_word {
            words.push_back(Word {
                end: line.text.len(),
                at: length(characters),
            });
        }
        Saying {
            words,
            said: 0,
            samples: length(characters),
        }
    }

    fn next(&mut self) -> Speech {
        let word_is_due = |word: &Word| word.at <= self.said + PIECE;
        if self.words.front().is_some_and(word_is_due) {
            let word = self.words.pop_front().expect("there is a front");
            return Speech::Word {
                end: word.end,
                at: SampleRate::SPEECH.duration_of(word.at as u64),
            };
        }
        if self.said == self.samples {
            return Speech::End;
        }
        let until = (self.said + PIECE).min(self.samples);
        let tone = |n: usize| LEVEL * (TAU * (n % WAVE) as f32 / WAVE as f32).sin();
        let samples: Vec<f32> = (self.said..until).map(tone).collect();
        self.said = until;
        Speech::Audio(AudioFrame::new(SampleRate::SPEECH, samples))
    }
}

/// How long the tone for `characters` characters lasts at natural speed.
pub fn tone_length(characters: usize) -> Duration {
    SampleRate::SPEECH.duration_of((characters * SAMPLES_PER_CHARACTER) as u64)
}
