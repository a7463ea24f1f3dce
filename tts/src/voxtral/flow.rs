//! The acoustic part: a small transformer over three tokens — the point, the time, the hidden state
//! — says where the point moves; seven steps take noise to 36 values, with guidance.
//!
//! Both branches of the guidance and all rows are one batch, so the weights are read once a step.
//! What does not change is not computed again: the time tokens are constants, the point is the same
//! in both branches and the hidden state in all steps, so the first layer projects the point alone;
//! and of the last layer only the point's token is wanted.
use candle_core::{Device, Result, Tensor};
use voiced_nn::{
    activation::swiglu,
    block::Block,
    linear::{Linear, project},
    norm::RmsNorm,
    rows::values,
};

use super::{
    Ask,
    config::Stack,
    mix::{Three, mix},
};
use crate::codec::level;

/// What a trace is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowStage {
    /// The points before a step, and after the last, `[rows, acoustic]`.
    Point(usize),
    /// Velocities of a step: all rows with the hidden state, then all without.
    Velocity(usize),
}

/// Sees every stage of an integration.
pub type FlowTrace<'a> = &'a mut dyn FnMut(FlowStage, &Tensor);

/// Tokens of a sequence.
const TOKENS: usize = 3;
/// With the hidden state and without.
const BRANCHES: usize = 2;

/// The weights.
pub struct Flow {
    pub(super) stack: Stack,
    pub(super) levels: usize,
    pub(super) acoustic: usize,
    pub(super) input: Linear,
    pub(super) hidden: Linear,
    pub(super) layers: Vec<Block>,
    pub(super) norm: RmsNorm,
    pub(super) output: Linear,
    /// The token of every step, `[steps, dim]`.
    pub(super) times: Vec<f32>,
    /// Where the steps begin and where the last one ends.
    pub(super) grid: Vec<f32>,
    /// What the first layer projects the time tokens to, `[steps, (heads + 2 kv_heads) head_dim]`.
    pub(super) projected_times: Vec<f32>,
}

/// The frequencies a time is told with, times `t`: cosines, then sines.
pub(super) fn time_vector(t: f32, dim: usize) -> impl Iterator<Item = f32> {
    let half = dim / 2;
    let rate = move |j: usize| (-(10_000f32.ln()) * j as f32 / half as f32).exp();
    let angle = move |j: usize| t * rate(j);
    let cos = (0..half).map(move |j| angle(j).cos());
    cos.chain((0..half).map(move |j| angle(j).sin()))
}

impl Flow {
    /// The token of every step, `[steps, dim]`.
    pub fn time_tokens(&self) -> &[f32] {
        &self.times
    }

    /// Where the steps begin, and where the last one ends.
    pub fn grid(&self) -> &[f32] {
        &self.grid
    }

    /// The shifted acoustic codes of every row of `hidden`, `[rows, dim]`.
    pub fn run(
        &self,
        hidden: &Tensor,
        asks: &[&Ask],
        mut trace: Option<FlowTrace<'_>>,
    ) -> Result<Vec<Vec<u16>>> {
        let rows = asks.len();
        let mut see = |stage: FlowStage, x: &Tensor| {
            if let Some(trace) = &mut trace {
                trace(stage, x);
            }
        };
        let told = self.told(hidden)?;
        let noise: Vec<f32> = asks
            .iter()
            .flat_map(|ask| ask.noise.iter().copied())
            .collect();
        let mut x = Tensor::from_vec(noise, (rows, self.acoustic), &Device::Cpu)?;
        for step in 0..self.grid.len() - 1 {
            see(FlowStage::Point(step), &x);
            let velocity = self.velocity(&x, step, &told)?;
            see(FlowStage::Velocity(step), &velocity);
            let dt = self.grid[step + 1] - self.grid[step];
            let moved = values(&x, |x| {
                values(&velocity, |v| {
                    let (with, without) = v.split_at(x.len());
                    let points = x.chunks_exact(self.acoustic).zip(asks);
                    let branches = with
                        .chunks_exact(self.acoustic)
                        .zip(without.chunks_exact(self.acoustic));
                    let mut moved = Vec::with_capacity(x.len());
                    for ((point, ask), (with, without)) in points.zip(branches) {
                        let a = ask.guidance;
                        let guided = with.iter().zip(without).map(|(c, u)| a * c + (1.0 - a) * u);
                        moved.extend(point.iter().zip(guided).map(|(x, v)| x + v * dt));
                    }
                    moved
                })
            })??;
            x = Tensor::from_vec(moved, (rows, self.acoustic), &Device::Cpu)?;
        }
        see(FlowStage::Point(self.grid.len() - 1), &x);
        values(&x, |x| {
            let code = |v: &f32| level(*v, self.levels);
            x.chunks_exact(self.acoustic)
                .map(|row| row.iter().map(code).collect())
                .collect()
        })
    }

