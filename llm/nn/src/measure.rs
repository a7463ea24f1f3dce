//! What the memory and the processors of this machine give, the floors under every model; and the
//! clocks to measure by, which nothing but measuring reads.
use std::{
    io,
    time::{Duration, Instant},
};

use candle_core::{Device, Tensor};

use crate::{
    cpu::Isa,
    lanes::{Lanes, by_lanes},
    linear::Linear,
    matrix::{Format, Matrix},
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

/// A measurement under way.
#[derive(Clone, Copy, Debug)]
pub struct Lap {
    watch: Stopwatch,
    processor: f64,
}

/// How long one thing took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// As a caller waits.
    pub waited: Duration,
    /// Processor time divided by the threads: what it would take if nobody else used the machine.
    pub worked: Duration,
}

impl Lap {
    /// Starts now.
    pub fn start() -> Lap {
        Lap {
            watch: Stopwatch::start(),
            processor: processor_time(),
        }
    }

    /// The time of each of `parts` equal parts.
    pub fn end(self, parts: usize) -> Time {
        let worked = (processor_time() - self.processor) / Pool::global().threads() as f64;
        let parts = parts.max(1) as u32;
        Time {
            waited: self.watch.elapsed() / parts,
            worked: Duration::from_secs_f64(worked.max(0.0)) / parts,
        }
    }
}

/// Times of the same thing, measured again and again.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Time>);

impl Times {
    /// One more.
    pub fn push(&mut self, time: Time) {
        self.0.push(time);
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The one in the middle, each of its parts by itself; zero when there are none.
    pub fn median(&self) -> Time {
        let middle = |part: fn(&Time) -> Duration| {
            let mut sorted: Vec<Duration> = self.0.iter().map(part).collect();
            sorted.sort_unstable();
            sorted.get(sorted.len() / 2).copied().unwrap_or_default()
        };
        Time {
            waited: middle(|t| t.waited),
            worked: middle(|t| t.worked),
        }
    }

    /// The shortest wait; zero when there are none.
    pub fn fastest(&self) -> Duration {
        self.0.iter().map(|t| t.waited).min().unwrap_or_default()
    }
}

/// The most memory this process ever had resident, where the system tells.
pub fn peak_memory() -> Option<usize> {
    told_in_kib("/proc/self/status", "VmHWM:")
}

/// Memory that can be had without anything being written to disk, where the system tells.
pub fn free_memory() -> Option<usize> {
    told_in_kib("/proc/meminfo", "MemAvailable:")
}

fn told_in_kib(file: &str, name: &str) -> Option<usize> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Operations a second, two for each weight and row, of a product with so many rows that memory
/// does not matter: the best of a few. Fails when there is no memory for it.
pub fn product_rate(format: Format) -> candle_core::Result<f64> {
    const SIDE: usize = 2048;
    const ROWS: usize = 256;
    let values: Vec<f32> = (0..SIDE).map(|i| (i as f32 * 0.7).sin() * 0.05).collect();
    let matrix = Matrix::pack(format, SIDE, SIDE, &|row, out| {
        out.copy_from_slice(&values);
        out.rotate_left(row % 32);
    })?;
    let layer = Linear::new(matrix, None);
    let x = Tensor::from_vec(values.repeat(ROWS), (ROWS, SIDE), &Device::Cpu)?;
    let mut fastest = f64::INFINITY;
    for _ in 0..12 {
        let start = Stopwatch::start();
        layer.forward(&x)?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    Ok((2 * SIDE * SIDE * ROWS) as f64 / fastest)
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
