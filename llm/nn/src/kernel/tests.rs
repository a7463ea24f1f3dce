//! Every instruction set of this machine against plain loops in f64.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::matrix::{Format, GROUP};

/// Uniform in [-1, 1), the same on every machine.
pub(crate) fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// What the activations are for a format: integers are rounded first.
fn as_seen(format: Format, x: &[f32], cols: usize) -> Vec<f64> {
    if !format.is_integer() {
        return x.iter().map(|v| f64::from(*v)).collect();
    }
    let mut seen = Vec::new();
    for row in x.chunks(cols) {
        for group in row.chunks(GROUP) {
            let largest = group.iter().fold(0f32, |m, v| m.max(v.abs()));
            let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
            let scale = f64::from(largest / 127.0);
            seen.extend(
                group
                    .iter()
                    .map(|v| f64::from((v * inverse).round_ties_even()) * scale),
            );
        }
    }
    seen
}

fn check(isa: Isa, format: Format, rows: usize, cols: usize, count: usize) {
    let values = noise(rows * cols, 11);
    let x = noise(count * cols, 12);
    let matrix = Matrix::from_values(format, rows, cols, &values).unwrap();
    let prepared = Prepared::new(isa, &x, cols, &[&matrix]);
    let seen = as_seen(format, &x, cols);
    let mut weights = vec![0f32; cols];
    let mut out = Tile([[[f32::NAN; PANEL]; ROWS]; PANELS]);
    let panels = match matrix.panels() {
        3 => 2,
        n => n.min(4),
    };
    let part = Part {
        matrix: &matrix,
        panel: matrix.panels() - panels,
        panels,
        x: &prepared,
        row: 0,
        rows: count,
    };
    tile(isa, part, &mut out);
    for r in part.panel * PANEL..rows {
        matrix.row(r, &mut weights);
        for m in 0..count {
            let terms = || {
                weights
                    .iter()
                    .zip(&seen[m * cols..])
                    .map(|(w, x)| f64::from(*w) * x)
            };
            let (want, size): (f64, f64) = (terms().sum(), terms().map(f64::abs).sum());
            let got = f64::from(out.0[r / PANEL - part.panel][m][r % PANEL]);
            assert!(
                (got - want).abs() <= size * 2e-6 + 1e-7,
                "{isa:?} {format} [{rows}, {cols}] x {count}: row {r} of {m}: {got} for {want}"
            );
        }
    }
}

#[test]
fn every_kernel_is_the_plain_product() {
    for isa in Isa::available() {
        for format in [Format::F32, Format::Bf16, Format::Q8, Format::Q4] {
            for (rows, cols) in [(1, 1), (16, 32), (17, 33), (48, 100), (64, 256), (90, 515)] {
                for count in 1..=ROWS {
                    check(isa, format, rows, cols, count);
                }
            }
        }
    }
}

/// The largest integers there are: nothing may saturate or wrap.
#[test]
fn extremes_do_not_overflow() {
    for isa in Isa::available() {
        for format in [Format::Q8, Format::Q4] {
            for sign in [1.0f32, -1.0] {
                let matrix = Matrix::from_values(format, 16, 64, &[1.0; 16 * 64]).unwrap();
                let x = vec![sign * 3.0; 64];
                let prepared = Prepared::new(isa, &x, 64, &[&matrix]);
                let mut out = Tile([[[0.0; PANEL]; ROWS]; PANELS]);
                let part = Part {
                    matrix: &matrix,
                    panel: 0,
                    panels: 1,
                    x: &prepared,
                    row: 0,
                    rows: 1,
                };
                tile(isa, part, &mut out);
                for got in out.0[0][0] {
                    assert!((got - sign * 192.0).abs() < 0.2, "{isa:?} {format}: {got}");
                }
            }
        }
    }
}

/// Silence and denormals give zeros, not NaN.
#[test]
fn silence_is_silent() {
    for isa in Isa::available() {
        for format in [Format::F32, Format::Bf16, Format::Q8, Format::Q4] {
            let matrix = Matrix::from_values(format, 16, 64, &noise(16 * 64, 1)).unwrap();
            for level in [0.0, 1e-42] {
                let prepared = Prepared::new(isa, &[level; 64], 64, &[&matrix]);
                let mut out = Tile([[[f32::NAN; PANEL]; ROWS]; PANELS]);
                let part = Part {
                    matrix: &matrix,
                    panel: 0,
                    panels: 1,
                    x: &prepared,
                    row: 0,
                    rows: 1,
                };
                tile(isa, part, &mut out);
                assert!(
                    out.0[0][0].iter().all(|v| v.abs() < 1e-30),
                    "{isa:?} {format}"
                );
            }
        }
    }
}
