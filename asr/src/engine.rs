//! Voxtral Realtime as an engine: rows stepped together, each at its own position, with finals
//! from a fork.
//!
//! A row hears on and on. When asked to finalise it is *forked*: its state is copied to a spare
//! row, and the copy hears the silence of the model's delay at full speed, so that the last words
//! are there within a few steps while the row itself stays clean for a speaker who goes on. What
//! the fork said the row will say again, and is not passed on twice.
//!
//! Invariant: what a session holds is bounded however long it lasts: a minute of audio not yet
//! heard, five seconds of audio heard, and the words since the last final.
use std::time::Duration;

use voiced_core::{
    audio::SampleRate,
    engine::{Engine, EngineError, Heard, HeardWord, Hearing, Progress, SlotId, Transcript},
};
use voiced_nn::{rows::values, tekken::Tekken};

use crate::{
    voxtral::{Caches, Control, Decision, Row, Voxtral, Work},
    words::{POSITION, Token, Word, transcript},
};

mod beginnings;
mod choice;
mod filter;
mod options;
mod plan;
mod session;

use beginnings::Beginnings;
pub use options::{EosPolicy, Options};
pub use plan::{Plan, PlanError};
use session::{Flush, Renewal, Session};

/// Positions a row may encode in one step: what a burst of audio catches up by, and how far a
/// flush's silence is encoded ahead.
const TOGETHER: usize = 8;

/// What a row says, with everything known about it.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// The whole hypothesis since the last final.
    Partial(String),
    /// The words since the last final, for good.
    Final(Vec<Word>),
}

/// The transcriber.
pub struct Ear {
    model: Voxtral,
    caches: Caches,
    control: Control,
    tekken: Tekken,
    options: Options,
    rows: Vec<Option<Session>>,
    /// Forks in progress; their slots follow those of the rows.
    spares: Vec<Option<Flush>>,
    beginnings: Beginnings,
}

impl Ear {
    /// An engine of the size a [`Plan`] found room for.
    pub fn new(
        model: Voxtral,
        tekken: Tekken,
        control: Control,
        plan: &Plan,
        options: Options,
    ) -> Result<Ear, EngineError> {
        options.check().map_err(EngineError::device)?;
        let caches = Caches::new(model.config(), plan.slots(), TOGETHER, plan.cache);
        let beginnings = Beginnings::new(&model, &control, plan.cache, options.delay);
        Ok(Ear {
            caches: caches.map_err(EngineError::device)?,
            beginnings: beginnings.map_err(EngineError::device)?,
            model,
            control,
            tekken,
            options,
            rows: (0..plan.rows).map(|_| None).collect(),
            spares: (0..plan.spares).map(|_| None).collect(),
        })
    }

    /// Bytes of the packed weights.
    pub fn weight_bytes(&self) -> usize {
        self.model.weight_bytes()
    }

    /// Advances the ready rows, and the forks of theirs, by one step, and says what came of it.
    pub fn step_said(
        &mut self,
        ready: &[bool],
        emit: &mut dyn FnMut(SlotId, Said),
    ) -> Result<Progress, EngineError> {
        let prepared = self.prepare(ready).map_err(EngineError::device)?;
        let mut spoken = vec![false; self.rows.len()];
        for (slot, ready) in ready.iter().enumerate().take(self.rows.len()) {
            if *ready && self.take_inputs(slot) {
                spoken[slot] = true;
                emit(SlotId(slot), Said::Final(Vec::new()));
            }
        }
        let stepped = self.advance(ready).map_err(EngineError::device)?;
        for spare in 0..self.spares.len() {
            let done =
                |flush: &mut Flush| ready[flush.owner] && !spoken[flush.owner] && flush.done();
            if let Some(flush) = self.spares[spare].take_if(done) {
                spoken[flush.owner] = true;
                let owner = flush.owner;
                let words = match &mut self.rows[owner] {
                    Some(session) => session.settle(flush),
                    None => continue,
                };
                emit(SlotId(owner), Said::Final(words));
            }
        }
        for (slot, session) in self.rows.iter_mut().enumerate() {
            if let (true, false, Some(session)) = (ready[slot], spoken[slot], session)
                && let Some(text) = session.news()
            {
                spoken[slot] = true;
                emit(SlotId(slot), Said::Partial(text));
            }
        }
        self.renew(ready);
        if prepared || stepped || spoken.contains(&true) {
            Ok(Progress::Stepped)
        } else {
            Ok(Progress::Idle)
        }
    }

