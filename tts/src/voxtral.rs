//! Voxtral 4B TTS (`mistralai/Voxtral-4B-TTS-2603`): text and a voice in, one frame of codes for
//! every 80 ms of speech out, as the published checkpoint computes it.
//!
//! A prompt is a voice's rows between text tokens. A decoder reads it, and the hidden state of its
//! last position is the first frame: a matrix says the semantic code, or that the speech is over,
//! and a small transformer integrates noise, in 7 Euler steps with guidance, to 36 acoustic codes.
//! The sum of the frame's 37 embeddings is the next position.
//!
//! Everything that decides codes is f32: activations, logits and the whole integration; only
//! weights may be narrower. Rows are stepped together, each at its own position and with its own
//! voice and noise, and each gets the bits it would get alone.
use candle_core::{Device, Result, Tensor, bail};
use voiced_nn::{
    block::Block,
    kv_cache::{Batch, CacheFormat, KvCache, Run},
    linear::Linear,
    norm::RmsNorm,
    rope::Angles,
    rows::values,
    weights::Weights,
};

use crate::codec::Frame;

mod config;
mod flow;
mod frames;
mod load;
mod mix;
mod names;
mod noise;
mod prompt;

pub use config::{Config, END, SPECIALS, Stack};
pub use flow::{Flow, FlowStage, FlowTrace};
pub use frames::FrameRows;
pub use load::{Checkpoint, Formats, LoadError};
pub use noise::noise;
pub(crate) use noise::scramble;
pub use prompt::Prompt;

/// What a trace is shown, in order of computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// What the decoder reads.
    Input,
    /// After a layer.
    Layer(usize),
    /// After the final norm.
    Hidden,
}

/// Sees every stage of a reading; rows of a batch lie one after the other.
pub type Trace<'a> = &'a mut dyn FnMut(Stage, &Tensor);

/// The model. Shared by all rows, changed by none.
pub struct Voxtral {
    config: Config,
    layers: Vec<Block>,
    norm: RmsNorm,
    /// Token rows are looked up in the file: a prompt needs a few dozen of 131,072.
    file: Weights,
    frames: FrameRows,
    semantic: Linear,
    flow: Flow,
}

/// The next positions of a row.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The row's slot in the caches.
    pub slot: usize,
    /// Position of the first of `rows`.
    pub position: u64,
    /// `[positions, dim]`, at least one.
    pub rows: Tensor,
}

/// What a row asks of its next frame.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Standard normal, one for each acoustic code.
    pub noise: Vec<f32>,
    /// Strength of the guidance; 1.2 is the published one.
    pub guidance: f32,
    /// Whether the speech may be over.
    pub may_end: bool,
}

/// The published strength of guidance.
pub const GUIDANCE: f32 = 1.2;

impl Voxtral {
    /// Its sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The acoustic part.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// The rows of text ids, `[ids, dim]`. Fails when an id is outside the vocabulary.
    pub fn embed_text(&self, ids: &[u32]) -> Result<Tensor> {
        let dim = self.config.backbone.dim;
        let mut rows = vec![0f32; ids.len() * dim];
        for (id, row) in ids.iter().zip(rows.chunks_exact_mut(dim)) {
            if *id as usize >= self.config.vocab {
                bail!(
                    "token {id} is outside a vocabulary of {}",
                    self.config.vocab
                );
            }
            self.file.row(names::TEXT, *id as usize, row);
        }
        Tensor::from_vec(rows, (ids.len(), dim), &Device::Cpu)
    }

    /// The row of each frame, `[frames, dim]`. Fails when a code does not exist.
    pub fn embed_frames(&self, frames: &[Frame]) -> Result<Tensor> {
        self.frames.embed(frames)
    }

    /// What makes rows of frames, and voices of recordings.
    pub fn frame_rows(&self) -> &FrameRows {
        &self.frames
    }

    /// Reads the next positions of every row and gives the hidden state of each one's last,
    /// `[readings, dim]`.
    pub fn read(
        &self,
        caches: &mut Caches,
        readings: &[Reading],
        mut trace: Option<Trace<'_>>,
    ) -> Result<Tensor> {
        let mut see = |stage: Stage, x: &Tensor| {
            if let Some(trace) = &mut trace {
                trace(stage, x);
            }
        };
        let mut runs = Vec::new();
        let mut last = Vec::new();
        let mut total = 0;
        for reading in readings {
            let rows = reading.rows.dim(0)?;
            let end = reading.position as usize + rows;
            if rows == 0 || rows > caches.together || end > caches.context {
                let (context, together) = (caches.context, caches.together);
                bail!("{rows} positions up to {end} in a context of {context}, {together} a step");
            }
            total += rows;
            last.push(total as u32 - 1);
            runs.push(Run {
                slot: reading.slot,
                position: reading.position,
                rows,
            });
        }
        if runs.is_empty() {
            bail!("nothing to read");
        }
        let batch = Batch::new(runs);
        let stack = &self.config.backbone;
        let angles = Angles::new(&batch, stack.head_dim, self.config.theta);
        let heads = stack.attention(caches.context);
        let rows: Vec<&Tensor> = readings.iter().map(|r| &r.rows).collect();
        let mut x = Tensor::cat(&rows, 0)?;
        see(Stage::Input, &x);
        for (i, (layer, cache)) in self.layers.iter().zip(&mut caches.layers).enumerate() {
            x = layer.forward(&x, &heads, &batch, &angles, cache, None)?;
            see(Stage::Layer(i), &x);
        }
        if trace.is_some() {
            let all = self.norm.forward(&x)?;
            if let Some(trace) = &mut trace {
                trace(Stage::Hidden, &all);
            }
        }
        if last.len() < total {
            let count = last.len();
            x = x.index_select(&Tensor::from_vec(last, count, &Device::Cpu)?, 0)?;
        }
        self.norm.forward(&x)
    }

