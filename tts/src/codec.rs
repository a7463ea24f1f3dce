//! The Voxtral codec: 37 codes for every 80 ms of 24 kHz audio.
//!
//! Decoding is a stream: a [`DecoderState`] is all there is of a row, any number of frames may be
//! pushed at a time, and the samples are those of decoding everything at once. That holds because
//! every operation is causal: convolutions keep their last inputs, attention its last keys and
//! values, and distances, not positions, enter the scores. Rows are pushed together and each gets
//! the bits it would get alone.
//!
//! Four of its facts are easily got wrong: a window of `w` is `w + 1` keys, the slopes of the
//! distances begin at 1, the first convolution repeats its first input where the last one mirrors,
//! and the norm of a weight is taken over all axes but the first also in transposed convolutions.
use candle_core::{Device, Result, Tensor, bail};
use voiced_nn::rows::values;

mod config;
mod conv;
mod encoder;
mod layer;
mod load;
mod quantizer;

pub use config::{CodecConfig, StageConfig};
pub use encoder::CodecEncoder;
pub use layer::slope;
pub(crate) use layer::{dot, softmax};
pub use load::{decoder_wanted, encoder_wanted};
pub(crate) use quantizer::level;

use conv::{Causal, Tail};
use layer::{Layer, Past};
use quantizer::Quantizer;

/// The codes of 80 ms, each shifted up by 2: the semantic one first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame(pub Vec<u16>);

/// What a trace is shown, in order of computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodecStage {
    /// Codes as vectors.
    Latent,
    /// After a block of the decoder, as the checkpoint numbers them.
    Block(usize),
}

/// Sees every stage of a push; rows of a batch lie one after the other.
pub type CodecTrace<'a> = &'a mut dyn FnMut(CodecStage, &Tensor);

struct Stage {
    conv: Causal,
    layers: Vec<Layer>,
}

/// The decoder. Shared by all rows, changed by none.
pub struct CodecDecoder {
    config: CodecConfig,
    quantizer: Quantizer,
    stages: Vec<Stage>,
    output: Causal,
}

/// What a row remembers between pushes: about 0.5 MB for the published sizes.
#[derive(Clone, Debug)]
pub struct DecoderState {
    tails: Vec<Tail>,
    pasts: Vec<Vec<Past>>,
    output: Tail,
}

/// A row and the frames it is pushed.
pub type Push<'a> = (&'a mut DecoderState, &'a [Frame]);

/// Frames decoded together when there is no hurry: enough rows to keep the matrices busy.
const TOGETHER: usize = 16;

impl CodecDecoder {
    /// Its sizes.
    pub fn config(&self) -> &CodecConfig {
        &self.config
    }

    /// The vector of every semantic code, `[codes, semantic_dim]`.
    pub fn semantic_table(&self) -> &[f32] {
        self.quantizer.table()
    }

    /// A row at its beginning.
    pub fn begin(&self) -> DecoderState {
        let past = |stage: &Stage| stage.layers.iter().map(|_| Past::default()).collect();
        DecoderState {
            tails: self.stages.iter().map(|_| Tail::default()).collect(),
            pasts: self.stages.iter().map(past).collect(),
            output: Tail::default(),
        }
    }

    /// Decodes the next frames of every row: `samples()` samples for each frame. Values may exceed
    /// 1. Fails when a code does not exist, and then no row has advanced.
    pub fn push(
        &self,
        work: &mut [Push<'_>],
        mut trace: Option<CodecTrace<'_>>,
    ) -> Result<Vec<Vec<f32>>> {
        let mut see = |stage: CodecStage, x: &Tensor| {
            if let Some(trace) = &mut trace {
                trace(stage, x);
            }
        };
        let mut latent = Vec::new();
        for (_, frames) in work.iter() {
            for frame in *frames {
                self.quantizer.vector(frame, &mut latent)?;
            }
        }
        // A row without frames takes no part.
        let mut work: Vec<&mut Push<'_>> = work.iter_mut().collect();
        let width = self.quantizer.width();
        let rows = latent.len() / width;
        if rows == 0 {
            return Ok(work.iter().map(|_| Vec::new()).collect());
        }
        let mut counts: Vec<usize> = work.iter().map(|(_, frames)| frames.len()).collect();
        let mut x = Tensor::from_vec(latent, (rows, width), &Device::Cpu)?;
        see(CodecStage::Latent, &x);
        for (s, stage) in self.stages.iter().enumerate() {
            let tails = work.iter_mut().map(|w| &mut w.0.tails[s]);
            x = stage.conv.push(&x, &counts, tails)?;
            counts.iter_mut().for_each(|n| *n *= stage.conv.up());
            see(CodecStage::Block(2 * s), &x);
            for (l, layer) in stage.layers.iter().enumerate() {
                let pasts = work.iter_mut().map(|w| &mut w.0.pasts[s][l]);
                x = layer.forward(&x, &counts, pasts)?;
            }
            see(CodecStage::Block(2 * s + 1), &x);
        }
        let tails = work.iter_mut().map(|w| &mut w.0.output);
        let samples = self.output.push(&x, &counts, tails)?;
        values(&samples, |samples| {
            let mut rest = samples;
            let mut row = |count: &usize| {
                let (these, others) = rest.split_at(count * self.config.patch);
                rest = others;
                these.to_vec()
            };
            counts.iter().map(&mut row).collect()
        })
    }

    /// Decodes a whole utterance.
    pub fn decode(&self, frames: &[Frame]) -> Result<Vec<f32>> {
        let mut state = self.begin();
        let mut samples = Vec::with_capacity(frames.len() * self.config.samples());
        for some in frames.chunks(TOGETHER) {
            for row in self.push(&mut [(&mut state, some)], None)? {
                samples.extend(row);
            }
        }
        Ok(samples)
    }

    /// Decodes `frames` without a state from the `context` frames before them: what a stateless
    /// server does. Exact from 19 frames of context on, for the published sizes.
    pub fn decode_after(&self, context: &[Frame], frames: &[Frame]) -> Result<Vec<f32>> {
        let all: Vec<Frame> = context.iter().chain(frames).cloned().collect();
        let mut samples = self.decode(&all)?;
        Ok(samples.split_off(context.len() * self.config.samples()))
    }
}

/// Rows of `width` in `x` that belong to each of `counts`.
fn split<'a>(
    x: &'a [f32],
    width: usize,
    counts: &'a [usize],
) -> impl Iterator<Item = &'a [f32]> + 'a {
    let mut rest = x;
    counts.iter().map(move |count| {
        let (these, others) = rest.split_at(count * width);
        rest = others;
        these
    })
}

/// A tensor of rows, checked for its width.
fn of_width(x: &Tensor, width: usize) -> Result<usize> {
    match x.dims2()? {
        (rows, found) if found == width => Ok(rows),
        (_, found) => bail!("rows of {found} where {width} are expected"),
    }
}
