//! Voxtral Mini 4B Realtime (`mistralai/Voxtral-Mini-4B-Realtime-2602`): audio in, one token for
//! every 80 ms out, as the published checkpoint computes it.
//!
//! 1280 samples make 8 log-mel frames, two causal convolutions make 4 vectors of them, a causal
//! encoder with a window of 15 s refines these, an adapter joins them into one vector, and that,
//! added to the embedding of the last token, is the decoder's input. 32 positions of silence come
//! first; the prompt is BOS and a streaming pad for each of those and of the delay.
//!
//! Everything is a stream: a row of [`Caches`] and a [`Row`] are all there is of a session, and
//! reading a file is the same loop run faster. Rows are stepped together, each at its own
//! position, and each gets the bits it would get alone.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use candle_core::{D, Device, Result, Tensor};
use voiced_nn::{
    block::Block,
    kv_cache::{Batch, CacheFormat, KvCache, Run},
    linear::Linear,
    norm::RmsNorm,
    rope::Angles,
};

use crate::mel::{BINS, LogMel};

mod config;
mod load;
mod names;
mod row;

pub use config::{Config, Naming, STACKED, Stack};
pub use load::{Checkpoint, Formats, LoadError};
pub use row::{Control, LEFT_PAD, Row, SAMPLES};

/// Log-mel frames of a position.
pub const FRAMES: usize = 2 * STACKED;

/// What a trace is shown, in order of computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// First convolution, after its activation.
    Conv1,
    /// Second convolution, after its activation.
    Conv2,
    /// The residual stream after an encoder layer.
    EncoderLayer(usize),
    /// After the encoder's final norm.
    Encoder,
    /// One vector for each position.
    Adapter,
    /// Token embedding plus audio.
    Input,
    /// The residual stream after a decoder layer.
    DecoderLayer(usize),
    /// After the decoder's final norm.
    Norm,
    /// Logits of the positions that choose a token.
    Logits,
}

/// Sees every stage of a step; rows of a batch lie one after the other.
pub type Trace<'a> = &'a mut dyn FnMut(Stage, &Tensor);

/// The model. Shared by all sessions, changed by none.
pub struct Voxtral {
    config: Config,
    mel: LogMel,
    stem: [Linear; 2],
    encoder: Vec<Block>,
    encoder_norm: RmsNorm,
    adapter: [Linear; 2],
    embedding: Linear,
    decoder: Vec<Block>,
    norm: RmsNorm,
    /// For every decoder layer the two matrices that turn a delay into a scale.
    delay_networks: Vec<[Linear; 2]>,
    /// Scales by delay: 31 delays exist, and each is computed when first asked for.
    scales: Mutex<HashMap<usize, Arc<[Tensor]>>>,
}

/// Rows whose encoder steps together: slot, row, positions.
pub type Work<'a> = (usize, &'a mut Row, usize);

/// What the decoder says of one row.
#[derive(Debug)]
pub struct Decision {
    /// Logits `[vocab]` of the row's last position, where it chooses a token; during the prompt
    /// there is nothing to choose.
    pub logits: Option<Tensor>,
}

impl Voxtral {
    /// Its sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its spectrogram.
    pub fn mel(&self) -> &LogMel {
        &self.mel
    }

    /// The vector a delay of `delay` positions is told with: cosines, then sines.
    pub fn delay_vector(&self, delay: usize) -> Result<Tensor> {
        let half = self.config.decoder.dim / 2;
        let rate = |k: usize| (-(10_000f32.ln()) * k as f32 / half as f32).exp();
        let angle = |k: usize| delay as f32 * rate(k);
        let cos = (0..half).map(|k| angle(k).cos());
        let sin = (0..half).map(|k| angle(k).sin());
        Tensor::from_iter(cos.chain(sin), &Device::Cpu)?.reshape((1, 2 * half))
    }

