//! How fast this machine hears: the model itself, at whatever sizes, of a checkpoint or of noise made
//! on the fly, since speed does not depend on what the weights say.
use std::time::Duration;

use voiced_nn::{
    kv_cache::CacheFormat,
    measure::{Lap, Stopwatch, Time, Times, free_memory, peak_memory},
};

use crate::voxtral::{
    Caches, Checkpoint, Config, Control, Formats, LoadError, Row, SAMPLES, STACKED, Voxtral, Work,
};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Bench {
    /// How weights are stored.
    pub formats: Formats,
    /// Sessions stepped together, one number after the other.
    pub rows: Vec<usize>,
    /// Positions in front of the tokens measured, where one session is alone; several have read no
    /// more than their prompts.
    pub contexts: Vec<usize>,
    /// Tokens measured.
    pub steps: usize,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Figures {
    /// From a file, or from noise, to a packed model.
    pub loading: Duration,
    /// Bytes of all weights.
    pub weights: usize,
    /// Bytes of weights a decoder step reads.
    pub decoder_bytes: usize,
    /// Bytes of weights a call of encoder and adapter reads.
    pub encoder_bytes: usize,
    /// Operations of encoder and adapter for 80 ms, two to a weight and vector.
    pub encoder_operations: f64,
    /// One session reading its whole prompt, encoded already.
    pub prefill: Time,
    /// Positions of that prompt.
    pub prompt: usize,
    /// From the last sample to the last token: the delay's worth of silence encoded and decoded.
    pub flush: Time,
    /// Tokens of that.
    pub flushed: usize,
    /// Steps by sessions and context.
    pub sessions: Vec<Session>,
    /// Sessions that did not fit: how many, bytes needed, bytes there.
    pub skipped: Vec<(usize, usize, usize)>,
    /// Most memory the process had, where the system says so.
    pub peak: Option<usize>,
}

/// Steps of some sessions together. Times are of all of them.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// How many.
    pub rows: usize,
    /// Positions in front of the first token measured.
    pub context: usize,
    /// One step of the decoder: a token for every row.
    pub decoder: Time,
    /// The fastest such step.
    pub decoder_fastest: Duration,
    /// One call of encoder and adapter with 80 ms of every row.
    pub encoder: Time,
    /// The same for [`BURST`] times 80 ms in one call, each 80 ms of it.
    pub burst: Time,
}

