//! The codec's encoder: audio to codes. Its weights are not part of the published checkpoint;
//! where somebody provides them, a recording becomes a voice.
use candle_core::{Device, Result, Tensor};
use voiced_nn::rows::values;

use super::{
    CodecConfig, Frame,
    conv::Causal,
    layer::{Layer, Past},
    quantizer::Quantizer,
};

/// The encoder. It hears a whole recording at once.
pub struct CodecEncoder {
    pub(super) config: CodecConfig,
    pub(super) quantizer: Quantizer,
    pub(super) input: Causal,
    pub(super) stages: Vec<(Vec<Layer>, Causal)>,
}

impl CodecEncoder {
    /// Its sizes.
    pub fn config(&self) -> &CodecConfig {
        &self.config
    }

    /// One frame for every 80 ms begun of `samples`, mono at 24 kHz.
    pub fn encode(&self, samples: &[f32]) -> Result<Vec<Frame>> {
        if samples.is_empty() {
            return Ok(Vec::new());
        }
        let latent = self.latent(samples)?;
        let width = self.quantizer.width();
        values(&latent, |all| {
            all.chunks_exact(width)
                .map(|z| self.quantizer.frame(z))
                .collect()
        })
    }

    /// What the codes are chosen from, `[frames, latent]`. `samples` must not be empty.
    pub fn latent(&self, samples: &[f32]) -> Result<Tensor> {
        let patch = self.config.patch;
        let mut padded = samples.to_vec();
        padded.resize(samples.len().next_multiple_of(patch), 0.0);
        let rows = padded.len() / patch;
        let mut x = Tensor::from_vec(padded, (rows, patch), &Device::Cpu)?;
        x = self.input.whole(&x, 1)?;
        for ((layers, conv), stage) in self.stages.iter().zip(&self.config.encoder) {
            for layer in layers {
                let count = x.dim(0)?;
                x = layer.forward(&x, &[count], std::iter::once(&mut Past::default()))?;
            }
            x = conv.whole(&x, stage.stride)?;
        }
        Ok(x)
    }
}
