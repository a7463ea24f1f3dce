//! Voxtral TTS as an engine: rows stepped together, each with its own text, voice and position.
//!
//! A step reads what every ready row has next — a voice not known yet, text, or its last frame —
//! in one batch, then chooses one frame for every row that has come to speak, and decodes it: 80 ms
//! of sound. What a voice's prompt begins with is read once and copied into rows that speak with
//! it, so the next line in the same voice starts with its text. While somebody waits for a first
//! sound, rows that are far ahead of their listeners pause.
//!
//! The model has no tempo: `Line::speed` is for whoever stretches sound behind it, which
//! [`Tempered`](crate::tempered::Tempered) does.
//!
//! Invariant: what a lease says depends on its lines, the options and its number of line alone,
//! never on neighbours or on who had the row before. Every line ends: frames are capped by the
//! text, and text that nobody can say is silence.
use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use candle_core::Tensor;
use voiced_core::engine::{Engine, EngineError, Line, Progress, SlotId, Speech};
use voiced_nn::kv_cache::CacheFormat;

use crate::{
    codec::{CodecDecoder, DecoderState, Frame},
    normalise::{Language, Normaliser},
    voices::{MOST_ROWS, Voices},
    voxtral::{Ask, Caches, GUIDANCE, Prompt, Reading, Voxtral},
};

mod learn;
mod pace;
mod plan;
mod prefixes;
mod segment;
mod session;
mod timing;

pub use pace::Clock;
pub use plan::{Plan, PlanError};
use prefixes::Prefixes;
use segment::MOST;
use session::Session;

/// How an engine speaks.
#[derive(Clone, Debug)]
pub struct Options {
    /// Leases at once.
    pub rows: usize,
    /// Voices whose beginnings are kept; more than rows is worth it, fewer lets rows wait.
    pub voices_kept: usize,
    /// The voice of lines that ask for none.
    pub voice: String,
    /// The language numbers and the like are read in; `None` is that of the voice.
    pub language: Option<Language>,
    /// The same seed says the same text in the same way.
    pub seed: u64,
    /// Strength of the guidance.
    pub guidance: f32,
    /// Positions a row may come to.
    pub context: usize,
    /// Positions of text read in one step, over all rows: what a frame of the others may wait for.
    pub together: usize,
    /// How keys and values are kept.
    pub cache: CacheFormat,
    /// How far ahead of its listener a row is before it pauses for somebody who hears nothing yet.
    pub ahead: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            rows: 4,
            voices_kept: 8,
            voice: "neutral_female".to_owned(),
            language: None,
            seed: 0,
            guidance: GUIDANCE,
            context: 4096,
            together: 64,
            cache: CacheFormat::Bf16,
            ahead: Duration::from_secs(2),
        }
    }
}

/// Positions that hold any voice, the longest segment at a byte a token, and its frames.
pub(crate) const LEAST_CONTEXT: usize = MOST_ROWS + 5 + 4 * MOST + most_frames(MOST);
/// Lines a lease may have waiting.
const WAITING: usize = 8;

/// Frames a text of so many characters may take: English takes about one for each.
const fn most_frames(chars: usize) -> usize {
    40 + 3 * chars
}

/// Why an engine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SpeakerError {
    /// An option is out of its range.
    #[error("{0}")]
    Option(String),
    /// No memory for the rows.
    #[error("no memory for {rows} rows and {voices} voices: {source}")]
    Memory {
        /// Rows asked for.
        rows: usize,
        /// Voices kept.
        voices: usize,
        /// What the system says.
        source: io::Error,
    },
}

/// The model, loaded.
pub struct Parts {
    /// Backbone and flow.
    pub model: Voxtral,
    /// The codec's decoder.
    pub codec: CodecDecoder,
    /// What makes prompts.
    pub prompt: Prompt,
    /// The voices.
    pub voices: Arc<Voices>,
    /// What makes text speakable.
    pub normaliser: Normaliser,
}

/// The synthesiser.
pub struct Speaker {
    parts: Parts,
    options: Options,
    caches: Caches,
    prefixes: Prefixes,
    sessions: Vec<Option<Session>>,
    clock: Clock,
}

/// Who a reading is for.
#[derive(Clone, Copy)]
enum For {
    Prefix(usize),
    Row(usize),
}

impl Speaker {
    /// An engine with room for `options.rows` leases.
    pub fn new(parts: Parts, options: Options) -> Result<Speaker, SpeakerError> {
        Speaker::with_clock(parts, options, pace::monotonic())
    }