/// Positions of a burst: 640 ms.
pub const BURST: usize = 8;
/// Positions decoded together while a prompt is read.
const TOGETHER: usize = 40;
/// Calls of the encoder measured alone and in bursts.
const CALLS: usize = 6;
/// The published delay, in positions.
const DELAY: usize = 6;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The checkpoint cannot be used, or there is no memory for its weights.
    #[error(transparent)]
    Load(Box<LoadError>),
    /// The weights would not fit.
    #[error("weights of {needed} bytes do not fit: {free} are free")]
    TooLarge {
        /// Bytes of the weights.
        needed: usize,
        /// Bytes there.
        free: usize,
    },
    /// No memory for the sessions.
    #[error("no memory: {0}")]
    Memory(#[from] std::io::Error),
    /// A computation failed.
    #[error(transparent)]
    Compute(#[from] candle_core::Error),
}

impl From<LoadError> for BenchError {
    fn from(error: LoadError) -> BenchError {
        BenchError::Load(Box::new(error))
    }
}

impl Bench {
    /// Measures; `say` is told what comes next. Takes seconds to minutes, and the memory of the
    /// model.
    pub fn run(
        &self,
        checkpoint: &Checkpoint,
        say: &mut dyn FnMut(&str),
    ) -> Result<Figures, BenchError> {
        let config = *checkpoint.config();
        let weights = self.formats.bytes(&config);
        if let Some(free) = free_memory().filter(|free| *free < weights) {
            let needed = weights;
            return Err(BenchError::TooLarge { needed, free });
        }
        say("packing weights");
        let start = Stopwatch::start();
        let model = checkpoint.load(self.formats)?;
        let loading = start.elapsed();
        let rig = Rig {
            model: &model,
            control: checkpoint.control(),
            steps: self.steps,
        };
        say("reading a prompt, flushing");
        let (prefill, prompt, flush, flushed) = rig.prompt_and_flush()?;
        let (mut sessions, mut skipped) = (Vec::new(), Vec::new());
        for &rows in &self.rows {
            let contexts = if rows == 1 {
                &self.contexts[..]
            } else {
                &[prompt]
            };
            for &context in contexts {
                let needed = session_bytes(&config, context + self.steps) * rows;
                if let Some(free) = free_memory().filter(|free| *free < needed) {
                    skipped.push((rows, needed, free));
                    continue;
                }
                say(&format!("{rows} sessions after {context} positions"));
                sessions.push(rig.sessions(rows, context)?);
            }
        }
        Ok(Figures {
            loading,
            weights: model.weight_bytes(),
            decoder_bytes: self.formats.decoder_bytes(&config),
            encoder_bytes: self.formats.encoder_bytes(&config),
            encoder_operations: encoder_operations(&config),
            prefill,
            prompt,
            flush,
            flushed,
            sessions,
            skipped,
            peak: peak_memory(),
        })
    }
}

/// Bytes of attention memory of a session of so many positions.
fn session_bytes(config: &Config, positions: usize) -> usize {
    let mut config = *config;
    config.decoder.window = config.decoder.window.min(positions);
    Caches::bytes(&config, 1, TOGETHER, CacheFormat::Bf16)
}

/// Weights of encoder and adapter times the vectors they meet in 80 ms, twice.
fn encoder_operations(config: &Config) -> f64 {
    let (e, d) = (&config.encoder, &config.decoder);
    let attention = 4 * e.dim * e.heads * e.head_dim;
    let layers = e.layers * (attention + 3 * e.dim * e.ffn) * STACKED;
    let adapter = STACKED * e.dim * d.dim + d.dim * d.dim;
    let stem = 3 * crate::mel::BINS * e.dim * 2 * STACKED + 3 * e.dim * e.dim * STACKED;
    2.0 * (layers + adapter + stem) as f64
}

struct Rig<'a> {
    model: &'a Voxtral,
    control: Control,
    steps: usize,
}

