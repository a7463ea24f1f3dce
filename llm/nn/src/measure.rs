//! What the memory of this machine gives, the floor under every decoder; and the clocks to measure
//! by, which nothing but measuring reads.
use std::{
    io,
    time::{Duration, Instant},
};

use crate::{
    cpu::Isa,
    lanes::{Lanes, by_lanes},
    pages::{Backing, Pages},
    pool::Pool,
};

/// Time as a caller waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "the clock that benches share")]
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// Since it was started.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Bytes a second that all threads of the pool read together, the median of five passes over
/// memory too large for any cache. Fails when there is no such memory.
pub fn read_bandwidth() -> io::Result<f64> {
    const SIZE: usize = 1 << 30;
    const PIECE: usize = 1 << 20;
    let mut pages = Pages::zeroed(SIZE, Backing::Huge)?;
    // Memory nobody wrote is one page of zeros, read from the cache.
    let pieces: Vec<_> = pages.chunks_mut(PIECE).map(std::sync::Mutex::new).collect();
    Pool::global().run(pieces.len(), &|i| {
        let piece = pieces[i].lock();
        piece
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .fill(1);
    });
    drop(pieces);
    let (isa, values) = (Isa::detect(), pages.of::<f32>());
    let mut seconds: Vec<f64> = (0..5)
        .map(|_| {
            let start = Stopwatch::start();
            Pool::global().run(SIZE / PIECE, &|i| {
                let mut sum = 0.0;
                total(isa, &values[i * PIECE / 4..(i + 1) * PIECE / 4], &mut sum);
                std::hint::black_box(sum);
            });
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    Ok(SIZE as f64 / seconds[2])
}

by_lanes! {
    fn total(values: &[f32], sum: &mut f32) = total_body
}

/// Four streams at once: one alone leaves the memory waiting for requests (25 against 33 GB/s).
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn total_body<L: Lanes>(values: &[f32], sum: &mut f32) {
    const STREAMS: usize = 4;
    let (each, mut lanes) = (values.len() / STREAMS, [0f32; 16]);
    // SAFETY: the caller's processor has the lanes; steps of sixteen lie inside each stream.
    unsafe {
        let mut sums = [L::splat(0.0); STREAMS];
        for at in (0..each / 16 * 16).step_by(16) {
            for (s, sum) in sums.iter_mut().enumerate() {
                *sum = sum.add(L::load(values.as_ptr().add(s * each + at)));
            }
        }
        let all = sums[1..].iter().fold(sums[0], |all, sum| all.add(*sum));
        all.store(lanes.as_mut_ptr());
    }
    *sum = lanes.iter().sum();
}

/// Seconds of processor time this process has used, all threads together; zero where the system
/// does not tell.
pub fn processor_time() -> f64 {
    #[cfg(unix)]
    #[allow(unsafe_code)]
    {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: writes one timespec, which outlives the call.
        let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
        if failed == 0 {
            return time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
        }
    }
    0.0
}
