//! A few threads that share one loop at a time: `run` returns when every piece is done.
//!
//! Pieces are taken one by one, so a thread that the system has put aside delays one piece and not
//! its share. Idle threads spin for some microseconds, because a decoder layer asks again that
//! soon, and then sleep: a pool that spins for long takes the core from whoever else needs it.
#![allow(unsafe_code)]
use std::{
    cell::UnsafeCell,
    num::NonZeroUsize,
    sync::{
        Arc, Condvar, Mutex, OnceLock, TryLockError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::JoinHandle,
};

/// Looks at the job flag this often before sleeping: about 20 microseconds.
const SPINS: usize = 400;

struct Job {
    body: *const (dyn Fn(usize) + Sync),
    pieces: usize,
}

struct Shared {
    job: UnsafeCell<Option<Job>>,
    /// A job is on offer: `job` may be read by a thread counted in `inside`.
    open: AtomicBool,
    /// Threads that may be looking at the job.
    inside: AtomicUsize,
    /// The next piece nobody has taken.
    next: AtomicUsize,
    /// A piece panicked; told to the caller.
    broken: AtomicBool,
    asleep: Mutex<usize>,
    wake: Condvar,
    ended: AtomicBool,
}

// SAFETY: `job` is written by the one caller that holds `Pool::busy`, only while `open` is false
// and `inside` is zero, and read only by threads that counted themselves in and then saw `open`.
unsafe impl Sync for Shared {}
// SAFETY: the job's pointer refers to a `Sync` closure that outlives `run`.
unsafe impl Send for Shared {}

/// Threads that help the caller of [`Pool::run`].
pub struct Pool {
    shared: Arc<Shared>,
    busy: Mutex<()>,
    helpers: Vec<JoinHandle<()>>,
}

/// Threads of the process's pool.
static CHOSEN: OnceLock<NonZeroUsize> = OnceLock::new();

impl Pool {
    /// A pool in which `threads` work at once, the caller being one of them.
    pub fn new(threads: NonZeroUsize) -> Pool {
        let shared = Arc::new(Shared {
            job: UnsafeCell::new(None),
            open: AtomicBool::new(false),
            inside: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            asleep: Mutex::new(0),
            wake: Condvar::new(),
            ended: AtomicBool::new(false),
        });
        let helpers = (1..threads.get())
            .filter_map(|i| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new()
                    .name(format!("nn-{i}"))
                    .spawn(move || shared.help())
                    // With fewer threads the work is slower, not wrong.
                    .ok()
            })
            .collect();
        Pool {
            shared,
            busy: Mutex::new(()),
            helpers,
        }
    }

    /// Sets how many threads the process's pool will have. False when it is at work already, or
    /// was told before.
    pub fn choose(threads: NonZeroUsize) -> bool {
        CHOSEN.set(threads).is_ok()
    }

    /// The process's pool: what was chosen, `VOICED_THREADS`, or one thread for each core.
    pub fn global() -> &'static Pool {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| {
            let asked = std::env::var("VOICED_THREADS").ok();
            let asked = asked.and_then(|n| n.parse::<NonZeroUsize>().ok());
            let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            let threads = *CHOSEN.get_or_init(|| asked.unwrap_or(cores));
            Pool::new(threads)
        })
    }

    /// Threads that work at once, the caller included.
    pub fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Calls `body(0..pieces)`, each once, in any order and on any thread, and returns when all
    /// are done. When another caller has the helpers, this one does its work alone: two models
    /// on one machine never wait for each other here.
    ///
    /// # Panics
    /// When a piece panicked.
    pub fn run(&self, pieces: usize, body: &(dyn Fn(usize) + Sync)) {
        let alone = || (0..pieces).for_each(body);
        if pieces < 2 || self.helpers.is_empty() {
            return alone();
        }
        let _busy = match self.busy.try_lock() {
            Ok(busy) => busy,
            // A piece panicked once; the next job starts from nothing all the same.
            Err(TryLockError::Poisoned(busy)) => busy.into_inner(),
            Err(TryLockError::WouldBlock) => return alone(),
        };
        self.shared.offer(pieces, body);
    }
}