impl Rig<'_> {
    /// Some sound for every row until `positions` more can be encoded.
    fn hear(&self, rows: &mut [Row], positions: usize) {
        let sound: Vec<f32> = (0..SAMPLES)
            .map(|i| (i as f32 * 0.05).sin() * 0.1)
            .collect();
        for row in rows {
            while row.encodable() < positions {
                row.push(self.model, &sound);
            }
        }
    }

    fn encode(&self, caches: &mut Caches, rows: &mut [Row], count: usize) -> Timed {
        self.hear(rows, count);
        let lap = Lap::start();
        self.model.encode(caches, &mut work(rows, count), None)?;
        Ok(lap.end(1))
    }

    fn decode(&self, caches: &mut Caches, rows: &mut [Row], count: usize) -> Timed {
        let lap = Lap::start();
        let mut work = work(rows, count);
        self.model.decode(caches, &mut work, &self.control, None)?;
        let time = lap.end(1);
        for row in rows {
            row.choose(self.control.pad);
        }
        Ok(time)
    }

    /// A session up to `context` positions: its delay is such that all of them are prompt.
    fn begin(
        &self,
        caches: &mut Caches,
        rows: usize,
        context: usize,
    ) -> Result<Vec<Row>, BenchError> {
        let shortest = Row::new(self.model, DELAY)?.prompt_len() as usize;
        let delay = DELAY + context.saturating_sub(shortest);
        let mut rows = vec![Row::new(self.model, delay)?; rows];
        let mut left = rows[0].prompt_len() as usize - 1;
        while left > 0 {
            let some = left.min(TOGETHER);
            self.encode(caches, &mut rows, some)?;
            self.decode(caches, &mut rows, some)?;
            left -= some;
        }
        Ok(rows)
    }

    fn sessions(&self, rows: usize, context: usize) -> Result<Session, BenchError> {
        let format = CacheFormat::Bf16;
        let mut caches = Caches::new(self.model.config(), rows, TOGETHER, format)?;
        let mut all = self.begin(&mut caches, rows, context)?;
        let (mut decoder, mut encoder, mut burst) = <(Times, Times, Times)>::default();
        for step in 0..self.steps.max(2 * CALLS) {
            if step < CALLS {
                let time = self.encode(&mut caches, &mut all, BURST)?;
                each(&mut burst, time, BURST);
            } else if all[0].waiting() == 0 || step < 2 * CALLS {
                each(&mut encoder, self.encode(&mut caches, &mut all, 1)?, 1);
            }
            if step < self.steps {
                decoder.push(self.decode(&mut caches, &mut all, 1)?);
            }
        }
        Ok(Session {
            rows,
            context,
            decoder: decoder.median(),
            decoder_fastest: decoder.fastest(),
            encoder: encoder.median(),
            burst: burst.median(),
        })
    }

    fn prompt_and_flush(&self) -> Result<(Time, usize, Time, usize), BenchError> {
        let format = CacheFormat::Bf16;
        let mut caches = Caches::new(self.model.config(), 1, TOGETHER, format)?;
        let (mut prefill, mut flush) = (Times::default(), Times::default());
        let mut prompt = 0;
        for _ in 0..3 {
            let mut row = vec![Row::new(self.model, DELAY)?];
            prompt = row[0].prompt_len() as usize;
            self.encode(&mut caches, &mut row, prompt)?;
            prefill.push(self.decode(&mut caches, &mut row, prompt)?);
            let silence = vec![0f32; (DELAY + 1) * SAMPLES];
            let lap = Lap::start();
            row[0].push(self.model, &silence);
            let count = row[0].encodable();
            self.model
                .encode(&mut caches, &mut work(&mut row, count), None)?;
            while row[0].waiting() > 0 {
                self.decode(&mut caches, &mut row, 1)?;
            }
            flush.push(lap.end(1));
        }
        Ok((prefill.median(), prompt, flush.median(), DELAY + 1))
    }
}

type Timed = Result<Time, BenchError>;

fn each(times: &mut Times, time: Time, parts: usize) {
    times.push(Time {
        waited: time.waited / parts as u32,
        worked: time.worked / parts as u32,
    });
}

/// Every row, to advance by `count` positions.
fn work(rows: &mut [Row], count: usize) -> Vec<Work<'_>> {
    let all = rows.iter_mut().enumerate();
    all.map(|(slot, row)| (slot, row, count)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use voiced_nn::matrix::Format;

    use super::*;

    fn small() -> Config {
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
        config
    }

    #[test]
    fn a_small_model_is_measured() {
        let config = small();
        let bench = Bench {
            formats: Formats::new(Format::Q4),
            rows: vec![1, 2],
            contexts: vec![50, 100],
            steps: 3,
        };
        let mut said = 0;
        let figures = bench.run(&Checkpoint::noise(config), &mut |_| said += 1);
        let figures = figures.unwrap();
        let measured: Vec<(usize, usize)> = figures
            .sessions
            .iter()
            .map(|s| (s.rows, s.context))
            .collect();
        assert_eq!(measured, [(1, 50), (1, 100), (2, figures.prompt)]);
        for session in &figures.sessions {
            let times = [session.decoder, session.encoder, session.burst];
            assert!(times.iter().all(|t| t.waited > Duration::ZERO));
        }
        assert_eq!(figures.weights, bench.formats.bytes(&config));
        assert!(figures.decoder_bytes + figures.encoder_bytes < figures.weights);
        assert!(figures.flush.waited > Duration::ZERO && said > 3);
    }

    #[test]
    fn the_published_encoder_costs_what_the_specification_says() {
        let operations = encoder_operations(&Config::published());
        assert!((7.7e9..8.0e9).contains(&operations), "{operations:e}");
    }
}
