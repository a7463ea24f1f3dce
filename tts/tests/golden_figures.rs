//! How fast the voice is with random weights of the published sizes; speed does not depend on
//! values. It takes 9 GB of memory and some minutes, so it runs when asked for:
//!
//! `cargo test --release -p voiced-tts --test golden_figures -- --ignored --nocapture`
//!
//! `VOICED_FIGURES_FORMAT` (f32, bf16, q8, q4; bf16) and `VOICED_FIGURES_ROWS` (1,4) choose what.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use voiced_nn::{kv_cache::CacheFormat, matrix::Format, pool::Pool};
use voiced_tts::{
    codec::Frame,
    voxtral::{Ask, Caches, Checkpoint, Config, Formats, GUIDANCE, Reading, noise},
};

/// Positions of a prompt: a voice and a sentence.
const PROMPT: usize = 140;
/// Positions of the sentence alone.
const TEXT: usize = 20;
const ROUNDS: usize = 5;

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Wall time, and time on processors over all threads: on a machine that does other things too,
/// the second divided by the threads is what the first would be.
type Took = (Duration, Duration);

fn timed<T>(body: impl FnOnce() -> T) -> (T, Took) {
    let (start, busy) = (Instant::now(), busy());
    let result = body();
    (result, (start.elapsed(), self::busy().saturating_sub(busy)))
}

/// Time this process has spent on processors; zero where the system does not say.
fn busy() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let nanos = threads.filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

struct Times(Vec<Took>);

impl Times {
    /// Medians of wall time and of processor time a thread, and the fastest, in milliseconds.
    fn show(&self) -> String {
        let threads = Pool::global().threads() as u32;
        let sorted = |pick: fn(&Took) -> Duration| {
            let mut all: Vec<Duration> = self.0.iter().map(pick).collect();
            all.sort();
            all
        };
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let (wall, busy) = (sorted(|t| t.0), sorted(|t| t.1));
        let middle = wall.len() / 2;
        format!(
            "{:8.1} {:8.1} {:8.1}",
            ms(wall[middle]),
            ms(busy[middle] / threads),
            ms(wall[0])
        )
    }
}

fn rows(count: usize, dim: usize) -> Tensor {
    Tensor::randn(0f32, 0.5, (count, dim), &Device::Cpu)
        .unwrap()
        .to_dtype(DType::F32)
        .unwrap()
}

#[test]
#[ignore = "9 GB and minutes"]
fn figures() {
    let format: Format = setting("VOICED_FIGURES_FORMAT", "bf16").parse().unwrap();
    let batches = setting("VOICED_FIGURES_ROWS", "1,4");
    let batches: Vec<usize> = batches.split(',').map(|n| n.parse().unwrap()).collect();
    let formats = Formats::new(format);
    let ((model, codec), loading) = timed(|| {
        let checkpoint = Checkpoint::noise(Config::published());
        let codec = checkpoint.codec(formats).unwrap();
        (checkpoint.load(formats).unwrap(), codec)
    });
    let threads = Pool::global().threads();
    println!("{format}, {threads} threads, packed in {:.1?}", loading.0);
    let dim = model.config().backbone.dim;
    let most = batches.iter().copied().max().unwrap();
    let cache = CacheFormat::Bf16;
    let mut caches = Caches::new(model.config(), most, 1024, PROMPT, cache).unwrap();
    for count in batches {
        let reading = |slot: usize, position: usize, n: usize| Reading {
            slot,
            position: position as u64,
            rows: rows(n, dim),
        };
        let mut prefill = Times(Vec::new());
        let mut text = Times(Vec::new());
        let (mut backbone, mut flow, mut decoder) =
            (Times(Vec::new()), Times(Vec::new()), Times(Vec::new()));
        for _ in 0..2 {
            let all: Vec<Reading> = (0..count).map(|s| reading(s, 0, PROMPT)).collect();
            prefill
                .0
                .push(timed(|| model.read(&mut caches, &all, None).unwrap()).1);
            let some: Vec<Reading> = (0..count)
                .map(|s| reading(s, PROMPT - TEXT, TEXT))
                .collect();
            text.0
                .push(timed(|| model.read(&mut caches, &some, None).unwrap()).1);
        }
        let mut states: Vec<_> = (0..count).map(|_| codec.begin()).collect();
        for n in 0..ROUNDS {
            let one: Vec<Reading> = (0..count).map(|s| reading(s, PROMPT + n, 1)).collect();
            let (hidden, took) = timed(|| model.read(&mut caches, &one, None).unwrap());
            backbone.0.push(took);
            let asks: Vec<Ask> = (0..count as u64)
                .map(|seed| Ask {
                    noise: noise(seed, n as u64, 36),
                    guidance: GUIDANCE,
                    may_end: false,
                })
                .collect();
            let (frames, took) = timed(|| model.frames(&hidden, &asks, None).unwrap());
            flow.0.push(took);
            let frames: Vec<Frame> = frames.into_iter().map(Option::unwrap).collect();
            let mut work: Vec<_> = states
                .iter_mut()
                .zip(frames.iter().map(std::slice::from_ref))
                .collect();
            decoder
                .0
                .push(timed(|| codec.push(&mut work, None).unwrap()).1);
        }
        println!("rows {count}: ms          wall     busy  fastest");
        println!("  prefill of {PROMPT}    {}", prefill.show());
        println!("  text of {TEXT}         {}", text.show());
        println!("  backbone, a frame {}", backbone.show());
        println!("  flow, a frame     {}", flow.show());
        println!("  codec, a frame    {}", decoder.show());
    }
}
