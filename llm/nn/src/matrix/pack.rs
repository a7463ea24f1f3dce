//! Sixteen rows of values into one panel.
use half::f16;

use super::{Format, GROUP, PANEL};
use crate::{cpu::Isa, quantize::narrow_pairs};

mod levels;

use levels::{Group, eight_bits, four_bits};

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

fn integers(format: Format, values: &[f32], cols: usize, panel: &mut [u8]) {
    let isa = Isa::detect();
    let four = format == Format::Q4;
    let (body, scales) = panel.split_at_mut(if four { values.len() / 2 } else { values.len() });
    let body = body.as_chunks_mut::<4>().0;
    let scales = scales.as_chunks_mut::<2>().0;
    let mut group = Group::default();
    for (g, scales) in scales
        .chunks_exact_mut(PANEL)
        .take(cols / GROUP)
        .enumerate()
    {
        for (r, row) in values.chunks_exact(cols).enumerate() {
            for (column, value) in group.values.iter_mut().zip(&row[g * GROUP..]) {
                column[r] = *value;
            }
        }
        if four {
            four_bits(isa, &mut group);
        } else {
            eight_bits(isa, &mut group);
        }
        for (to, scale) in scales.iter_mut().zip(group.scales) {
            *to = f16::from_f32(scale).to_le_bytes();
        }
        // Four columns are neighbours, then come the other rows' four.
        let quads = group.levels.as_chunks::<4>().0;
        let quad = |q: usize, r: usize| -> u32 {
            let bytes = (0..4).map(|i| (quads[q][i][r].to_bits() & 255) << (8 * i));
            bytes.fold(0, |all, byte| all | byte)
        };
        if four {
            let body = body[g * GROUP / 8 * PANEL..].chunks_exact_mut(PANEL);
            for (unit, to) in body.take(4).enumerate() {
                for (r, to) in to.iter_mut().enumerate() {
                    *to = (quad(unit, r) | quad(unit + 4, r) << 4).to_le_bytes();
                }
            }
        } else {
            let body = body[g * GROUP / 4 * PANEL..].chunks_exact_mut(PANEL);
            for (q, to) in body.take(8).enumerate() {
                for (r, to) in to.iter_mut().enumerate() {
                    *to = quad(q, r).to_le_bytes();
                }
            }
        }
    }
}