    /// For every decoder layer what its feed-forward input is multiplied by, `[1, dim]`.
    pub fn delay_scales(&self, delay: usize) -> Result<Arc<[Tensor]>> {
        let mut known = self.scales.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scales) = known.get(&delay) {
            return Ok(Arc::clone(scales));
        }
        let vector = self.delay_vector(delay)?;
        let scale = |[down, up]: &[Linear; 2]| -> Result<Tensor> {
            up.forward(&down.forward(&vector)?.gelu_erf()?)? + 1.0
        };
        let scales: Result<Arc<[Tensor]>> = self.delay_networks.iter().map(scale).collect();
        known.insert(
            delay,
            Arc::clone(
                scales
                    .as_ref()
                    .map_err(|e| candle_core::Error::Msg(e.to_string()))?,
            ),
        );
        scales
    }

    /// Encodes the next positions of every row, whose audio must be there, and leaves their
    /// vectors in the rows.
    pub fn encode(
        &self,
        caches: &mut Caches,
        work: &mut [Work<'_>],
        trace: Option<Trace<'_>>,
    ) -> Result<()> {
        let mut trace = Tracer(trace);
        let config = &self.config;
        let runs = work.iter().map(|(slot, row, positions)| Run {
            slot: *slot,
            position: row.encoded() * STACKED as u64,
            rows: positions * STACKED,
        });
        let batch = Batch::new(runs.collect());
        let angles = Angles::new(&batch, config.encoder.head_dim, config.encoder.theta);

        let mut x = self.stem(work, &mut trace)?;
        let heads = config.encoder.attention(config.naming);
        for (i, (block, cache)) in self.encoder.iter().zip(&mut caches.encoder).enumerate() {
            x = block.forward(&x, &heads, &batch, &angles, cache, None)?;
            trace.see(Stage::EncoderLayer(i), &x);
        }
        x = self.encoder_norm.forward(&x)?;
        trace.see(Stage::Encoder, &x);

        // Four vectors in order of time are one row.
        let x = x.reshape(((), STACKED * config.encoder.dim))?;
        let x = self.adapter[0].forward(&x)?.gelu_erf()?;
        let x = self.adapter[1].forward(&x)?;
        trace.see(Stage::Adapter, &x);
        let mut first = 0;
        for (_, row, positions) in work {
            row.take_encoded(&x.narrow(0, first, *positions)?, *positions)?;
            first += *positions;
        }
        Ok(())
    }

    /// Both convolutions as matrix products over gathered taps, `[4 * positions, dim]`.
    fn stem(&self, work: &mut [Work<'_>], trace: &mut Tracer<'_>) -> Result<Tensor> {
        let mut taps = Vec::new();
        for (_, row, positions) in work.iter_mut() {
            row.take_frames(*positions, |frames| {
                for t in 0..positions.saturating_mul(FRAMES) {
                    let three = &frames[t * BINS..(t + 3) * BINS];
                    taps.extend((0..3 * BINS).map(|i| three[i % 3 * BINS + i / 3]));
                }
            });
        }
        let rows = taps.len() / (3 * BINS);
        let taps = Tensor::from_vec(taps, (rows, 3 * BINS), &Device::Cpu)?;
        let conv1 = self.stem[0].forward(&taps)?.gelu_erf()?;
        trace.see(Stage::Conv1, &conv1);

        let dim = self.config.encoder.dim;
        let mut taps = Vec::new();
        let mut first = 0;
        for (_, row, positions) in work.iter_mut() {
            let frames = *positions * FRAMES;
            let new = conv1.narrow(0, first, frames)?;
            first += frames;
            let all = Tensor::cat(&[row.conv_tail(), &new], 0)?;
            row.set_conv_tail(new.narrow(0, frames - 1, 1)?.contiguous()?);
            // Outputs are two apart and see three: one before a pair, and the pair.
            let pairs = |from: usize| all.narrow(0, from, frames)?.reshape((frames / 2, 2, dim));
            let (early, late) = (pairs(0)?, pairs(1)?);
            let tap = |pairs: &Tensor, i: usize| pairs.narrow(1, i, 1)?.squeeze(1);
            let three = [tap(&early, 0)?, tap(&early, 1)?, tap(&late, 1)?];
            taps.push(Tensor::stack(&three, D::Minus1)?.reshape((frames / 2, 3 * dim))?);
        }
        let conv2 = self.stem[1].forward(&Tensor::cat(&taps, 0)?)?.gelu_erf()?;
        trace.see(Stage::Conv2, &conv2);
        Ok(conv2)
    }

    /// Decodes the next positions of every row, whose audio must be encoded. More than one
    /// position at a time is possible while the prompt says what the tokens are.
    pub fn decode(
        &self,
        caches: &mut Caches,
        work: &mut [Work<'_>],
        control: &Control,
        trace: Option<Trace<'_>>,
    ) -> Result<Vec<Decision>> {
        let mut trace = Tracer(trace);
        let config = &self.config;
        let runs = work.iter().map(|(slot, row, positions)| Run {
            slot: *slot,
            position: row.decoded(),
            rows: *positions,
        });
        let batch = Batch::new(runs.collect());
        let angles = Angles::new(&batch, config.decoder.head_dim, config.decoder.theta);

        let mut tokens = Vec::new();
        let mut audio = Vec::new();
        let mut scales = Vec::new();
        let mut last = Vec::new();
        let mut choosing = Vec::new();
        for (_, row, positions) in work.iter_mut() {
            let scale = self.delay_scales(row.delay())?;
            for _ in 0..*positions {
                let (token, vector) = row.next_input(control)?;
                tokens.push(token);
                audio.push(vector);
                scales.push(Arc::clone(&scale));
            }
            choosing.push(row.chooses());
            if row.chooses() {
                last.push(tokens.len() as u32 - 1);
            }
        }
        let mut x = (self.embedding.rows(&tokens)? + Tensor::cat(&audio, 0)?)?;
        trace.see(Stage::Input, &x);
        let heads = config.decoder.attention(config.naming);
        for (i, (block, cache)) in self.decoder.iter().zip(&mut caches.decoder).enumerate() {
            let scale: Vec<&Tensor> = scales.iter().map(|s| &s[i]).collect();
            let scale = Tensor::cat(&scale, 0)?;
            x = block.forward(&x, &heads, &batch, &angles, cache, Some(&scale))?;
            trace.see(Stage::DecoderLayer(i), &x);
        }
        let mut decisions: Vec<Decision> =
            choosing.iter().map(|_| Decision { logits: None }).collect();
        if trace.0.is_some() {
            trace.see(Stage::Norm, &self.norm.forward(&x)?);
        }
        if last.is_empty() {
            return Ok(decisions);
        }
        let count = last.len();
        let x = x.index_select(&Tensor::from_vec(last, count, &Device::Cpu)?, 0)?;
        let logits = self.embedding.forward(&self.norm.forward(&x)?)?;
        trace.see(Stage::Logits, &logits);
        let chosen = decisions.iter_mut().zip(&choosing).filter(|(_, c)| **c);
        for (i, (decision, _)) in chosen.enumerate() {
            decision.logits = Some(logits.get(i)?);
        }
        Ok(decisions)
    }
}

struct Tracer<'a>(Option<Trace<'a>>);

impl Tracer<'_> {
    fn see(&mut self, stage: Stage, x: &Tensor) {
        if let Some(trace) = &mut self.0 {
            trace(stage, x);
        }
    }
}

