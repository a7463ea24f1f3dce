//! The synthesiser that needs no download and no GPU: flite's statistical voices, streamed.
//!
//! Guarantees: the first audio of a line leaves as soon as its first clause is worked out (14 to 19
//! ms for a short one, measured); no row waits for another's line to end; a closed row's synthesis
//! stops within 50 ms of audio, less than a millisecond of work.
//!
//! The library says a clause in one call, so it runs on threads of its own (`crew`), which wake the
//! engine's thread when they have something: `step` answers [`Progress::Idle`] meanwhile.
use std::{collections::VecDeque, io, sync::Arc, thread};

use voiced_core::{
    audio::{AudioFrame, SampleRate},
    engine::{Engine, EngineError, Line, Progress, SlotId, Speech},
    resample::Resampler,
};

use crate::{
    crew::{Crew, Job, Take},
    flite::{self, VOICES},
    spoken::{self, Clause},
    trim::Trim,
};

/// Audio handed out at a time: at most 80 ms, at least 20 ms unless it is the last.
const PIECE: usize = 24_000 * 80 / 1_000;
const LEAST: usize = 24_000 * 20 / 1_000;
/// How much finished audio a row may hold before its next clause is worked out: 2 s.
const AHEAD: usize = 2 * 24_000;
/// Lines that wait in a row; a lease feeds its next line after the last one's end, so few ever do.
const LINES: usize = 8;
/// Most threads that synthesise: one voice takes 1/65 of a core.
const MOST_THREADS: usize = 4;