    /// The hidden states as tokens, and what the first layer projects them to.
    fn told(&self, hidden: &Tensor) -> Result<Told> {
        let tokens = self.hidden.forward(hidden)?;
        let projected = self.first_projection(&tokens)?;
        Ok(Told {
            tokens: values(&tokens, <[f32]>::to_vec)?,
            projected: values(&projected, <[f32]>::to_vec)?,
        })
    }

    pub(super) fn first_projection(&self, tokens: &Tensor) -> Result<Tensor> {
        let first = self
            .layers
            .first()
            .expect("a flow has layers: its sizes were checked");
        let normed = first.attention_norm.forward(tokens)?;
        project(&[&first.wq, &first.wk, &first.wv], &normed)
    }

    fn three(&self) -> Three {
        Three {
            heads: self.stack.heads,
            kv_heads: self.stack.kv_heads,
            head_dim: self.stack.head_dim,
        }
    }

    /// `[rows, acoustic]` to `[2 rows, acoustic]`: with the hidden state, then without.
    fn velocity(&self, x: &Tensor, step: usize, told: &Told) -> Result<Tensor> {
        let points = self.input.forward(x)?;
        let projected = self.first_projection(&points)?;
        let mut tokens = self.interleave(&points, &self.times, step, &told.tokens)?;
        // Without the hidden state its token is zero, and so is what it is projected to.
        let mut qkv =
            Some(self.interleave(&projected, &self.projected_times, step, &told.projected)?);
        let last = self.layers.len() - 1;
        for (i, layer) in self.layers.iter().enumerate() {
            let mixed = match (i == last, qkv.take()) {
                (true, _) => self.mixed_first_tokens(layer, &tokens)?,
                (false, Some(qkv)) => mix(&self.three(), TOKENS, &qkv, None)?,
                (false, None) => {
                    let normed = layer.attention_norm.forward(&tokens)?;
                    let qkv = project(&[&layer.wq, &layer.wk, &layer.wv], &normed)?;
                    mix(&self.three(), TOKENS, &qkv, None)?
                }
            };
            if i == last {
                tokens = heads_of_sequences(&tokens)?;
            }
            let x = (tokens + layer.wo.forward(&mixed)?)?;
            let normed = layer.ffn_norm.forward(&x)?;
            let gated = swiglu(&project(&[&layer.w1, &layer.w3], &normed)?)?;
            tokens = (x + layer.w2.forward(&gated)?)?;
        }
        self.output.forward(&self.norm.forward(&tokens)?)
    }

    /// Attention of the first token of every sequence over all three.
    fn mixed_first_tokens(&self, layer: &Block, tokens: &Tensor) -> Result<Tensor> {
        let normed = layer.attention_norm.forward(tokens)?;
        let queries = layer.wq.forward(&heads_of_sequences(&normed)?)?;
        let others = project(&[&layer.wk, &layer.wv], &normed)?;
        mix(&self.three(), 1, &others, Some(&queries))
    }

    /// Sequences of a row of `points`, step `step` of `times` and a row of `told`, for the branch
    /// with `told` and then for the one with zeros instead: `[2 rows * 3, width]`.
    fn interleave(
        &self,
        points: &Tensor,
        times: &[f32],
        step: usize,
        told: &[f32],
    ) -> Result<Tensor> {
        let (rows, width) = points.dims2()?;
        let time = &times[step * width..(step + 1) * width];
        let zeros = vec![0f32; width];
        let mut all = Vec::with_capacity(BRANCHES * rows * TOKENS * width);
        values(points, |points| {
            for branch in 0..BRANCHES {
                for (point, told) in points.chunks_exact(width).zip(told.chunks_exact(width)) {
                    all.extend_from_slice(point);
                    all.extend_from_slice(time);
                    all.extend_from_slice(if branch == 0 { told } else { &zeros });
                }
            }
        })?;
        Tensor::from_vec(all, (BRANCHES * rows * TOKENS, width), &Device::Cpu)
    }
}

struct Told {
    tokens: Vec<f32>,
    projected: Vec<f32>,
}

/// The first token of every sequence.
fn heads_of_sequences(tokens: &Tensor) -> Result<Tensor> {
    let (rows, width) = tokens.dims2()?;
    tokens
        .reshape((rows / TOKENS, TOKENS * width))?
        .narrow(1, 0, width)?
        .contiguous()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_cosines_then_sines_unscaled() {
        let vector: Vec<f32> = time_vector(0.5, 8).collect();
        let rate = |j: i32| 10f64.powi(-j);
        for j in 0..4 {
            let angle = 0.5 * rate(j as i32);
            assert!((f64::from(vector[j]) - angle.cos()).abs() < 1e-6);
            assert!((f64::from(vector[4 + j]) - angle.sin()).abs() < 1e-6);
        }
    }
}