    /// Goes on with the beginnings that ready rows will start from and that are not there yet.
    fn prepare(&mut self, ready: &[bool]) -> candle_core::Result<bool> {
        let mut any = false;
        for (session, ready) in self.rows.iter().zip(ready) {
            if let (Some(session), true) = (session, *ready)
                && self.beginnings.row(session.delay).is_none()
            {
                self.beginnings
                    .prepare(&self.model, &self.control, session.delay)?;
                any = true;
            }
        }
        Ok(any)
    }

    /// Hands a row as much of its input as it can use now; true when it was asked to finalise
    /// and nothing was heard since it last was.
    fn take_inputs(&mut self, slot: usize) -> bool {
        loop {
            let Some(session) = &mut self.rows[slot] else {
                return false;
            };
            match session.inbox.front() {
                None => return false,
                Some(Hearing::Audio(_)) => {
                    if !session.has_begun() {
                        let caches = &mut self.caches;
                        match self.beginnings.start(session.delay, caches, slot) {
                            Some(row) => session.begin(row),
                            None => return false,
                        }
                    }
                    if !session.wants_audio() {
                        return false;
                    }
                    session.hear_next(&self.model);
                    continue;
                }
                Some(Hearing::SpeechStarted) => {}
                Some(Hearing::Tune(tuned)) => {
                    session.delay = tuned.delay.map_or(session.delay, options::nearest);
                }
                // One at a time: what follows a finalise waits for its answer.
                Some(_) if session.flushing => return false,
                Some(Hearing::Discard) => session.discard(),
                Some(Hearing::Finalize) if session.nothing_heard() => {
                    session.inbox.pop_front();
                    return true;
                }
                Some(Hearing::Finalize) => {
                    let Some(spare) = self.spares.iter().position(Option::is_none) else {
                        return false;
                    };
                    let flush = session.fork(slot, &self.model);
                    let to = self.rows.len() + spare;
                    self.caches.copy(&flush.listener.row, slot, to);
                    self.spares[spare] = Some(flush);
                }
            }
            if let Some(session) = &mut self.rows[slot] {
                session.inbox.pop_front();
            }
        }
    }

