//! Activations as the kernels want them: f32 rows padded with zeros, or 8-bit integers with a scale
//! and a sum for every 32.
use crate::{
    cpu::{Isa, by_isa},
    matrix::{GROUP, Matrix},
};

/// The rows of one product, prepared once for all matrices they are multiplied with.
pub(crate) struct Prepared {
    /// How many rows.
    pub count: usize,
    /// f32 rows, `plain_stride` apart: an even number of columns.
    pub plain: Vec<f32>,
    /// From one f32 row to the next.
    pub plain_stride: usize,
    /// Rows for the quantised formats; empty when no matrix needs them.
    pub integer: Integers,
}

/// Rows rounded to 8 bits.
#[derive(Default)]
pub(crate) struct Integers {
    /// Four columns in each, lowest byte first; `groups * 8` to a row.
    pub quads: Vec<i32>,
    /// For each quad its even and its odd columns as pairs of 16 bits, for processors that
    /// multiply no bytes.
    pub pairs: Vec<[i32; 2]>,
    /// One scale for each group.
    pub scales: Vec<f32>,
    /// The sum of each group's integers: what an offset added to every weight adds to the product.
    pub sums: Vec<i32>,
    /// Groups in a row.
    pub groups: usize,
}

impl Prepared {
    /// Prepares `x`, rows of `cols` values, for the formats of `matrices`.
    pub fn new(isa: Isa, x: &[f32], cols: usize, matrices: &[&Matrix]) -> Prepared {
        let count = x.len() / cols.max(1);
        let plain_stride = cols.next_multiple_of(2);
        let mut prepared = Prepared {
            count,
            plain: Vec::new(),
            plain_stride,
            integer: Integers::default(),
        };
        if matrices.iter().any(|m| !m.format().is_integer()) {
            prepared.plain = vec![0.0; count * plain_stride];
            for (row, from) in prepared.plain.chunks_mut(plain_stride).zip(x.chunks(cols)) {
                row[..cols].copy_from_slice(from);
            }
        }
        if matrices.iter().any(|m| m.format().is_integer()) {
            prepared.integer = Integers::new(isa, x, cols);
        }
        prepared
    }
}

impl Integers {
    fn new(isa: Isa, x: &[f32], cols: usize) -> Integers {
        let count = x.len() / cols;
        let groups = cols.div_ceil(GROUP);
        let mut rows = Integers {
            quads: vec![0; count * groups * GROUP / 4],
            pairs: Vec::new(),
            scales: vec![0.0; count * groups],
            sums: vec![0; count * groups],
            groups,
        };
        let at = |i: usize| i * groups..(i + 1) * groups;
        for (i, row) in x.chunks(cols).enumerate() {
            let quads = i * groups * GROUP / 4..(i + 1) * groups * GROUP / 4;
            round_row(
                isa,
                row,
                &mut rows.quads[quads],
                &mut rows.scales[at(i)],
                &mut rows.sums[at(i)],
            );
        }
        if isa == Isa::Avx2 {
            rows.pairs = rows.quads.iter().map(|quad| split(*quad)).collect();
        }
        rows
    }
}

/// A quad's even and odd columns, each as two 16-bit integers.
fn split(quad: i32) -> [i32; 2] {
    let [a, b, c, d] = quad.to_le_bytes().map(|b| i16::from(b as i8));
    let pair = |low: i16, high: i16| (i32::from(high) << 16) | i32::from(low as u16);
    [pair(a, c), pair(b, d)]
}

by_isa! {
    fn round_row(
        row: &[f32],
        quads: &mut [i32],
        scales: &mut [f32],
        sums: &mut [i32],
    ) = round_row_body
}

#[inline(always)]
fn round_row_body<const FMA: bool>(
    row: &[f32],
    quads: &mut [i32],
    scales: &mut [f32],
    sums: &mut [i32],
) {
    // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    for (g, values) in row.chunks(GROUP).enumerate() {
        let mut group = [0f32; GROUP];
        group[..values.len()].copy_from_slice(values);
        let mut largest = [0f32; 8];
        for eight in group.chunks_exact(8) {
            for (m, v) in largest.iter_mut().zip(eight) {
                *m = m.max(v.abs());
            }
        }
        let largest = largest.iter().fold(0f32, |m, v| m.max(*v));
        // A group of denormals is silence: its inverse scale would not be finite.
        let inverse = if largest > 1e-30 {
            127.0 / largest
        } else {
            0.0
        };
        scales[g] = largest / 127.0;
        let mut levels = [0i32; GROUP];
        for (level, v) in levels.iter_mut().zip(group) {
            *level = ((v * inverse + ROUND).to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
        }
        sums[g] = levels.iter().sum();
        for (quad, l) in quads[g * 8..(g + 1) * 8]
            .iter_mut()
            .zip(levels.chunks_exact(4))
        {
            *quad = (l[0] & 255) | ((l[1] & 255) << 8) | ((l[2] & 255) << 16) | (l[3] << 24);
        }
    }
}