/// Why the synthesiser could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the threads of the embedded synthesiser could not be started: {0}")]
pub struct StartError(#[from] io::Error);

/// The engine.
pub struct Embedded {
    rows: Vec<Row>,
    crew: Crew,
}

struct Row {
    lines: VecDeque<Line>,
    saying: Option<Saying>,
    resampler: Resampler,
}

/// A line on its way out.
struct Saying {
    voice: usize,
    stretch: f32,
    clauses: VecDeque<Clause>,
    /// The clause that is being worked out.
    current: Option<(Arc<Take>, Clause)>,
    /// 16 kHz samples that came of the line, and how many had come when the current clause began.
    came: u64,
    clause_from: u64,
    /// Word ends to come: position in what comes, bytes of the line.
    marks: VecDeque<(u64, usize)>,
    trim: Trim,
    /// Finished audio, 24 kHz, and how much of it was handed out.
    audio: VecDeque<f32>,
    given: u64,
    /// Word ends to hand out: position in the finished audio, bytes of the line.
    words: VecDeque<(u64, usize)>,
    finished: bool,
}

impl Embedded {
    /// A synthesiser with `rows` rows. Ready at once: voices are loaded when first used, in less
    /// than a millisecond.
    pub fn new(rows: usize) -> Result<Self, StartError> {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let crew = Crew::new(cores.min(rows).clamp(1, MOST_THREADS))?;
        let voice_rate = SampleRate::new(flite::RATE).expect("16 kHz is a sample rate");
        let row = || Row {
            lines: VecDeque::new(),
            saying: None,
            resampler: Resampler::new(voice_rate, SampleRate::SPEECH),
        };
        Ok(Self {
            rows: (0..rows).map(|_| row()).collect(),
            crew,
        })
    }
}

impl Engine for Embedded {
    type Input = Line;
    type Output = Speech;

    fn slots(&self) -> usize {
        self.rows.len()
    }

    fn open(&mut self, slot: SlotId) {
        self.rows[slot.0].clear();
    }

    /// An unknown voice is the default one. A line in a script the voices cannot read is refused.
    fn feed(&mut self, slot: SlotId, line: Line) -> Result<(), EngineError> {
        let row = &mut self.rows[slot.0];
        if row.lines.len() == LINES {
            return Err(EngineError::bad_input("too many lines at once"));
        }
        if row.saying.is_none() {
            row.saying = Some(Saying::of(&line)?);
        } else {
            row.lines.push_back(line);
        }
        Ok(())
    }

    fn has_room(&self, slot: SlotId) -> bool {
        self.rows[slot.0].lines.len() < LINES
    }

    fn close(&mut self, slot: SlotId) {
        self.rows[slot.0].clear();
    }

    fn step(
        &mut self,
        ready: &[bool],
        emit: &mut dyn FnMut(SlotId, Speech),
    ) -> Result<Progress, EngineError> {
        // Before looking: what comes afterwards leaves a wake-up behind.
        self.crew.wake_me();
        let mut progress = Progress::Idle;
        for (slot, row) in self.rows.iter_mut().enumerate() {
            row.advance(&self.crew);
            if !ready[slot] {
                continue;
            }
            if let Some(output) = row.next_output() {
                progress = Progress::Stepped;
                emit(SlotId(slot), output);
            }
        }
        Ok(progress)
    }
}

impl Row {
    fn clear(&mut self) {
        self.lines.clear();
        if let Some(saying) = self.saying.take() {
            if let Some((take, _)) = saying.current {
                take.cancel();
            }
            // What is left inside belongs to nobody.
            self.resampler.flush(&mut Vec::new());
        }
    }

    /// Takes in what the crew made and gives it the next clause.
    fn advance(&mut self, crew: &Crew) {
        let Some(saying) = &mut self.saying else {
            return;
        };
        saying.receive(&mut self.resampler);
        if saying.current.is_none() && !saying.finished {
            if saying.clauses.is_empty() {
                saying.finish(&mut self.resampler);
            } else if saying.audio.len() < AHEAD {
                saying.begin_clause(crew);
            }
        }
    }

    fn next_output(&mut self) -> Option<Speech> {
        let output = self.saying.as_mut()?.next_output()?;
        if matches!(output, Speech::End) {
            // A line that cannot be said was refused when it was alone; behind others it is silent.
            self.saying = self.lines.pop_front().map(|line| {
                Saying::of(&line).unwrap_or_else(|_| Saying::new(&line, VecDeque::new()))
            });
        }
        Some(output)
    }
}

impl Saying {
    fn of(line: &Line) -> Result<Saying, EngineError> {
        let clauses = spoken::clauses(&line.text).map_err(EngineError::bad_input)?;
        Ok(Saying::new(line, clauses.into()))
    }

    fn new(line: &Line, clauses: VecDeque<Clause>) -> Saying {
        let wanted = line.voice.as_deref().unwrap_or_default();
        let voice = VOICES.iter().position(|voice| voice.info.name == wanted);
        let speed = line.speed.filter(|speed| speed.is_finite()).unwrap_or(1.0);
        Saying {
            voice: voice.unwrap_or(0),
            stretch: 1.0 / speed.clamp(0.25, 1.5),
            clauses,
            current: None,
            came: 0,
            clause_from: 0,
            marks: VecDeque::new(),
            trim: Trim::default(),
            audio: VecDeque::new(),
            given: 0,
            words: VecDeque::new(),
            finished: false,
        }
    }

    fn begin_clause(&mut self, crew: &Crew) {
        let Some(clause) = self.clauses.pop_front() else {
            return;
        };
        let take = Arc::new(Take::default());
        crew.submit(Job {
            text: flite::c_text(&clause.text),
            voice: self.voice,
            stretch: self.stretch,
            take: take.clone(),
        });
        self.clause_from = self.came;
        self.current = Some((take, clause));
    }

    /// Takes in what came of the current clause.
    fn receive(&mut self, resampler: &mut Resampler) {
        let Some((take, clause)) = &self.current else {
            return;
        };
        let news = take.fetch();
        if news.failed {
            tracing::warn!("the embedded voice could not say a clause; it is left out");
        }
        for mark in &news.marks {
            let at = self.clause_from + (mark.at * flite::RATE as f32) as u64;
            self.marks.push_back((at, clause.line_end(mark.text_end)));
        }
        if news.done {
            self.current = None;
        }
        let mut kept = Vec::with_capacity(news.samples.len());
        let mut rest = news.samples.as_slice();
        while !rest.is_empty() {
            // Stops at each word's end, to see where it went.
            let due = self.marks.front().map_or(u64::MAX, |(at, _)| *at);
            let until = usize::try_from(due.saturating_sub(self.came)).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(rest.len().min(until));
            self.trim.push(now, &mut kept);
            self.came += now.len() as u64;
            rest = later;
            while let Some((_, end)) = self.marks.pop_front_if(|(at, _)| *at <= self.came) {
                self.words
                    .push_back((at_speech_rate(self.trim.position()), end));
            }
        }
        self.keep(&kept, resampler);
    }

    /// The line is worked out: its last audio and words.
    fn finish(&mut self, resampler: &mut Resampler) {
        let mut kept = Vec::new();
        self.trim.finish(&mut kept);
        self.keep(&kept, resampler);
        let mut last = Vec::new();
        resampler.flush(&mut last);
        self.audio.extend(last);
        let end = self.given + self.audio.len() as u64;
        self.words
            .extend(self.marks.drain(..).map(|(_, bytes)| (end, bytes)));
        for (at, _) in &mut self.words {
            *at = (*at).min(end);
        }
        self.finished = true;
    }

    fn keep(&mut self, samples: &[i16], resampler: &mut Resampler) {
        let floats: Vec<f32> = samples.iter().map(|s| f32::from(*s) / 32_768.0).collect();
        let mut out = Vec::with_capacity(floats.len() * 2);
        resampler.process(&floats, &mut out);
        self.audio.extend(out);
    }

    fn next_output(&mut self) -> Option<Speech> {
        let soon = self.given + PIECE as u64;
        if let Some((at, end)) = self.words.pop_front_if(|(at, _)| *at <= soon) {
            let at = SampleRate::SPEECH.duration_of(at);
            return Some(Speech::Word { end, at });
        }
        let enough = if self.finished { 1 } else { LEAST };
        if self.audio.len() >= enough {
            let samples: Vec<f32> = self.audio.drain(..self.audio.len().min(PIECE)).collect();
            self.given += samples.len() as u64;
            return Some(Speech::Audio(AudioFrame::new(SampleRate::SPEECH, samples)));
        }
        self.finished.then_some(Speech::End)
    }
}

/// A position at the voices' rate as one at [`SampleRate::SPEECH`].
fn at_speech_rate(position: u64) -> u64 {
    position * u64::from(SampleRate::SPEECH.hz()) / u64::from(flite::RATE)
}