    /// The same with a clock of the caller's.
    pub fn with_clock(
        parts: Parts,
        options: Options,
        clock: Clock,
    ) -> Result<Speaker, SpeakerError> {
        let refuse = |what: String| Err(SpeakerError::Option(what));
        if options.rows == 0 || options.voices_kept == 0 || options.together == 0 {
            return refuse("rows, voices kept and positions a step are at least one".to_owned());
        }
        if options.context < LEAST_CONTEXT {
            let context = options.context;
            return refuse(format!("a context of {context}: at least {LEAST_CONTEXT}"));
        }
        if !parts.voices.contains(&options.voice) {
            let known: Vec<String> = parts.voices.list().into_iter().map(|v| v.name).collect();
            let (voice, known) = (&options.voice, known.join(", "));
            return refuse(format!("the default voice {voice:?}: there are {known}"));
        }
        let (rows, voices) = (options.rows, options.voices_kept);
        let config = parts.model.config();
        let (context, together) = (options.context, options.together);
        let caches = Caches::new(config, rows + voices, context, together, options.cache);
        Ok(Speaker {
            caches: caches.map_err(|source| SpeakerError::Memory {
                rows,
                voices,
                source,
            })?,
            prefixes: Prefixes::new(rows, voices),
            sessions: (0..rows).map(|_| None).collect(),
            parts,
            options,
            clock,
        })
    }

    /// The voices it speaks with.
    pub fn voices(&self) -> &Arc<Voices> {
        &self.parts.voices
    }

    /// Lets ready rows go on to their next text and copies known voices into them.
    fn prepare(&mut self, ready: &[bool]) -> candle_core::Result<()> {
        for (slot, session) in self.sessions.iter_mut().enumerate() {
            let Some(session) = session.as_mut().filter(|_| ready[slot]) else {
                continue;
            };
            let Some(turn) = session.next_turn(&self.parts, &self.options) else {
                continue;
            };
            if turn.wants_voice() {
                let voice = Arc::clone(&turn.voice);
                if let Some((from, positions)) = self.prefixes.find(&voice) {
                    self.caches.copy(from, slot, positions);
                    turn.begin_text(&self.parts, positions)?;
                }
            }
        }
        let wanted: Vec<Arc<Tensor>> = (self.sessions.iter().flatten())
            .filter_map(Session::wanted_voice)
            .collect();
        for voice in &wanted {
            let rows = || self.parts.prompt.voice_rows(&self.parts.model, voice);
            self.prefixes.admit(voice, &wanted, rows)?;
        }
        Ok(())
    }

    /// What is read in this step: voices somebody waits for, texts, and last frames.
    fn readings(&mut self, ready: &[bool]) -> candle_core::Result<Vec<(For, Reading)>> {
        let now = (self.clock)();
        let mut readings = Vec::new();
        let mut budget = self.options.together;
        let wanted: Vec<Arc<Tensor>> = (self.sessions.iter().enumerate())
            .filter(|(slot, _)| ready[*slot])
            .filter_map(|(_, session)| session.as_ref()?.wanted_voice())
            .collect();
        for (index, reading) in self.prefixes.readings(&wanted, &mut budget)? {
            readings.push((For::Prefix(index), reading));
        }
        let silent = |session: &Session| session.waits_for_first_sound();
        let mut sessions = self.sessions.iter().zip(ready);
        let somebody_waits = sessions.any(|(s, ready)| *ready && s.as_ref().is_some_and(silent));
        for (slot, session) in self.sessions.iter_mut().enumerate() {
            let Some(session) = session.as_mut().filter(|s| ready[slot] && s.out.is_empty()) else {
                continue;
            };
            let pauses = somebody_waits && session.ahead(now) > self.options.ahead;
            let Some(turn) = session.turn.as_mut().filter(|_| !pauses) else {
                continue;
            };
            if let Some(reading) = turn.reading(slot, &self.parts.model, &mut budget)? {
                readings.push((For::Row(slot), reading));
            }
        }
        Ok(readings)
    }

