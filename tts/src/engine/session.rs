//! One lease: its lines, the one being said, and what is ready to be given out.
use std::{collections::VecDeque, sync::Arc, time::Duration};

use candle_core::{Result, Tensor};
use voiced_core::{
    audio::{AudioFrame, SampleRate},
    engine::{Line, Speech},
};

use super::{
    Lines, Options, Parts, most_frames,
    pace::Lead,
    segment::{Segment, segments},
    timing::Timing,
};
use crate::{
    codec::{DecoderState, Frame},
    normalise::Language,
    voxtral::{Ask, Reading, Voxtral, noise, scramble},
};

/// Silence between two segments of a lease, which the model says without a pause at their ends:
/// 100 ms.
const GAP: usize = 2_400;

/// A lease's state.
#[derive(Default)]
pub(super) struct Session {
    pub lines: Lines,
    pub out: VecDeque<Speech>,
    pub turn: Option<Turn>,
    /// Segments of the present line still to be said, and its voice.
    segments: VecDeque<Segment>,
    voice: Option<Arc<Tensor>>,
    /// A line is being said: an `End` is owed.
    open: bool,
    /// Segments begun in this lease: part of the seed.
    begun: u64,
    /// Samples of the present line.
    samples: u64,
    lead: Lead,
    timing: Timing,
}

/// A segment being said.
pub(super) struct Turn {
    pub voice: Arc<Tensor>,
    pub codec: DecoderState,
    segment: Segment,
    phase: Phase,
    seed: u64,
    frames: usize,
    most: usize,
}

enum Phase {
    /// Its voice is not read yet.
    Voice,
    /// `rows` follow the voice; `done` of them are read.
    Text {
        rows: Tensor,
        position: u64,
        done: usize,
    },
    /// The text is read, and `last` is the frame said last.
    Frames { position: u64, last: Frame },
}

impl Session {
    /// The segment being said, the next one if there is none; `None` when there is nothing to say.
    pub fn next_turn(&mut self, parts: &Parts, options: &Options) -> Option<&mut Turn> {
        while self.turn.is_none() {
            if let Some(segment) = self.segments.pop_front() {
                self.begin(segment, parts, options);
                break;
            }
            if self.open {
                self.open = false;
                self.out.push_back(Speech::End);
            }
            let (line, voice) = self.lines.pop_front()?;
            self.open_line(&line, voice, parts, options);
        }
        self.turn.as_mut()
    }

    fn open_line(&mut self, line: &Line, voice: Arc<Tensor>, parts: &Parts, options: &Options) {
        let name = line.voice.as_deref().unwrap_or(&options.voice);
        let language = options.language.unwrap_or_else(|| Language::of_voice(name));
        let spoken = parts.normaliser.speakable(&line.text, language);
        self.segments = segments(&spoken).into();
        self.voice = Some(voice);
        self.open = true;
        self.samples = 0;
    }

    fn begin(&mut self, segment: Segment, parts: &Parts, options: &Options) {
        let Some(voice) = self.voice.clone() else {
            return;
        };
        if self.begun > 0 {
            self.give(vec![0.0; GAP], None);
        }
        let seed = scramble(scramble(options.seed) ^ self.begun);
        self.begun += 1;
        self.timing.begin(&segment);
        self.turn = Some(Turn {
            voice,
            codec: parts.codec.begin(),
            most: most_frames(segment.text.chars().count()),
            segment,
            phase: Phase::Voice,
            seed,
            frames: 0,
        });
    }

    /// The voice the segment being said waits for.
    pub fn wanted_voice(&self) -> Option<Arc<Tensor>> {
        let turn = self.turn.as_ref().filter(|turn| turn.wants_voice())?;
        Some(Arc::clone(&turn.voice))
    }

    /// Whether there is something to say and nothing was said yet.
    pub fn waits_for_first_sound(&self) -> bool {
        self.turn.is_some() && self.lead.is_silent()
    }