    /// Logits of the semantic codes, `[rows, semantic_rows]`; what cannot be said is -infinity.
    pub fn semantic_logits(&self, hidden: &Tensor) -> Result<Vec<Vec<f32>>> {
        let width = self.config.semantic_rows();
        let real = SPECIALS + self.config.codec.semantic;
        let logits = self.semantic.forward(hidden)?;
        values(&logits, |logits| {
            let rows = logits.chunks_exact(width).map(|row| {
                let mut row = row.to_vec();
                row[0] = f32::NEG_INFINITY;
                row[real..].fill(f32::NEG_INFINITY);
                row
            });
            rows.collect()
        })
    }

    /// The next frame of every row of `hidden`, `[rows, dim]`; none where the speech is over.
    pub fn frames(
        &self,
        hidden: &Tensor,
        asks: &[Ask],
        trace: Option<FlowTrace<'_>>,
    ) -> Result<Vec<Option<Frame>>> {
        if hidden.dim(0)? != asks.len() {
            bail!("{} rows and {} asked", hidden.dim(0)?, asks.len());
        }
        let mut semantic = Vec::new();
        for (logits, ask) in self.semantic_logits(hidden)?.iter().zip(asks) {
            semantic.push(choose(logits, ask.may_end));
        }
        // Rows that are over need no acoustic codes.
        let on: Vec<u32> = (0..)
            .zip(&semantic)
            .filter(|s| *s.1 != END)
            .map(|s| s.0)
            .collect();
        let mut acoustic = Vec::new();
        if !on.is_empty() {
            let asks: Vec<&Ask> = on.iter().map(|i| &asks[*i as usize]).collect();
            let count = on.len();
            let hidden = match count == semantic.len() {
                true => hidden.clone(),
                false => hidden.index_select(&Tensor::from_vec(on, count, &Device::Cpu)?, 0)?,
            };
            acoustic = self.flow.run(&hidden, &asks, trace)?;
        }
        let mut acoustic = acoustic.into_iter();
        let frames = semantic.into_iter().map(|semantic| {
            if semantic == END {
                return None;
            }
            let mut codes = vec![semantic];
            codes.extend(acoustic.next()?);
            Some(Frame(codes))
        });
        Ok(frames.collect())
    }
}

/// The likeliest code, the lowest of equals. Logits that are no numbers choose the end.
fn choose(logits: &[f32], may_end: bool) -> u16 {
    let first = if may_end { usize::from(END) } else { SPECIALS };
    let mut best = None;
    for (code, logit) in logits.iter().enumerate().skip(first) {
        if logit.is_finite() && best.is_none_or(|(_, most)| *logit > most) {
            best = Some((code, *logit));
        }
    }
    best.map_or(END, |(code, _)| code as u16)
}

/// The attention memory of all rows.
pub struct Caches {
    layers: Vec<KvCache>,
    context: usize,
    together: usize,
}

impl Caches {
    /// Memory for `slots` rows of up to `context` positions that read up to `together` of them in
    /// one step; it becomes resident as positions are written. Fails when the system has none.
    pub fn new(
        config: &Config,
        slots: usize,
        context: usize,
        together: usize,
        format: CacheFormat,
    ) -> std::io::Result<Caches> {
        let shape = config
            .backbone
            .attention(context)
            .cache_shape(slots, together);
        let layers = (0..config.backbone.layers).map(|_| KvCache::new(shape, format));
        Ok(Caches {
            layers: layers.collect::<std::io::Result<_>>()?,
            context,
            together,
        })
    }

    /// Bytes of the first `positions` positions of a row.
    pub fn bytes(config: &Config, positions: usize, format: CacheFormat) -> usize {
        let shape = config.backbone.attention(positions).cache_shape(1, 1);
        config.backbone.layers * shape.bytes(format)
    }

    /// Positions a row may have.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Positions a row may read in one step.
    pub fn together(&self) -> usize {
        self.together
    }

    /// The key and the value of one head of a layer at a position: what a comparison with a
    /// reference looks at.
    pub fn at(
        &mut self,
        layer: usize,
        slot: usize,
        head: usize,
        position: u64,
    ) -> (Vec<f32>, Vec<f32>) {
        self.layers[layer].at(slot, head, position)
    }

    /// Gives slot `to` the first `positions` positions of slot `from`.
    pub fn copy(&mut self, from: usize, to: usize, positions: u64) {
        for cache in &mut self.layers {
            cache.copy(from, to, positions, positions as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_of_equals_is_chosen_and_an_end_may_be_forbidden() {
        let none = f32::NEG_INFINITY;
        assert_eq!(choose(&[none, 2.0, 2.0, 1.0], true), END);
        assert_eq!(choose(&[none, 2.0, 1.5, 1.5, none], false), 2);
        assert_eq!(choose(&[f32::NAN; 5], false), END);
    }
}