    /// One step of the model; true when anything was read.
    fn advance(&mut self, ready: &[bool]) -> candle_core::Result<bool> {
        let (whose, readings): (Vec<For>, Vec<Reading>) = self.readings(ready)?.into_iter().unzip();
        if readings.is_empty() {
            return Ok(false);
        }
        let hidden = self.parts.model.read(&mut self.caches, &readings, None)?;
        let mut speaking = Vec::new();
        for (i, (whose, reading)) in (0u32..).zip(whose.iter().zip(&readings)) {
            let rows = reading.rows.dim(0)?;
            match *whose {
                For::Prefix(index) => self.prefixes.advance(index, rows),
                For::Row(slot) => {
                    let session = self.sessions[slot].as_mut();
                    if session
                        .and_then(|s| s.turn.as_mut())
                        .is_some_and(|t| t.advance(rows))
                    {
                        speaking.push((slot, i));
                    }
                }
            }
        }
        if !speaking.is_empty() {
            self.speak(&hidden, &speaking)?;
        }
        Ok(true)
    }

    /// Chooses a frame for every speaking row, whose hidden state is the given row of `hidden`,
    /// and decodes it.
    fn speak(&mut self, hidden: &Tensor, speaking: &[(usize, u32)]) -> candle_core::Result<()> {
        let now = (self.clock)();
        let rows: Vec<u32> = speaking.iter().map(|s| s.1).collect();
        let count = rows.len();
        let hidden = hidden.index_select(&Tensor::from_vec(rows, count, hidden.device())?, 0)?;
        let acoustic = self.parts.codec.config().acoustic;
        let guidance = self.options.guidance;
        let mut turns: Vec<&mut Session> = self
            .sessions
            .iter_mut()
            .enumerate()
            .filter(|(slot, _)| speaking.iter().any(|s| s.0 == *slot))
            .filter_map(|(_, session)| session.as_mut())
            .collect();
        let asks: Vec<Ask> = turns
            .iter()
            .filter_map(|session| Some(session.turn.as_ref()?.ask(acoustic, guidance)))
            .collect();
        let frames = self.parts.model.frames(&hidden, &asks, None)?;
        let mut sound: Vec<(&mut DecoderState, &[Frame])> = Vec::new();
        for (session, frame) in turns.iter_mut().zip(&frames) {
            if let (Some(turn), Some(frame)) = (&mut session.turn, frame) {
                sound.push((&mut turn.codec, std::slice::from_ref(frame)));
            }
        }
        let mut samples = self.parts.codec.push(&mut sound, None)?.into_iter();
        for (session, frame) in turns.into_iter().zip(frames) {
            match frame {
                Some(frame) => session.said(frame, samples.next().unwrap_or_default(), now),
                None => session.fell_silent(),
            }
        }
        Ok(())
    }
}

impl Engine for Speaker {
    type Input = Line;
    type Output = Speech;

    fn slots(&self) -> usize {
        self.sessions.len()
    }

    fn open(&mut self, slot: SlotId) {
        self.sessions[slot.0] = Some(Session::default());
    }

    fn feed(&mut self, slot: SlotId, input: Line) -> Result<(), EngineError> {
        let Some(session) = &mut self.sessions[slot.0] else {
            return Err(EngineError::bad_input("a line for a row nobody holds"));
        };
        if session.lines.len() >= WAITING {
            let what = format!("{WAITING} lines are waiting already");
            return Err(EngineError::bad_input(what));
        }
        let name = input.voice.as_deref().unwrap_or(&self.options.voice);
        let rows = self
            .parts
            .voices
            .rows(name)
            .map_err(EngineError::bad_input)?;
        session.lines.push_back((input, rows));
        Ok(())
    }

    fn has_room(&self, slot: SlotId) -> bool {
        let session = self.sessions[slot.0].as_ref();
        session.is_some_and(|session| session.lines.len() < WAITING)
    }

    fn close(&mut self, slot: SlotId) {
        self.sessions[slot.0] = None;
    }

    fn step(
        &mut self,
        ready: &[bool],
        emit: &mut dyn FnMut(SlotId, Speech),
    ) -> Result<Progress, EngineError> {
        self.prepare(ready).map_err(EngineError::device)?;
        let mut stepped = self.advance(ready).map_err(EngineError::device)?;
        for (slot, session) in self.sessions.iter_mut().enumerate() {
            let session = session.as_mut().filter(|_| ready[slot]);
            if let Some(speech) = session.and_then(|s| s.out.pop_front()) {
                stepped = true;
                emit(SlotId(slot), speech);
            }
        }
        Ok(if stepped {
            Progress::Stepped
        } else {
            Progress::Idle
        })
    }
}

/// What a lease has been given and not begun.
type Lines = VecDeque<(Line, Arc<Tensor>)>;

#[cfg(test)]
mod tests;