/// Work, in multiplications, that is done before a helper would have woken up.
const SMALL: usize = 1 << 17;

/// Like [`Pool::run`] of the process's pool for pieces that come to `work` multiplications in all;
/// small work stays on the caller's thread.
pub(crate) fn run(work: usize, pieces: usize, body: &(dyn Fn(usize) + Sync)) {
    if work < SMALL {
        (0..pieces).for_each(body);
    } else {
        Pool::global().run(pieces, body);
    }
}

impl Shared {
    fn offer(&self, pieces: usize, body: &(dyn Fn(usize) + Sync)) {
        // Whatever happens here, the helpers must be out of `body` before it goes.
        struct Close<'a>(&'a Shared);
        impl Drop for Close<'_> {
            fn drop(&mut self) {
                self.0.open.store(false, SeqCst);
                let mut waited = 0usize;
                while self.0.inside.load(SeqCst) != 0 {
                    waited += 1;
                    if waited < SPINS {
                        std::hint::spin_loop();
                    } else {
                        std::thread::yield_now();
                    }
                }
            }
        }
        // SAFETY: lengthens the closure's lifetime; `Close` ends all use of it before `run` returns.
        let body: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(body) };
        // SAFETY: `open` is false, so whoever counts in from now on leaves without looking, and
        // the previous `Close` waited for those who had looked.
        unsafe { *self.job.get() = Some(Job { body, pieces }) };
        self.next.store(0, SeqCst);
        self.broken.store(false, SeqCst);
        let close = Close(self);
        self.open.store(true, SeqCst);
        if *lock(&self.asleep) > 0 {
            self.wake.notify_all();
        }
        self.take_pieces(body, pieces);
        drop(close);
        assert!(!self.broken.load(SeqCst), "a piece of the work panicked");
    }

    fn take_pieces(&self, body: &(dyn Fn(usize) + Sync), pieces: usize) {
        loop {
            let piece = self.next.fetch_add(1, SeqCst);
            if piece >= pieces {
                return;
            }
            body(piece);
        }
    }

    fn help(&self) {
        while !self.ended.load(SeqCst) {
            self.inside.fetch_add(1, SeqCst);
            let worked = self.open.load(SeqCst) && self.next_is_left();
            if worked {
                self.help_once();
            }
            self.inside.fetch_sub(1, SeqCst);
            if !worked {
                self.rest();
            }
        }
    }

    fn next_is_left(&self) -> bool {
        // SAFETY: counted in and `open` was seen, so the job stays until this thread counts out.
        let job = unsafe { &*self.job.get() };
        job.as_ref()
            .is_some_and(|job| self.next.load(SeqCst) < job.pieces)
    }

    fn help_once(&self) {
        // SAFETY: as in `next_is_left`; the closure lives until `Close` has seen us count out.
        let Some((body, pieces)) = (unsafe {
            (*self.job.get())
                .as_ref()
                .map(|job| (&*job.body, job.pieces))
        }) else {
            return;
        };
        let work = std::panic::AssertUnwindSafe(|| self.take_pieces(body, pieces));
        if std::panic::catch_unwind(work).is_err() {
            self.broken.store(true, SeqCst);
        }
    }

    fn rest(&self) {
        let wanted = || self.ended.load(SeqCst) || (self.open.load(SeqCst) && self.some_left());
        for _ in 0..SPINS {
            if wanted() {
                return;
            }
            std::hint::spin_loop();
        }
        let mut asleep = lock(&self.asleep);
        *asleep += 1;
        while !wanted() {
            asleep = self
                .wake
                .wait(asleep)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        *asleep -= 1;
    }

    fn some_left(&self) -> bool {
        self.inside.fetch_add(1, SeqCst);
        let left = self.open.load(SeqCst) && self.next_is_left();
        self.inside.fetch_sub(1, SeqCst);
        left
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.ended.store(true, SeqCst);
        // Taking the lock orders this after a helper's last look and before its sleep.
        drop(lock(&self.shared.asleep));
        self.shared.wake.notify_all();
        for helper in self.helpers.drain(..) {
            // A helper catches panics of its pieces and has none of its own.
            let _ = helper.join();
        }
    }
}

#[cfg(test)]
mod tests;
