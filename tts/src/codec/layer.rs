//! A transformer layer of the codec: attention over the last few steps by distance, norms of whole
//! queries and keys, and a scale for every channel of what is added.
use candle_core::{Device, Result, Tensor};
use voiced_nn::{
    activation::swiglu,
    linear::{Linear, project},
    norm::RmsNorm,
    rows::values,
};

use super::{of_width, split};

/// The weights of a layer.
pub(super) struct Layer {
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    /// Steps a query looks back.
    pub window: usize,
    pub attention_norm: RmsNorm,
    pub wq: Linear,
    pub wk: Linear,
    pub wv: Linear,
    pub wo: Linear,
    pub q_norm: RmsNorm,
    pub k_norm: RmsNorm,
    /// `[1, dim]`, as is `ffn_scale`.
    pub attention_scale: Tensor,
    pub ffn_norm: RmsNorm,
    pub w1: Linear,
    pub w2: Linear,
    pub w3: Linear,
    pub ffn_scale: Tensor,
}

/// Keys and values of the last steps, at most a window of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Layer {
    /// `[rows, dim]` to the same: the next `counts` steps of every row.
    pub fn forward<'a>(
        &self,
        x: &Tensor,
        counts: &[usize],
        pasts: impl Iterator<Item = &'a mut Past>,
    ) -> Result<Tensor> {
        let normed = self.attention_norm.forward(x)?;
        let queries = self.q_norm.forward(&self.wq.forward(&normed)?)?;
        let keys = self.k_norm.forward(&self.wk.forward(&normed)?)?;
        let vals = self.wv.forward(&normed)?;
        let mixed = self.attend(&queries, &keys, &vals, counts, pasts)?;
        let attended = self.wo.forward(&mixed)?;
        let x = (x + attended.broadcast_mul(&self.attention_scale)?)?;
        let normed = self.ffn_norm.forward(&x)?;
        let gated = swiglu(&project(&[&self.w1, &self.w3], &normed)?)?;
        x + self.w2.forward(&gated)?.broadcast_mul(&self.ffn_scale)?
    }

    fn attend<'a>(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        vals: &Tensor,
        counts: &[usize],
        pasts: impl Iterator<Item = &'a mut Past>,
    ) -> Result<Tensor> {
        let (width, narrow) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let rows = of_width(queries, width)?;
        let mut out = Vec::with_capacity(rows * width);
        values(queries, |queries| {
            values(keys, |keys| {
                values(vals, |vals| {
                    let new = split(queries, width, counts)
                        .zip(split(keys, narrow, counts))
                        .zip(split(vals, narrow, counts));
                    for (((queries, keys), vals), past) in new.zip(pasts) {
                        past.keys.extend_from_slice(keys);
                        past.values.extend_from_slice(vals);
                        self.mix(queries, past, &mut out);
                        past.keep(self.window * narrow);
                    }
                })
            })
        })???;
        Tensor::from_vec(out, (rows, width), &Device::Cpu)
    }

    /// Every query over the keys it sees; the last keys of `past` are the queries' own.
    fn mix(&self, queries: &[f32], past: &Past, out: &mut Vec<f32>) {
        let d = self.head_dim;
        let (width, narrow) = (self.heads * d, self.kv_heads * d);
        let (count, all) = (queries.len() / width, past.keys.len() / narrow);
        let scale = (d as f32).sqrt().recip();
        let mut scores = Vec::with_capacity(self.window + 1);
        for (t, query) in queries.chunks_exact(width).enumerate() {
            let own = all - count + t;
            let first = own.saturating_sub(self.window);
            for (h, query) in query.chunks_exact(d).enumerate() {
                let slope = slope(h, self.heads);
                let kv = h / (self.heads / self.kv_heads) * d;
                scores.clear();
                scores.extend((first..=own).map(|j| {
                    let at = j * narrow + kv;
                    let distance = (own - j) as f32;
                    dot(query, &past.keys[at..at + d]) * scale - slope * distance
                }));
                softmax(&mut scores);
                let from = out.len();
                out.resize(from + d, 0.0);
                for (j, weight) in (first..).zip(&scores) {
                    let at = j * narrow + kv;
                    let value = &past.values[at..at + d];
                    for (out, v) in out[from..].iter_mut().zip(value) {
                        *out += weight * v;
                    }
                }
            }
        }
    }
}

impl Past {
    fn keep(&mut self, len: usize) {
        let drop = self.keys.len().saturating_sub(len);
        self.keys.drain(..drop);
        self.values.drain(..drop);
    }
}

/// How much a step of distance costs a head: 1 for the first, then less by equal ratios.
pub fn slope(head: usize, heads: usize) -> f32 {
    (-8.0 * head as f32 / heads as f32).exp2()
}

/// Eight chains of additions, so that the compiler may use vectors; their order is fixed.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a8, a1) = a.as_chunks::<8>();
    let (b8, b1) = b.as_chunks::<8>();
    let mut lanes = [0f32; 8];
    for (a, b) in a8.iter().zip(b8) {
        for i in 0..8 {
            lanes[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a1.iter().zip(b1).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

/// Scores to weights that sum to one.
pub(crate) fn softmax(scores: &mut [f32]) {
    let highest = scores.iter().fold(f32::NEG_INFINITY, |m, s| m.max(*s));
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - highest).exp();
        sum += *score;
    }
    scores.iter_mut().for_each(|s| *s /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_begin_at_one() {
        let slopes: Vec<f32> = (0..8).map(|h| slope(h, 8)).collect();
        let halves = [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125];
        assert_eq!(slopes, halves);
        assert_eq!(slope(1, 4), 0.25);
    }

    #[test]
    fn products_and_weights() {
        let a: Vec<f32> = (0..19).map(|i| i as f32).collect();
        assert_eq!(dot(&a, &a), 18.0 * 19.0 * 37.0 / 6.0);
        let mut scores = [1000.0, 1000.0];
        softmax(&mut scores);
        assert_eq!(scores, [0.5, 0.5]);
    }
}
