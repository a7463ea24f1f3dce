//! RMSNorm, optionally scaled per row: the second factor is how Voxtral Realtime tells its decoder
//! the delay.
use candle_core::{Result, Tensor, bail};

use crate::{
    cpu::{Isa, by_isa, mul_add},
    rows::values,
};

/// `x / sqrt(mean(x²) + eps) * weight`.
#[derive(Clone, Debug)]
pub struct RmsNorm {
    weight: Vec<f32>,
    eps: f32,
}

impl RmsNorm {
    /// A norm with these weights.
    pub fn new(weight: Vec<f32>, eps: f64) -> RmsNorm {
        RmsNorm {
            weight,
            eps: eps as f32,
        }
    }

    /// Width of its rows.
    pub fn width(&self) -> usize {
        self.weight.len()
    }

    /// Normalises rows `[rows, width]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(Isa::detect(), x, None)
    }

    /// Normalises rows and multiplies each by its row of `scale`, `[rows, width]`.
    pub fn forward_scaled(&self, x: &Tensor, scale: &Tensor) -> Result<Tensor> {
        self.apply(Isa::detect(), x, Some(scale))
    }

    fn apply(&self, isa: Isa, x: &Tensor, scale: Option<&Tensor>) -> Result<Tensor> {
        let width = self.width();
        let (rows, cols) = x.dims2()?;
        if cols != width || scale.is_some_and(|s| s.dims() != x.dims()) {
            bail!("a norm of {width} given {:?} and {scale:?}", x.dims());
        }
        let mut out = vec![0f32; rows * width];
        values(x, |x| {
            for (x, out) in x.chunks(width).zip(out.chunks_mut(width)) {
                normalise(isa, x, &self.weight, self.eps, out);
            }
        })?;
        if let Some(scale) = scale {
            values(scale, |scale| {
                out.iter_mut().zip(scale).for_each(|(o, s)| *o *= s);
            })?;
        }
        Tensor::from_vec(out, (rows, width), x.device())
    }
}

by_isa! {
    fn normalise(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) = normalise_body
}

#[inline(always)]
fn normalise_body<const FMA: bool>(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let mut lanes = [0f32; 16];
    let chunks = x.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().map(|v| v * v).sum();
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane = mul_add::<FMA>(*v, *v, *lane);
        }
    }
    let square = lanes.iter().sum::<f32>() + rest;
    let factor = (square / x.len() as f32 + eps).sqrt().recip();
    for ((out, x), w) in out.iter_mut().zip(x).zip(weight) {
        *out = x * factor * w;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::Device;

    use super::*;
    use crate::kernel::tests::noise;

    #[test]
    fn rows_are_normalised_and_scaled() {
        for isa in Isa::available() {
            for width in [1, 16, 75] {
                let weight = noise(width, 1);
                let norm = RmsNorm::new(weight.clone(), 1e-5);
                let x = noise(3 * width, 2);
                let scale = noise(3 * width, 3);
                let tensor =
                    |v: &[f32]| Tensor::from_vec(v.to_vec(), (3, width), &Device::Cpu).unwrap();
                let got = norm.apply(isa, &tensor(&x), Some(&tensor(&scale))).unwrap();
                let got = got.to_vec2::<f32>().unwrap();
                for r in 0..3 {
                    let row = &x[r * width..(r + 1) * width];
                    let mean: f64 =
                        row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / width as f64;
                    for c in 0..width {
                        let want = f64::from(row[c]) / (mean + 1e-5).sqrt()
                            * f64::from(weight[c])
                            * f64::from(scale[r * width + c]);
                        assert!((f64::from(got[r][c]) - want).abs() < 1e-6);
                    }
                }
            }
        }
    }

    #[test]
    fn zeros_stay_zeros() {
        let norm = RmsNorm::new(vec![1.0; 8], 1e-5);
        let x = Tensor::zeros((1, 8), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert_eq!(
            norm.forward(&x).unwrap().to_vec2::<f32>().unwrap(),
            [[0.0; 8]]
        );
    }
}
