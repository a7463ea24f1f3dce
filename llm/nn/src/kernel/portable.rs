//! The kernels in plain Rust: loops over sixteen lanes, which the compiler turns into the vector
//! instructions it may take for granted (NEON on AArch64, SSE2 on x86-64).
use half::{bf16, f16};

use super::{Part, Tile};
use crate::{
    cpu::mul_add,
    matrix::{Format, GROUP, PANEL},
    quantize::HALVES,
};

const FMA: bool = cfg!(target_arch = "aarch64");

pub(super) fn tile(part: Part<'_>, out: &mut Tile) {
    let stride = part.matrix.stride();
    for p in 0..part.panels {
        let at = (part.panel + p) * stride;
        let panel = &part.matrix.packed()[at..at + stride];
        for m in 0..part.rows {
            out.0[p][m] = match part.matrix.format() {
                Format::F32 => f32_panel(panel, plain(&part, m)),
                Format::Bf16 => bf16_panel(panel, halves(&part, m)),
                Format::Q8 => integer_panel::<8>(panel, &part, m),
                Format::Q4 => integer_panel::<4>(panel, &part, m),
            };
        }
    }
}

fn plain<'a>(part: &Part<'a>, m: usize) -> &'a [f32] {
    let at = (part.row + m) * part.x.plain_stride;
    &part.x.plain[at..at + part.matrix.padded_cols()]
}

fn f32_panel(panel: &[u8], x: &[f32]) -> [f32; PANEL] {
    let mut acc = [0f32; PANEL];
    for (x, weights) in x.iter().zip(panel.chunks_exact(PANEL * 4)) {
        for (acc, w) in acc.iter_mut().zip(weights.chunks_exact(4)) {
            let w = f32::from_le_bytes([w[0], w[1], w[2], w[3]]);
            *acc = mul_add::<FMA>(w, *x, *acc);
        }
    }
    acc
}

/// Both halves of a row.
fn halves<'a>(part: &Part<'a>, m: usize) -> &'a [f32] {
    let width = part.matrix.padded_cols() * HALVES;
    let at = (part.row + m) * width;
    &part.x.bf16.wide[at..at + width]
}

fn bf16_panel(panel: &[u8], halves: &[f32]) -> [f32; PANEL] {
    let mut acc = [0f32; PANEL];
    let (first, second) = halves.split_at(halves.len() / HALVES);
    let blocks = first.chunks_exact(GROUP).zip(second.chunks_exact(GROUP));
    for (halves, weights) in blocks.zip(panel.chunks_exact(GROUP * PANEL * 2)) {
        for x in [halves.0, halves.1] {
            let (mut first, mut second) = ([0f32; PANEL], [0f32; PANEL]);
            for (x, weights) in x.chunks_exact(2).zip(weights.chunks_exact(PANEL * 4)) {
                for (i, w) in weights.chunks_exact(4).enumerate() {
                    let even = bf16::from_le_bytes([w[0], w[1]]).to_f32();
                    let odd = bf16::from_le_bytes([w[2], w[3]]).to_f32();
                    first[i] = mul_add::<FMA>(even, x[0], first[i]);
                    second[i] = mul_add::<FMA>(odd, x[1], second[i]);
                }
            }
            for i in 0..PANEL {
                acc[i] += first[i] + second[i];
            }
        }
    }
    acc
}

fn integer_panel<const BITS: usize>(panel: &[u8], part: &Part<'_>, m: usize) -> [f32; PANEL] {
    let x = &part.x.integer;
    let row = part.row + m;
    let (body, scales) = panel.split_at(part.matrix.scales_at());
    let mut acc = [0f32; PANEL];
    for (g, group) in body.chunks_exact(GROUP * PANEL * BITS / 8).enumerate() {
        let at = row * x.groups + g;
        let quads = &x.quads[at * 8..at * 8 + 8];
        let mut sums = [0i32; PANEL];
        for (q, quad) in quads.iter().enumerate() {
            let x = quad.to_le_bytes().map(|b| i32::from(b as i8));
            let from = if BITS == 8 { q } else { q % 4 } * PANEL * 4;
            let shift = if BITS == 4 && q >= 4 { 4 } else { 0 };
            let mask = if BITS == 4 { 15 } else { 255 };
            let weights = &group[from..from + PANEL * 4];
            for (sum, w) in sums.iter_mut().zip(weights.chunks_exact(4)) {
                for (w, x) in w.iter().zip(x) {
                    *sum += i32::from((w >> shift) & mask) * x;
                }
            }
        }
        let offset = (1 << (BITS - 1)) * x.sums[at];
        let scales = scales[g * PANEL * 2..].chunks_exact(2);
        for ((acc, sum), scale) in acc.iter_mut().zip(sums).zip(scales) {
            let scale = f16::from_le_bytes([scale[0], scale[1]]).to_f32() * x.scales[at];
            *acc = mul_add::<FMA>((sum - offset) as f32, scale, *acc);
        }
    }
    acc
}
