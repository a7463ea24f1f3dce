//! Causal convolutions as matrix products over the last few inputs, side by side.
//!
//! A transposed convolution with twice as many taps as it goes up by mixes, for every input, just
//! that input and the one before: it is a convolution of two taps with `stride` times the outputs.
use candle_core::{Device, Result, Tensor};
use voiced_nn::{linear::Linear, rows::values};

use super::{of_width, split};

/// What a convolution sees before its first input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing.
    Zeros,
    /// The first input again and again.
    Replicate,
    /// The inputs after the first, mirrored.
    Reflect,
}

/// The last inputs of a convolution; none before the first push.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail(Vec<f32>);

/// A convolution that never looks ahead.
pub(super) struct Causal {
    /// `[outputs * up, taps * inputs]`, taps in order of time.
    weight: Linear,
    taps: usize,
    up: usize,
    before: Before,
}

impl Causal {
    /// `weight` takes `taps` inputs side by side and yields `up` outputs side by side.
    pub fn new(weight: Linear, taps: usize, up: usize, before: Before) -> Causal {
        Causal {
            weight,
            taps,
            up,
            before,
        }
    }

    /// Outputs for every input.
    pub fn up(&self) -> usize {
        self.up
    }

    fn inputs(&self) -> usize {
        self.weight.in_width() / self.taps
    }

    /// Convolves the next inputs of every row, `counts` of them, to `up` times as many outputs.
    pub fn push<'a>(
        &self,
        x: &Tensor,
        counts: &[usize],
        tails: impl Iterator<Item = &'a mut Tail>,
    ) -> Result<Tensor> {
        let width = self.inputs();
        let rows = of_width(x, width)?;
        let mut gathered = Vec::with_capacity(rows * width * self.taps);
        values(x, |x| {
            for (new, tail) in split(x, width, counts).zip(tails) {
                if new.is_empty() {
                    continue;
                }
                let keep = self.taps - 1;
                if tail.0.is_empty() {
                    tail.0 = lead(new, width, keep, self.before);
                }
                let mut all = std::mem::take(&mut tail.0);
                all.extend_from_slice(new);
                gather(&all, width, self.taps, 1, &mut gathered);
                tail.0 = all.split_off(all.len() - keep * width);
            }
        })?;
        self.apply(gathered)
    }

    /// Convolves all there is at once with a stride, padded on the left by what `taps` exceeds it
    /// and on the right, with the last input, to whole strides.
    pub fn whole(&self, x: &Tensor, stride: usize) -> Result<Tensor> {
        let width = self.inputs();
        let rows = of_width(x, width)?;
        let mut gathered = Vec::new();
        values(x, |x| {
            let mut all = lead(x, width, self.taps - stride, self.before);
            all.extend_from_slice(x);
            for _ in rows..rows.next_multiple_of(stride) {
                all.extend_from_slice(&x[(rows - 1) * width..]);
            }
            gather(&all, width, self.taps, stride, &mut gathered);
        })?;
        self.apply(gathered)
    }

    fn apply(&self, gathered: Vec<f32>) -> Result<Tensor> {
        let width = self.weight.in_width();
        let rows = gathered.len() / width;
        let x = Tensor::from_vec(gathered, (rows, width), &Device::Cpu)?;
        let outputs = self.weight.out_width() / self.up;
        self.weight.forward(&x)?.reshape((rows * self.up, outputs))
    }
}

/// `count` rows in front of the first of `x`. Inputs too short to mirror count as followed by
/// zeros.
fn lead(x: &[f32], width: usize, count: usize, before: Before) -> Vec<f32> {
    let mut lead = Vec::with_capacity(count * width + x.len());
    for back in (1..=count).rev() {
        match before {
            Before::Zeros => lead.resize(lead.len() + width, 0.0),
            Before::Replicate => lead.extend_from_slice(&x[..width]),
            Before::Reflect => match x.get(back * width..(back + 1) * width) {
                Some(row) => lead.extend_from_slice(row),
                None => lead.resize(lead.len() + width, 0.0),
            },
        }
    }
    lead
}

/// The inputs of every output, one output after the other.
fn gather(all: &[f32], width: usize, taps: usize, stride: usize, out: &mut Vec<f32>) {
    let outputs = (all.len() / width - taps) / stride + 1;
    for t in 0..outputs {
        let first = t * stride * width;
        out.extend_from_slice(&all[first..first + taps * width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_beginnings() {
        let x = [1., 2., 3., 4.];
        assert_eq!(lead(&x, 1, 2, Before::Zeros), [0., 0.]);
        assert_eq!(lead(&x, 1, 2, Before::Replicate), [1., 1.]);
        assert_eq!(lead(&x, 1, 3, Before::Reflect), [4., 3., 2.]);
        assert_eq!(lead(&x, 2, 2, Before::Replicate), [1., 2., 1., 2.]);
        assert_eq!(lead(&x[..2], 1, 3, Before::Reflect), [0., 0., 2.]);
    }

    #[test]
    fn gathering_strides() {
        let mut out = Vec::new();
        gather(&[1., 2., 3., 4., 5., 6.], 1, 4, 2, &mut out);
        assert_eq!(out, [1., 2., 3., 4., 3., 4., 5., 6.]);
    }
}
