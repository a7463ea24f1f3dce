//! The layer both Voxtrals are stacks of: attention and a gated feed-forward network, each behind
//! a norm and added to what came in.
use candle_core::{Result, Tensor};

use crate::{
    activation::swiglu,
    attention::{Heads, attend},
    kv_cache::{Batch, KvCache},
    linear::{Linear, project},
    norm::RmsNorm,
    rope::Angles,
};

/// The weights of one layer.
pub struct Block {
    /// Before attention.
    pub attention_norm: RmsNorm,
    /// Queries, `[heads * head_dim, width]`.
    pub wq: Linear,
    /// Keys, `[kv_heads * head_dim, width]`.
    pub wk: Linear,
    /// Values, `[kv_heads * head_dim, width]`.
    pub wv: Linear,
    /// Back to the width.
    pub wo: Linear,
    /// Before the feed-forward network.
    pub ffn_norm: RmsNorm,
    /// Gate.
    pub w1: Linear,
    /// Down.
    pub w2: Linear,
    /// Up.
    pub w3: Linear,
}

impl Block {
    /// `[rows, width]` to the same. `ffn_scale`, `[rows, width]`, multiplies what enters the
    /// feed-forward network, where a model conditions it.
    pub fn forward(
        &self,
        x: &Tensor,
        heads: &Heads,
        batch: &Batch,
        angles: &Angles,
        cache: &mut KvCache,
        ffn_scale: Option<&Tensor>,
    ) -> Result<Tensor> {
        let normed = self.attention_norm.forward(x)?;
        let qkv = project(&[&self.wq, &self.wk, &self.wv], &normed)?;
        let mixed = attend(&qkv, heads, batch, angles, cache)?;
        let x = (x + self.wo.forward(&mixed)?)?;
        let normed = match ffn_scale {
            Some(scale) => self.ffn_norm.forward_scaled(&x, scale)?,
            None => self.ffn_norm.forward(&x)?,
        };
        let gated = swiglu(&project(&[&self.w1, &self.w3], &normed)?)?;
        x + self.w2.forward(&gated)?
    }
}
