//! Runs a synthesiser the way a worker does: step, and park when it is idle.
use std::{thread, time::Duration};

use voiced_core::engine::{Line, Progress, SlotId, Speech, Synthesizer};

/// Most idle steps in a row, each at most a second. Other rows' clauses wake the engine too, so most
/// are short.
const PATIENCE: usize = 2_000;

/// What a line became.
#[derive(Default)]
pub struct Said {
    pub samples: Vec<f32>,
    /// Bytes of the line, position in its audio, samples given when it was told.
    pub words: Vec<(usize, Duration, usize)>,
    pub largest: usize,
}

impl Said {
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / 24_000.0
    }

    pub fn rms(&self) -> f64 {
        let power: f64 = self.samples.iter().map(|s| f64::from(*s).powi(2)).sum();
        (power / self.samples.len().max(1) as f64).sqrt()
    }

    pub fn take(&mut self, speech: Speech) -> bool {
        match speech {
            Speech::Audio(frame) => {
                assert_eq!(frame.rate.hz(), 24_000);
                self.largest = self.largest.max(frame.samples.len());
                self.samples.extend_from_slice(&frame.samples);
                false
            }
            Speech::Word { end, at } => {
                self.words.push((end, at, self.samples.len()));
                false
            }
            Speech::End => true,
        }
    }
}

/// A line of plain text.
pub fn line(text: &str) -> Line {
    Line {
        text: text.into(),
        ..Line::default()
    }
}

/// Steps until something is emitted; parks while idle, and counts that in `idle`.
pub fn next_counting(
    engine: &mut impl Synthesizer,
    ready: &[bool],
    idle: &mut usize,
) -> Vec<(SlotId, Speech)> {
    for _ in 0..PATIENCE {
        let mut out = Vec::new();
        let progress = engine
            .step(ready, &mut |slot, speech| out.push((slot, speech)))
            .expect("the engine works");
        if !out.is_empty() {
            return out;
        }
        assert_eq!(progress, Progress::Idle, "stepped without saying anything");
        *idle += 1;
        thread::park_timeout(Duration::from_secs(1));
    }
    panic!("the engine says nothing");
}

/// Steps until something is emitted.
pub fn next(engine: &mut impl Synthesizer, ready: &[bool]) -> Vec<(SlotId, Speech)> {
    next_counting(engine, ready, &mut 0)
}

/// Says one line on row 0 of an engine.
pub fn say(engine: &mut impl Synthesizer, line: Line) -> Said {
    let ready = vec![true; engine.slots()];
    engine.open(SlotId(0));
    engine.feed(SlotId(0), line).expect("speakable");
    let mut said = Said::default();
    loop {
        for (slot, speech) in next(engine, &ready) {
            assert_eq!(slot, SlotId(0));
            if said.take(speech) {
                return said;
            }
        }
    }
}
