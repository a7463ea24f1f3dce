//! The gated activation of the feed-forward layers, in one pass over what the two projections left
//! side by side.
use candle_core::{Result, Tensor, bail};

use crate::{
    cpu::{Isa, by_isa, exp},
    rows::values,
};

/// `[rows, 2 width]`, gate then up, to `silu(gate) * up`, `[rows, width]`.
pub fn swiglu(gate_and_up: &Tensor) -> Result<Tensor> {
    swiglu_with(Isa::detect(), gate_and_up)
}

fn swiglu_with(isa: Isa, gate_and_up: &Tensor) -> Result<Tensor> {
    let (rows, twice) = gate_and_up.dims2()?;
    if twice % 2 != 0 {
        bail!("a gate and as many others, not {twice} columns");
    }
    let width = twice / 2;
    let mut out = vec![0f32; rows * width];
    values(gate_and_up, |all| {
        for (row, out) in all.chunks(twice).zip(out.chunks_mut(width)) {
            let (gate, up) = row.split_at(width);
            gated(isa, gate, up, out);
        }
    })?;
    Tensor::from_vec(out, (rows, width), gate_and_up.device())
}

by_isa! {
    fn gated(gate: &[f32], up: &[f32], out: &mut [f32]) = gated_body
}

#[inline(always)]
fn gated_body<const FMA: bool>(gate: &[f32], up: &[f32], out: &mut [f32]) {
    for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
        *out = gate / (1.0 + exp::<FMA>(-gate)) * up;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::Device;

    use super::*;
    use crate::kernel::tests::noise;

    #[test]
    fn the_gate_is_the_first_half() {
        for isa in Isa::available() {
            let x: Vec<f32> = noise(2 * 74, 1).iter().map(|v| v * 30.0).collect();
            let tensor = Tensor::from_vec(x.clone(), (2, 74), &Device::Cpu).unwrap();
            let got = swiglu_with(isa, &tensor).unwrap().to_vec2::<f32>().unwrap();
            for r in 0..2 {
                for c in 0..37 {
                    let (gate, up) = (f64::from(x[r * 74 + c]), f64::from(x[r * 74 + 37 + c]));
                    let want = gate / (1.0 + (-gate).exp()) * up;
                    let error = (f64::from(got[r][c]) - want).abs();
                    assert!(error < 1e-6 * (1.0 + want.abs()), "{isa:?} {gate} {up}");
                }
            }
        }
    }

    #[test]
    fn saturated_gates_stay_finite() {
        let x = Tensor::new(&[[-1e4f32, 1e4, 1.0, 1.0]], &Device::Cpu).unwrap();
        let got = swiglu(&x).unwrap().to_vec2::<f32>().unwrap();
        assert!(got[0][0].abs() < 1e-30);
        assert_eq!(got[0][1], 1e4);
    }
}
