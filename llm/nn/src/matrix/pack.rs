//! Sixteen rows of values into one panel. Quantising chooses, for every group of 32, the scale
//! with the least squared error among a few, then mends it by least squares.
use half::f16;

use super::{Format, GROUP, PANEL};
use crate::cpu::{Isa, by_isa, mul_add};

/// Packs `values`, sixteen rows already padded with zeros, into `panel`.
pub(super) fn panel(format: Format, values: &[f32], panel: &mut [u8]) {
    let cols = values.len() / PANEL;
    match format {
        Format::F32 => {
            for (r, row) in values.chunks_exact(cols).enumerate() {
                for (c, value) in row.iter().enumerate() {
                    let at = (c * PANEL + r) * 4;
                    panel[at..at + 4].copy_from_slice(&value.to_le_bytes());
                }
            }
        }
        Format::Bf16 => {
            let mut narrow = vec![0u32; cols / 2];
            let panel = panel.as_chunks_mut::<4>().0;
            for (r, row) in values.chunks_exact(cols).enumerate() {
                narrow_pairs(Isa::detect(), row, &mut narrow);
                for (to, pair) in panel[r..].iter_mut().step_by(PANEL).zip(&narrow) {
                    *to = pair.to_le_bytes();
                }
            }
        }
        Format::Q8 | Format::Q4 => integers(format, values, cols, panel),
    }
}

by_isa! {
    /// Two values in one number, the first in its lower half, each rounded to bf16.
    fn narrow_pairs(row: &[f32], pairs: &mut [u32]) = narrow_body
}

#[inline(always)]
fn narrow_body<const FMA: bool>(row: &[f32], pairs: &mut [u32]) {
    // Half a unit, or a little less where the unit before is even; weights are finite.
    let nearest = |v: f32| v.to_bits().wrapping_add(0x7fff + ((v.to_bits() >> 16) & 1));
    for (pair, [a, b]) in pairs.iter_mut().zip(row.as_chunks::<2>().0) {
        *pair = (nearest(*a) >> 16) | (nearest(*b) & 0xffff_0000);
    }
}

fn integers(format: Format, values: &[f32], cols: usize, panel: &mut [u8]) {
    let isa = Isa::detect();
    let four = format == Format::Q4;
    let (body, scales) = panel.split_at_mut(if four { values.len() / 2 } else { values.len() });
    let mut levels = [0i32; GROUP];
    for (r, row) in values.chunks_exact(cols).enumerate() {
        for (g, group) in row.as_chunks::<GROUP>().0.iter().enumerate() {
            let mut scale = 0.0;
            if four {
                four_bits(isa, group, &mut levels, &mut scale);
            } else {
                eight_bits(isa, group, &mut levels, &mut scale);
            }
            let at = (g * PANEL + r) * 2;
            scales[at..at + 2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
            // Four columns are neighbours, then come the other rows' four.
            let quads = levels.as_chunks::<4>().0;
            if four {
                let body = &mut body[g * GROUP * PANEL / 2..];
                for unit in 0..4 {
                    let to = &mut body[(unit * PANEL + r) * 4..][..4];
                    for ((to, low), high) in to.iter_mut().zip(quads[unit]).zip(quads[unit + 4]) {
                        *to = (low + 8) as u8 | ((high + 8) as u8) << 4;
                    }
                }
            } else {
                for (q, quad) in quads.iter().enumerate() {
                    let to = &mut body[((g * 8 + q) * PANEL + r) * 4..][..4];
                    for (to, level) in to.iter_mut().zip(quad) {
                        *to = (level + 128) as u8;
                    }
                }
            }
        }
    }
}

by_isa! {
    /// The nearest multiples of a scale that takes the largest value to 127.
    fn eight_bits(group: &[f32; GROUP], levels: &mut [i32; GROUP], scale: &mut f32) = eight_body
}

by_isa! {
    /// Sixteen levels, -8 to 7. Taking the largest value to exactly -8 is not the best choice for
    /// bell-shaped weights, so a few scales around it are tried.
    fn four_bits(group: &[f32; GROUP], levels: &mut [i32; GROUP], scale: &mut f32) = four_body
}

#[inline(always)]
fn eight_body<const FMA: bool>(group: &[f32; GROUP], levels: &mut [i32; GROUP], scale: &mut f32) {
    *scale = stored(extreme(group).abs() / 127.0);
    *levels = round(group, *scale, -127.0, 127.0);
}

#[inline(always)]
fn four_body<const FMA: bool>(group: &[f32; GROUP], levels: &mut [i32; GROUP], scale: &mut f32) {
    let extreme = extreme(group);
    let mut best = f32::INFINITY;
    for divisor in [-8.4, -8.0, -7.5, -7.0, -6.4, 7.2] {
        let tried = round(group, extreme / divisor, -8.0, 7.0);
        let (mut dot, mut square) = ([0f32; 16], [0f32; 16]);
        for half in 0..2 {
            for lane in 0..16 {
                let level = tried[half * 16 + lane] as f32;
                dot[lane] = mul_add::<FMA>(group[half * 16 + lane], level, dot[lane]);
                square[lane] = mul_add::<FMA>(level, level, square[lane]);
            }
        }
        let (dot, square) = (fold(dot, |a, b| a + b), fold(square, |a, b| a + b));
        // With these levels the best scale is known exactly; what it leaves of the values' squares
        // is all of them less dot² / square.
        let error = if square > 0.0 {
            -dot * dot / square
        } else {
            0.0
        };
        if error < best {
            best = error;
            *scale = if square > 0.0 { dot / square } else { 0.0 };
        }
    }
    *scale = stored(*scale);
    *levels = round(group, *scale, -8.0, 7.0);
}

/// The value farthest from zero.
#[inline(always)]
fn extreme(group: &[f32; GROUP]) -> f32 {
    let (mut high, mut low) = ([0f32; 16], [0f32; 16]);
    for half in 0..2 {
        for lane in 0..16 {
            let v = group[half * 16 + lane];
            high[lane] = if v > high[lane] { v } else { high[lane] };
            low[lane] = if v < low[lane] { v } else { low[lane] };
        }
    }
    let high = fold(high, |a, b| if a > b { a } else { b });
    let low = fold(low, |a, b| if a < b { a } else { b });
    if high > -low { high } else { low }
}

/// Sixteen lanes to one in four steps: one after the other, their delays would add up.
#[inline(always)]
fn fold(mut lanes: [f32; 16], join: impl Fn(f32, f32) -> f32) -> f32 {
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] = join(lanes[i], lanes[i + half]);
        }
    }
    lanes[0]
}

/// A scale as the file will hold it: levels must be chosen for what is multiplied later.
#[inline(always)]
fn stored(scale: f32) -> f32 {
    f16::from_f32(scale).to_f32()
}

#[inline(always)]
fn round(group: &[f32; GROUP], scale: f32, low: f32, high: f32) -> [i32; GROUP] {
    // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    let mut levels = [0; GROUP];
    for (level, value) in levels.iter_mut().zip(group) {
        let scaled = (value * inverse).max(low).min(high);
        *level = ((scaled + ROUND).to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    }
    levels
}
