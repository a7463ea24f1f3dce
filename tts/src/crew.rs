//! Threads that synthesise for all rows: the library's call says a whole clause before it returns,
//! so it must not run on the thread that steps the engine.
//!
//! Guarantees: a job that was cancelled stops at its next piece of audio; threads end with the
//! crew.
use std::{
    collections::VecDeque,
    ffi::CString,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle, Thread},
};

use crate::flite::{Mark, Sink, VOICES, Voice};

/// A clause to be said.
pub struct Job {
    /// What, as the library takes it.
    pub text: CString,
    /// Index in `VOICES`.
    pub voice: usize,
    /// How many times slower than natural.
    pub stretch: f32,
    /// Where it goes.
    pub take: Arc<Take>,
}

/// The recording of one clause, filled by a thread of the crew, emptied by the engine. Bounded by
/// the length of a clause.
#[derive(Default)]
pub struct Take {
    state: Mutex<TakeState>,
    cancelled: AtomicBool,
}

/// What a recording holds at the moment.
#[derive(Default)]
pub struct TakeState {
    /// Audio that was not fetched yet, 16 kHz.
    pub samples: Vec<i16>,
    /// Where words end, not fetched yet.
    pub marks: Vec<Mark>,
    /// Nothing more will come.
    pub done: bool,
    /// The library could not say it.
    pub failed: bool,
}

impl Take {
    /// What came since the last time.
    pub fn fetch(&self) -> TakeState {
        let mut state = self.state();
        TakeState {
            samples: std::mem::take(&mut state.samples),
            marks: std::mem::take(&mut state.marks),
            ..*state
        }
    }

    /// Nobody wants it any more.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, TakeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads and what they share.
pub struct Crew {
    desk: Arc<Desk>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Desk {
    state: Mutex<DeskState>,
    work: Condvar,
}

#[derive(Default)]
struct DeskState {
    /// At most one job a row that is still wanted, so not longer than there are rows.
    jobs: VecDeque<Job>,
    /// Being said.
    current: Vec<Arc<Take>>,
    closed: bool,
    /// Who steps the engine and is parked when it has nothing to emit.
    listener: Option<Thread>,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, DeskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_listener(&self) {
        if let Some(listener) = &self.state().listener {
            listener.unpark();
        }
    }
}

impl Crew {
    /// Starts `size` threads.
    pub fn new(size: usize) -> io::Result<Crew> {
        let desk = Arc::new(Desk::default());
        let mut crew = Crew {
            desk: desk.clone(),
            threads: Vec::with_capacity(size),
        };
        for number in 0..size {
            let desk = desk.clone();
            let name = format!("tts-voice-{number}");
            let thread = thread::Builder::new()
                .name(name)
                .spawn(move || work(&desk))?;
            crew.threads.push(thread);
        }
        Ok(crew)
    }

    /// Has a clause said.
    pub fn submit(&self, job: Job) {
        let mut state = self.desk.state();
        state.jobs.retain(|waiting| !waiting.take.is_cancelled());
        state.jobs.push_back(job);
        drop(state);
        self.desk.work.notify_one();
    }

    /// From now on the calling thread is unparked when there is news.
    pub fn wake_me(&self) {
        let mut state = self.desk.state();
        let me = thread::current();
        if state.listener.as_ref().is_none_or(|l| l.id() != me.id()) {
            state.listener = Some(me);
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        let mut state = self.desk.state();
        state.closed = true;
        state.jobs.clear();
        for take in &state.current {
            take.cancel();
        }
        drop(state);
        self.desk.work.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a synthesis thread panicked");
            }
        }
    }
}

/// One thread: takes jobs until the crew is gone.
fn work(desk: &Desk) {
    let mut voices: [Option<Voice>; VOICES.len()] = [const { None }; VOICES.len()];
    while let Some(job) = next_job(desk) {
        let said = if job.take.is_cancelled() {
            true
        } else {
            let voice = &mut voices[job.voice];
            if voice.is_none() {
                *voice = Voice::take(job.voice);
            }
            let mut sink = TakeSink {
                take: &job.take,
                desk,
            };
            voice
                .as_mut()
                .is_some_and(|voice| voice.say(&job.text, job.stretch, &mut sink))
        };
        let mut state = job.take.state();
        state.done = true;
        state.failed = !said;
        drop(state);
        desk.state()
            .current
            .retain(|take| !Arc::ptr_eq(take, &job.take));
        desk.wake_listener();
    }
    for voice in voices.into_iter().flatten() {
        voice.give_back();
    }
}

fn next_job(desk: &Desk) -> Option<Job> {
    let mut state = desk.state();
    loop {
        if state.closed {
            return None;
        }
        if let Some(job) = state.jobs.pop_front() {
            state.current.push(job.take.clone());
            return Some(job);
        }
        state = desk
            .work
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

struct TakeSink<'a> {
    take: &'a Take,
    desk: &'a Desk,
}

impl Sink for TakeSink<'_> {
    fn marks(&mut self, marks: Vec<Mark>) {
        self.take.state().marks = marks;
    }

    fn audio(&mut self, samples: &[i16]) -> bool {
        if self.take.is_cancelled() {
            return false;
        }
        self.take.state().samples.extend_from_slice(samples);
        self.desk.wake_listener();
        true
    }
}
