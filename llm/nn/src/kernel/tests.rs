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

/// What the activations are for a format: sums of two bf16 numbers, or integers.
fn as_seen(format: Format, x: &[f32], cols: usize) -> Vec<f64> {
    match format {
        Format::F32 => return x.iter().map(|v| f64::from(*v)).collect(),
        Format::Bf16 => {
            let near = |v: f32| half::bf16::from_f32(v).to_f32();
            let halves = x.iter().map(|v| (near(*v), near(*v - near(*v))));
            return halves.map(|(a, b)| f64::from(a) + f64::from(b)).collect();
        }
        Format::Q8 | Format::Q4 => {}
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

/// The products of `count` rows with the last panels of a matrix, `[count][panels * 16]`.
fn product(isa: Isa, matrix: &Matrix, x: &[f32], first: usize) -> Vec<Vec<f32>> {
    let count = x.len() / matrix.cols();
    let prepared = Prepared::new(isa, x, matrix.cols(), &[matrix]);
    let (most, widest) = shape(isa, matrix.format(), count);
    let mut all = vec![Vec::new(); count];
    let mut panel = first;
    while panel < matrix.panels() {
        let mut panels = widest;
        while panel + panels > matrix.panels() {
            panels /= 2;
        }
        for row in (0..count).step_by(most) {
            let mut out = Tile([[[f32::NAN; PANEL]; MOST_ROWS]; PANELS]);
            let part = Part {
                matrix,
                panel,
                panels,
                x: &prepared,
                row,
                rows: most.min(count - row),
            };
            tile(isa, part, &mut out);
            for (m, all) in all[row..].iter_mut().take(part.rows).enumerate() {
                (0..panels).for_each(|p| all.extend(out.0[p][m]));
            }
        }
        panel += panels;
    }
    all
}

fn check(isa: Isa, format: Format, rows: usize, cols: usize, count: usize) {
    let values = noise(rows * cols, 11);
    let x = noise(count * cols, 12);
    let matrix = Matrix::from_values(format, rows, cols, &values).unwrap();
    let seen = as_seen(format, &x, cols);
    let mut weights = vec![0f32; cols];
    // Begins with the second panel where there is one: a panel must be found.
    let first = usize::from(matrix.panels() > 1);
    let out = product(isa, &matrix, &x, first);
    for r in first * PANEL..rows {
        matrix.row(r, &mut weights);
        for m in 0..count {
            let terms = || {
                weights
                    .iter()
                    .zip(&seen[m * cols..])
                    .map(|(w, x)| f64::from(*w) * x)
            };
            let (want, size): (f64, f64) = (terms().sum(), terms().map(f64::abs).sum());
            let got = f64::from(out[m][r - first * PANEL]);
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
                for count in [1, 2, 3, 4, 5, 9, 17, 40] {
                    check(isa, format, rows, cols, count);
                }
            }
        }
    }
}

/// The sets differ in how they do the additions, not in which: so a fault of a kernel cannot hide
/// in rounding, and a machine may choose by the number of rows.
#[test]
fn sets_with_fused_products_agree_to_the_bit() {
    let all = Isa::available();
    let fused = |isa: &&Isa| !matches!(isa, Isa::Portable | Isa::Avx512Bf16);
    let fused: Vec<Isa> = all.iter().filter(fused).copied().collect();
    if fused.len() < 2 {
        println!("skipped: {all:?} are not two sets with fused products");
    }
    for format in [Format::F32, Format::Bf16, Format::Q8, Format::Q4] {
        let matrix = Matrix::from_values(format, 50, 200, &noise(50 * 200, 1)).unwrap();
        for count in [1, 4, 5, 21, 33] {
            let x = noise(count * 200, 2);
            let bits = |isa: Isa| -> Vec<Vec<u32>> {
                let rows = product(isa, &matrix, &x, 0);
                let row = |row: Vec<f32>| row.iter().map(|v| v.to_bits()).collect();
                rows.into_iter().map(row).collect()
            };
            for pair in fused.windows(2) {
                assert_eq!(bits(pair[0]), bits(pair[1]), "{pair:?} {format} x {count}");
            }
        }
    }
}

/// Tiles take denormal numbers for zero and vectors do not: no sum may depend on it.
#[test]
fn tiny_numbers_are_the_same_everywhere() {
    for isa in Isa::available() {
        for scale in [1e-12f32, 1e-15, 1e-16, 1e-19, 1e-30] {
            let x: Vec<f32> = noise(9 * 64, 3).iter().map(|v| v * scale).collect();
            let weights: Vec<f32> = noise(16 * 64, 4).iter().map(|v| v * scale).collect();
            let matrix = Matrix::from_values(Format::Bf16, 16, 64, &weights).unwrap();
            let alone: Vec<Vec<f32>> = x
                .chunks(64)
                .flat_map(|row| product(isa, &matrix, row, 0))
                .collect();
            assert_eq!(product(isa, &matrix, &x, 0), alone, "{isa:?} {scale:e}");
            let normal = |v: &f32| *v == 0.0 || v.is_normal();
            assert!(alone.iter().flatten().all(normal), "{isa:?} {scale:e}");
        }
    }
}

/// The largest integers there are: nothing may saturate or wrap.
#[test]
fn extremes_do_not_overflow() {
    for isa in Isa::available() {
        for (format, sign) in [
            (Format::Q8, 1.0f32),
            (Format::Q8, -1.0),
            (Format::Q4, 1.0),
            (Format::Q4, -1.0),
        ] {
            let matrix = Matrix::from_values(format, 16, 64, &[1.0; 16 * 64]).unwrap();
            for count in [1, 7] {
                let x = vec![sign * 3.0; 64 * count];
                for got in product(isa, &matrix, &x, 0).into_iter().flatten() {
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
                let out = product(isa, &matrix, &[level; 64 * 6], 0);
                let silent = out.iter().flatten().all(|v| v.abs() < 1e-30);
                assert!(silent, "{isa:?} {format}");
            }
        }
    }
}
