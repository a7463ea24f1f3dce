//! How fast this machine hears: the model at its published sizes, full of noise made on the fly,
//! since speed does not depend on what the weights say.
use std::time::Duration;

use voiced_nn::{
    kv_cache::CacheFormat,
    measure::{Stopwatch, processor_time, read_bandwidth},
    pool::Pool,
};

use crate::voxtral::{Caches, Checkpoint, Config, Formats, LoadError, Row, SAMPLES, Work};

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Bench {
    /// The sizes; [`Config::published`] for the real ones.
    pub config: Config,
    /// How weights are stored.
    pub formats: Formats,
    /// Sessions stepped together.
    pub rows: usize,
    /// Positions measured, after as many for warming up as the prompt has.
    pub positions: usize,
}

/// What was measured. Times are medians.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// From noise to a packed model.
    pub loading: Duration,
    /// One step of the decoder: one token for every row.
    pub decoder: Duration,
    /// One step of the encoder and the adapter: 80 ms for every row.
    pub encoder: Duration,
    /// The same for 640 ms at once, each 80 ms of it.
    pub encoder_burst: Duration,
    /// Processor time of a decoder step, divided by the threads: what it would take if nobody else
    /// used the machine.
    pub decoder_alone: Duration,
    /// The same of an encoder step of 80 ms.
    pub encoder_alone: Duration,
    /// Bytes of weights a decoder step reads.
    pub decoder_bytes: usize,
    /// Bytes of all weights.
    pub weights: usize,
    /// Bytes a second this machine reads, measured in the same run.
    pub bandwidth: f64,
    /// Most memory the process had, where the system says so.
    pub peak: Option<usize>,
    /// Threads at work.
    pub threads: usize,
}

impl Figures {
    /// How much of the machine's read bandwidth the decoder reaches.
    pub fn share(&self) -> f64 {
        self.decoder_bytes as f64 / self.decoder.as_secs_f64() / self.bandwidth
    }

    /// Computing time for each second of audio, encoder and decoder, sessions together.
    pub fn real_time_factor(&self) -> f64 {
        (self.decoder + self.encoder).as_secs_f64() / 0.08
    }
}

/// Positions of a burst.
const BURST: usize = 8;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// No memory for the weights.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// No memory for the sessions.
    #[error("no memory: {0}")]
    Memory(#[from] std::io::Error),
    /// A computation failed.
    #[error(transparent)]
    Compute(#[from] candle_core::Error),
}

impl Bench {
    /// Measures. Takes from seconds to a minute, and the memory of the model.
    pub fn run(&self) -> Result<Figures, BenchError> {
        let start = Stopwatch::start();
        let checkpoint = Checkpoint::noise(self.config);
        let model = checkpoint.load(self.formats)?;
        let loading = start.elapsed();
        let mut caches = Caches::new(&self.config, self.rows, BURST, CacheFormat::Bf16)?;
        let beginning = Row::new(&model, 6)?;
        let mut rows = vec![beginning; self.rows];
        let second: Vec<f32> = (0..16_000).map(|i| (i as f32 * 0.05).sin() * 0.1).collect();

        let (mut encoder, mut burst, mut decoder) = (Vec::new(), Vec::new(), Vec::new());
        let control = checkpoint.control();
        while decoder.len() < self.positions {
            for row in &mut rows {
                while row.encodable() < 2 * BURST {
                    row.push(&model, &second[..SAMPLES]);
                }
            }
            // Bursts and single positions take turns.
            let count = if burst.len() <= encoder.len() / 8 {
                BURST
            } else {
                1
            };
            let lap = Lap::start();
            model.encode(&mut caches, &mut work(&mut rows, count), None)?;
            let lap = lap.end(count);
            if count == BURST {
                burst.push(lap);
            } else {
                encoder.push(lap);
            }
            while rows[0].waiting() > 0 {
                let choosing = rows[0].decoded() + 1 >= rows[0].prompt_len();
                let together = rows[0].decodable().min(BURST);
                let count = if choosing { 1 } else { together };
                let lap = Lap::start();
                model.decode(&mut caches, &mut work(&mut rows, count), &control, None)?;
                if choosing {
                    decoder.push(lap.end(1));
                }
                for row in &mut rows {
                    row.choose(control.pad);
                }
            }
        }
        Ok(Figures {
            loading,
            decoder: median(&decoder, |lap| lap.waited),
            encoder: median(&encoder, |lap| lap.waited),
            encoder_burst: median(&burst, |lap| lap.waited),
            decoder_alone: median(&decoder, |lap| lap.worked),
            encoder_alone: median(&encoder, |lap| lap.worked),
            decoder_bytes: self.formats.decoder_bytes(&self.config),
            weights: model.weight_bytes(),
            peak: peak(),
            bandwidth: read_bandwidth()?,
            threads: Pool::global().threads(),
        })
    }
}

/// Every row, to advance by `count` positions.
fn work(rows: &mut [Row], count: usize) -> Vec<Work<'_>> {
    let all = rows.iter_mut().enumerate();
    all.map(|(slot, row)| (slot, row, count)).collect()
}

/// A measurement under way.
struct Lap {
    watch: Stopwatch,
    processor: f64,
}

/// One measurement.
struct Time {
    waited: Duration,
    /// Processor time divided by the threads.
    worked: Duration,
}

impl Lap {
    fn start() -> Lap {
        Lap {
            watch: Stopwatch::start(),
            processor: processor_time(),
        }
    }

    /// The time of each of `parts` equal parts.
    fn end(self, parts: usize) -> Time {
        let worked = (processor_time() - self.processor) / Pool::global().threads() as f64;
        Time {
            waited: self.watch.elapsed() / parts as u32,
            worked: Duration::from_secs_f64(worked.max(0.0)) / parts as u32,
        }
    }
}

fn median(times: &[Time], which: impl Fn(&Time) -> Duration) -> Duration {
    let mut times: Vec<Duration> = times.iter().map(which).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The most memory this process ever had resident.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use voiced_nn::matrix::Format;

    use super::*;

    #[test]
    fn a_small_model_is_measured() {
        let mut config = Config::published();
        (
            config.encoder.layers,
            config.encoder.dim,
            config.encoder.ffn,
        ) = (1, 64, 96);
        (
            config.decoder.layers,
            config.decoder.dim,
            config.decoder.ffn,
        ) = (1, 64, 96);
        config.vocab = 256;
        let bench = Bench {
            config,
            formats: Formats::new(Format::Q4),
            rows: 2,
            positions: 3,
        };
        let figures = bench.run().unwrap();
        assert!(figures.decoder > Duration::ZERO && figures.encoder > Duration::ZERO);
        assert_eq!(figures.weights, bench.formats.bytes(&config));
        assert!(figures.decoder_bytes < figures.weights);
        assert!(figures.bandwidth > 1e8 && figures.share() > 0.0);
    }
}