/// The attention memory of all rows.
pub struct Caches {
    encoder: Vec<KvCache>,
    decoder: Vec<KvCache>,
    windows: [usize; 2],
}

impl Caches {
    /// Memory for `slots` rows that take up to `together` positions in one step. Fails when the
    /// system has none.
    pub fn new(
        config: &Config,
        slots: usize,
        together: usize,
        format: CacheFormat,
    ) -> std::io::Result<Caches> {
        Caches::sized(config, [slots, slots], together, format)
    }

    fn sized(
        config: &Config,
        [encoder, decoder]: [usize; 2],
        together: usize,
        format: CacheFormat,
    ) -> std::io::Result<Caches> {
        let stack = |stack: &Stack, slots: usize, rows: usize| {
            let shape = stack.attention(config.naming).cache_shape(slots, rows);
            let layers = (0..stack.layers).map(|_| KvCache::new(shape, format));
            layers.collect::<std::io::Result<Vec<_>>>()
        };
        Ok(Caches {
            encoder: stack(&config.encoder, encoder, together * STACKED)?,
            decoder: stack(&config.decoder, decoder, together)?,
            windows: [config.encoder.window, config.decoder.window],
        })
    }

    /// Bytes of such memory when all of it was written.
    pub fn bytes(config: &Config, slots: usize, together: usize, format: CacheFormat) -> usize {
        let stack = |stack: &Stack, rows: usize| {
            let shape = stack.attention(config.naming).cache_shape(slots, rows);
            stack.layers * shape.bytes(format)
        };
        stack(&config.encoder, together * STACKED) + stack(&config.decoder, together)
    }

    /// Memory for the silence every session begins with: one ring of the encoder, which hears the
    /// same whatever the delay, and one of the decoder for every delay of `delays`. Its memory
    /// becomes resident as it is written, which is little.
    pub fn beginnings(
        config: &Config,
        delays: usize,
        together: usize,
        format: CacheFormat,
    ) -> std::io::Result<Caches> {
        Caches::sized(config, [1, delays], together, format)
    }

    /// Copies a beginning: `row`, whose decoder wrote to slot `from` of `beginnings`, to slot `to`.
    pub fn begin(&mut self, beginnings: &Caches, row: &Row, from: usize, to: usize) {
        for (cache, silence) in self.encoder.iter_mut().zip(&beginnings.encoder) {
            cache.copy_from(
                silence,
                0,
                to,
                row.encoded() * STACKED as u64,
                self.windows[0],
            );
        }
        for (cache, silence) in self.decoder.iter_mut().zip(&beginnings.decoder) {
            cache.copy_from(silence, from, to, row.decoded(), self.windows[1]);
        }
    }

    /// Copies what `row`, in slot `from`, may still look at to slot `to`.
    pub fn copy(&mut self, row: &Row, from: usize, to: usize) {
        for cache in &mut self.encoder {
            cache.copy(from, to, row.encoded() * STACKED as u64, self.windows[0]);
        }
        for cache in &mut self.decoder {
            cache.copy(from, to, row.decoded(), self.windows[1]);
        }
    }
}