    /// Encodes what the decoder will soon want, then decodes one position of every row that has
    /// one, or several where the prompt says what is written.
    fn advance(&mut self, ready: &[bool]) -> candle_core::Result<bool> {
        let mut work = Vec::new();
        for (slot, row) in rows(&mut self.rows, &mut self.spares, ready) {
            let count = row.encodable().min(TOGETHER);
            if count > 0 && row.waiting() == 0 {
                work.push((slot, row, count));
            }
        }
        let encoded = !work.is_empty();
        if encoded {
            self.model.encode(&mut self.caches, &mut work, None)?;
        }
        let mut work = Vec::new();
        for (slot, row) in rows(&mut self.rows, &mut self.spares, ready) {
            let count = row.decodable().min(TOGETHER);
            if count > 0 {
                work.push((slot, row, count));
            }
        }
        if work.is_empty() {
            return Ok(encoded);
        }
        let slots: Vec<usize> = work.iter().map(|w: &Work<'_>| w.0).collect();
        let said = self
            .model
            .decode(&mut self.caches, &mut work, &self.control, None)?;
        for (slot, decision) in slots.into_iter().zip(said) {
            self.write(slot, &decision)?;
        }
        Ok(true)
    }

    /// Chooses a row's token and passes on the word it may complete.
    fn write(&mut self, slot: usize, decision: &Decision) -> candle_core::Result<()> {
        let Some(logits) = &decision.logits else {
            return Ok(());
        };
        let fork = slot.checked_sub(self.rows.len());
        let listener = match fork {
            None => self.rows[slot].as_mut().map(|s| &mut s.listener),
            Some(spare) => self.spares[spare].as_mut().map(|f| &mut f.listener),
        };
        let Some(listener) = listener else {
            return Ok(());
        };
        let blanks = listener.words.blanks();
        let (id, log_probability) = values(logits, |logits| {
            choice::choose(logits, blanks, &self.control, &self.options)
        })?;
        listener.row.choose(id);
        let token = Token {
            id,
            index: listener.row.decoded(),
            log_probability,
        };
        let word = listener.words.push(token, &self.control, &self.tekken);
        match fork {
            None => {
                if let (Some(session), Some(word)) = (&mut self.rows[slot], word) {
                    session.write(word);
                }
            }
            Some(spare) => {
                if let Some(flush) = &mut self.spares[spare] {
                    let blank = id == self.control.pad || id == self.control.eos;
                    flush.write(word, blank);
                }
            }
        }
        Ok(())
    }

    /// Starts rows anew that have come far and pause, or that seem to be in a rut.
    fn renew(&mut self, ready: &[bool]) {
        for (slot, ready) in ready.iter().enumerate().take(self.rows.len()) {
            let renewal = match &mut self.rows[slot] {
                Some(session) if *ready => session.should_renew(&self.options),
                _ => None,
            };
            if let Some(renewal) = renewal {
                self.start_anew(slot, renewal);
            }
        }
    }

    fn start_anew(&mut self, slot: usize, renewal: Renewal) {
        let Some(session) = &mut self.rows[slot] else {
            return;
        };
        // Tuned meanwhile, and not ready yet: then in a later step.
        if let Some(row) = self.beginnings.start(session.delay, &mut self.caches, slot) {
            session.renew(&self.model, row, renewal);
        }
    }
}

/// Every row in play with its slot: those of ready leases, and their forks.
fn rows<'a>(
    rows: &'a mut [Option<Session>],
    spares: &'a mut [Option<Flush>],
    ready: &[bool],
) -> impl Iterator<Item = (usize, &'a mut Row)> {
    let count = rows.len();
    let own = rows
        .iter_mut()
        .enumerate()
        .filter(|(slot, _)| ready[*slot])
        .filter_map(|(slot, s)| Some((slot, &mut s.as_mut()?.listener.row)));
    let forks = spares
        .iter_mut()
        .enumerate()
        .filter_map(|(spare, f)| Some((spare, f.as_mut()?)))
        .filter(|(_, flush)| ready[flush.owner])
        .map(move |(spare, flush)| (count + spare, &mut flush.listener.row));
    own.chain(forks)
}

impl Engine for Ear {
    type Input = Hearing;
    type Output = Heard;

    fn slots(&self) -> usize {
        self.rows.len()
    }

    fn open(&mut self, slot: SlotId) {
        self.close(slot);
        let delay = self.options.delay;
        let row = self.beginnings.row(delay).cloned();
        // Copied to the row's slot with the first audio; until then the delay may change.
        self.rows[slot.0] = row.map(|row| Session::new(row, delay));
    }

    fn feed(&mut self, slot: SlotId, input: Hearing) -> Result<(), EngineError> {
        if let Hearing::Audio(frame) = &input
            && frame.rate != SampleRate::HEARING
        {
            let rate = frame.rate.hz();
            return Err(EngineError::bad_input(format!(
                "audio at {rate} Hz, not 16000"
            )));
        }
        let Some(session) = self.rows.get_mut(slot.0).and_then(Option::as_mut) else {
            return Err(EngineError::bad_input("input for a row nobody leased"));
        };
        session.feed(input).map_err(EngineError::bad_input)
    }

    fn has_room(&self, slot: SlotId) -> bool {
        let session = self.rows.get(slot.0).and_then(Option::as_ref);
        session.is_none_or(Session::has_room)
    }

    fn close(&mut self, slot: SlotId) {
        self.rows[slot.0] = None;
        for spare in &mut self.spares {
            spare.take_if(|flush| flush.owner == slot.0);
        }
    }

    fn step(
        &mut self,
        ready: &[bool],
        emit: &mut dyn FnMut(SlotId, Heard),
    ) -> Result<Progress, EngineError> {
        self.step_said(ready, &mut |slot, said| {
            emit(
                slot,
                match said {
                    Said::Partial(text) => Heard::Partial(text),
                    Said::Final(words) => Heard::Final(Transcript {
                        text: transcript(&words),
                        words: words.into_iter().map(heard_word).collect(),
                    }),
                },
            );
        })
    }
}

/// A word as a session is told of it.
fn heard_word(word: Word) -> HeardWord {
    HeardWord {
        text: word.text.trim().to_owned(),
        start: word.start,
        end: word.end,
        confidence: word.confidence,
    }
}

/// A number of positions as time.
fn positions(count: u64) -> Duration {
    POSITION * u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
