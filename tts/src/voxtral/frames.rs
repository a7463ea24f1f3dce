//! Frames as rows: the sum of a frame's embeddings is the next position of the decoder, and rows of
//! a recording's frames are a voice.
use candle_core::{Device, Result, Tensor, bail};

use super::config::{Config, END, SPECIALS};
use crate::codec::Frame;

/// The table of audio embeddings.
pub struct FrameRows {
    dim: usize,
    semantic: usize,
    levels: usize,
    /// `[audio_rows, dim]`.
    table: Vec<f32>,
    /// The first row of each codebook.
    offsets: Vec<usize>,
}

impl FrameRows {
    pub(super) fn new(config: &Config, table: Vec<f32>) -> FrameRows {
        FrameRows {
            dim: config.backbone.dim,
            semantic: config.codec.semantic,
            levels: config.codec.levels,
            table,
            offsets: config.code_offsets(),
        }
    }

    /// The row of each frame: the sum of its codes' embeddings, `[frames, dim]`. Codes below 2 are
    /// allowed, as in the frame that ends a voice. Fails when a code does not exist.
    pub fn embed(&self, frames: &[Frame]) -> Result<Tensor> {
        let dim = self.dim;
        let mut rows = vec![0f32; frames.len() * dim];
        for (frame, row) in frames.iter().zip(rows.chunks_exact_mut(dim)) {
            let fits = |(k, code): (usize, &u16)| {
                let codes = if k == 0 { self.semantic } else { self.levels };
                usize::from(*code) < codes + SPECIALS
            };
            if frame.0.len() != self.offsets.len() || !frame.0.iter().enumerate().all(fits) {
                bail!("a frame of codes {:?}", frame.0);
            }
            for (code, offset) in frame.0.iter().zip(&self.offsets) {
                let at = (offset + usize::from(*code)) * dim;
                for (sum, v) in row.iter_mut().zip(&self.table[at..at + dim]) {
                    *sum += v;
                }
            }
        }
        Tensor::from_vec(rows, (frames.len(), dim), &Device::Cpu)
    }

    /// A recording's frames as a voice: their rows, and one that ends them, `[frames + 1, dim]`.
    pub fn voice(&self, frames: &[Frame]) -> Result<Tensor> {
        let mut end = vec![0; self.offsets.len()];
        end[0] = END;
        let mut all = frames.to_vec();
        all.push(Frame(end));
        self.embed(&all)
    }
}
