//! Gives a synthesiser that has no tempo of its own one: every line at its own `Line::speed`, the
//! pitch kept, word times moved with the sound.
//!
//! Guarantees: lines at natural tempo pass unchanged; at most one output a row and step, as the
//! engine behind it.
use std::{collections::VecDeque, time::Duration};

use voiced_core::{
    audio::{AudioFrame, SampleRate},
    engine::{Engine, EngineError, Line, Progress, SlotId, Speech, Synthesizer},
};

use crate::tempo::Tempo;

/// Samples handed out at a time: 80 ms.
const PIECE: usize = 1_920;

/// A synthesiser with a tempo.
pub struct Tempered<E> {
    engine: E,
    rows: Vec<Row>,
    ready: Vec<bool>,
}

#[derive(Default)]
struct Row {
    /// Of the lines that were fed and have not ended, oldest first.
    tempos: VecDeque<Tempo>,
    out: VecDeque<Speech>,
}

impl<E: Synthesizer> Tempered<E> {
    /// Puts tempo behind `engine`, whose lines are fed without it.
    pub fn new(engine: E) -> Tempered<E> {
        let slots = engine.slots();
        Tempered {
            engine,
            rows: (0..slots).map(|_| Row::default()).collect(),
            ready: vec![false; slots],
        }
    }
}

impl Row {
    fn take(&mut self, speech: Speech) {
        let Some(tempo) = self.tempos.front_mut() else {
            self.out.push_back(speech);
            return;
        };
        if tempo.speed() == 1.0 {
            if matches!(speech, Speech::End) {
                self.tempos.pop_front();
            }
            self.out.push_back(speech);
            return;
        }
        let mut samples = Vec::new();
        match speech {
            Speech::Audio(frame) => {
                tempo.push(&frame.samples, &mut samples);
                self.give(&samples);
            }
            Speech::Word { end, at } => {
                let at = Duration::from_secs_f64(at.as_secs_f64() / f64::from(tempo.speed()));
                self.out.push_back(Speech::Word { end, at });
            }
            Speech::End => {
                tempo.finish(&mut samples);
                self.tempos.pop_front();
                self.give(&samples);
                self.out.push_back(Speech::End);
            }
        }
    }

    fn give(&mut self, samples: &[f32]) {
        let pieces = samples.chunks(PIECE);
        let frames = pieces.map(|piece| AudioFrame::new(SampleRate::SPEECH, piece));
        self.out.extend(frames.map(Speech::Audio));
    }
}

impl<E: Synthesizer> Engine for Tempered<E> {
    type Input = Line;
    type Output = Speech;

    fn slots(&self) -> usize {
        self.engine.slots()
    }

    fn open(&mut self, slot: SlotId) {
        self.rows[slot.0] = Row::default();
        self.engine.open(slot);
    }

    fn feed(&mut self, slot: SlotId, mut line: Line) -> Result<(), EngineError> {
        let tempo = Tempo::new(line.speed.take().unwrap_or(1.0));
        self.engine.feed(slot, line)?;
        self.rows[slot.0].tempos.push_back(tempo);
        Ok(())
    }

    fn has_room(&self, slot: SlotId) -> bool {
        self.engine.has_room(slot)
    }

    fn close(&mut self, slot: SlotId) {
        self.rows[slot.0] = Row::default();
        self.engine.close(slot);
    }

    fn step(
        &mut self,
        ready: &[bool],
        emit: &mut dyn FnMut(SlotId, Speech),
    ) -> Result<Progress, EngineError> {
        // A row that still has something to give out waits with making more.
        for (slot, row) in self.rows.iter().enumerate() {
            self.ready[slot] = ready[slot] && row.out.is_empty();
        }
        let rows = &mut self.rows;
        let mut progress = self.engine.step(&self.ready, &mut |slot, speech| {
            rows[slot.0].take(speech);
        })?;
        for (slot, row) in self.rows.iter_mut().enumerate() {
            if let Some(speech) = row.out.pop_front_if(|_| ready[slot]) {
                progress = Progress::Stepped;
                emit(SlotId(slot), speech);
            }
        }
        Ok(progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::ToneVoice;

    /// What a line becomes: samples, word times in samples, ends, and the most a step gave.
    fn said(speed: Option<f32>) -> (usize, Vec<(usize, u64)>, usize) {
        // A tone has a tempo of its own; without one it is natural.
        let mut voice = Tempered::new(ToneVoice::new(2));
        voice.open(SlotId(1));
        let line = Line {
            text: "one two three four five".to_owned(),
            speed,
            ..Line::default()
        };
        for _ in 0..2 {
            assert!(voice.feed(SlotId(1), line.clone()).is_ok());
        }
        let (mut samples, mut words, mut ends) = (0, Vec::new(), 0);
        loop {
            let mut given = 0;
            let progress = voice.step(&[true, true], &mut |slot, speech| {
                assert_eq!(slot, SlotId(1));
                given += 1;
                match speech {
                    Speech::Audio(frame) => {
                        assert!(frame.samples.len() <= PIECE);
                        samples += frame.samples.len();
                    }
                    Speech::Word { end, at } => {
                        words.push((end, SampleRate::SPEECH.samples_in(at)))
                    }
                    Speech::End => ends += 1,
                }
            });
            assert!(given <= 1, "one output a step");
            match progress {
                Ok(Progress::Stepped) => (),
                _ => return (samples, words, ends),
            }
        }
    }

    #[test]
    fn every_line_has_its_tempo_and_its_words_move_with_it() {
        let (natural, words, ends) = said(None);
        assert_eq!((said(Some(1.0)).0, ends, words.len()), (natural, 2, 10));
        for speed in [0.25, 0.5, 1.25, 1.5] {
            let (samples, moved, ends) = said(Some(speed));
            assert_eq!(ends, 2);
            let want = natural as f32 / speed;
            assert!((samples as f32 - want).abs() < 4.0, "{samples} at {speed}");
            for ((end, at), (other, moved)) in words.iter().zip(moved) {
                assert_eq!(*end, other);
                assert!((*at as f32 / speed - moved as f32).abs() < 2.0);
            }
        }
    }

    #[test]
    fn a_row_that_is_not_ready_keeps_what_it_has() {
        let mut voice = Tempered::new(ToneVoice::new(1));
        voice.open(SlotId(0));
        let line = Line {
            text: "a".repeat(50),
            speed: Some(0.25),
            ..Line::default()
        };
        assert!(voice.feed(SlotId(0), line).is_ok());
        for _ in 0..8 {
            assert!(voice.step(&[true], &mut |_, _| {}).is_ok());
        }
        for _ in 0..8 {
            let stepped = voice.step(&[false], &mut |_, _| panic!("not ready"));
            assert!(matches!(stepped, Ok(Progress::Idle)));
        }
        // A closed row is silent at once.
        voice.close(SlotId(0));
        let stepped = voice.step(&[true], &mut |_, _| panic!("closed"));
        assert!(matches!(stepped, Ok(Progress::Idle)));
    }
}