    /// How much was given out that cannot have been heard yet.
    pub fn ahead(&self, now: Duration) -> Duration {
        self.lead.ahead(now)
    }

    /// A frame was chosen and decoded.
    pub fn said(&mut self, frame: Frame, samples: Vec<f32>, now: Duration) {
        self.give(samples, Some(now));
        let Some(turn) = &mut self.turn else {
            return;
        };
        turn.frames += 1;
        if let Phase::Text { rows, position, .. } = &turn.phase {
            let read = rows.dim(0).unwrap_or_default() as u64;
            turn.phase = Phase::Frames {
                position: position + read,
                last: frame,
            };
        } else if let Phase::Frames { position, last } = &mut turn.phase {
            *position += 1;
            *last = frame;
        }
        let (frames, most) = (turn.frames, turn.most);
        if let Some(end) = self.timing.said(frames) {
            self.word(end);
        }
        if frames >= most {
            tracing::warn!(
                frames,
                "a text was cut off: it took more frames than it can need"
            );
            self.fell_silent();
        }
    }

    /// The segment is over.
    pub fn fell_silent(&mut self) {
        if let Some(turn) = self.turn.take()
            && let Some(end) = self.timing.end(turn.frames)
        {
            self.word(end);
        }
    }

    fn word(&mut self, end: usize) {
        let at = SampleRate::SPEECH.duration_of(self.samples);
        self.out.push_back(Speech::Word { end, at });
    }

    /// Gives out audio, which a listener begins to hear at `now`.
    fn give(&mut self, mut samples: Vec<f32>, now: Option<Duration>) {
        samples.iter_mut().for_each(|s| *s = s.clamp(-1.0, 1.0));
        self.samples += samples.len() as u64;
        let frame = AudioFrame::new(SampleRate::SPEECH, samples);
        if let Some(now) = now {
            self.lead.give(now, frame.duration());
        }
        self.out.push_back(Speech::Audio(frame));
    }
}

impl Turn {
    /// Whether its voice must be read or copied before anything else.
    pub fn wants_voice(&self) -> bool {
        matches!(self.phase, Phase::Voice)
    }

    /// Its voice is there, `positions` long: the text comes next.
    pub fn begin_text(&mut self, parts: &Parts, positions: u64) -> Result<()> {
        let ids = parts.prompt.after(&self.segment.text);
        self.phase = Phase::Text {
            rows: parts.model.embed_text(&ids)?,
            position: positions,
            done: 0,
        };
        Ok(())
    }

    /// What to read next, within `budget` positions of text.
    pub fn reading(
        &self,
        slot: usize,
        model: &Voxtral,
        budget: &mut usize,
    ) -> Result<Option<Reading>> {
        match &self.phase {
            Phase::Voice => Ok(None),
            Phase::Text {
                rows,
                position,
                done,
            } => {
                let count = (rows.dim(0)? - done).min(*budget);
                *budget -= count;
                if count == 0 {
                    return Ok(None);
                }
                Ok(Some(Reading {
                    slot,
                    position: position + *done as u64,
                    rows: rows.narrow(0, *done, count)?.contiguous()?,
                }))
            }
            Phase::Frames { position, last } => Ok(Some(Reading {
                slot,
                position: *position,
                rows: model.embed_frames(std::slice::from_ref(last))?,
            })),
        }
    }

    /// So many positions were read; true when the last of them chooses a frame.
    pub fn advance(&mut self, count: usize) -> bool {
        match &mut self.phase {
            Phase::Voice => false,
            Phase::Text { rows, done, .. } => {
                *done += count;
                rows.dim(0).is_ok_and(|rows| rows == *done)
            }
            Phase::Frames { .. } => true,
        }
    }

    /// What it asks of its next frame. The first may not be the end: that would be no sound.
    pub fn ask(&self, acoustic: usize, guidance: f32) -> Ask {
        Ask {
            noise: noise(self.seed, self.frames as u64, acoustic),
            guidance,
            may_end: self.frames > 0,
        }
    }
}
