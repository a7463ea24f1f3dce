//! What the memory of this machine gives, the floor under every decoder; and the clocks to measure
//! by, which nothing but measuring reads.
use std::{
    io,
    time::{Duration, Instant},
};

use crate::{
    cpu::{Isa, by_isa},
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
    let isa = Isa::detect();
    let mut seconds: Vec<f64> = (0..5)
        .map(|_| {
            let start = Stopwatch::start();
            Pool::global().run(SIZE / PIECE, &|i| {
                let mut sum = 0;
                total(isa, &pages[i * PIECE..(i + 1) * PIECE], &mut sum);
                std::hint::black_box(sum);
            });
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    Ok(SIZE as f64 / seconds[2])
}

by_isa! {
    fn total(bytes: &[u8], sum: &mut u64) = total_body
}

#[inline(always)]
fn total_body<const FMA: bool>(bytes: &[u8], sum: &mut u64) {
    let mut lanes = [0u64; 32];
    for chunk in bytes.chunks_exact(256) {
        for (lane, word) in lanes.iter_mut().zip(chunk.as_chunks::<8>().0) {
            *lane = lane.wrapping_add(u64::from_le_bytes(*word));
        }
    }
    *sum = lanes.iter().fold(0, |s, l| s.wrapping_add(*l));
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
