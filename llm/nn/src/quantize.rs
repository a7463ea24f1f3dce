//! Activations as the kernels want them: f32 rows, sums of two bf16 rows, or 8-bit integers with a
//! scale and a sum for every 32.
use crate::{
    cpu::{Isa, by_isa},
    kernel::TILE_ROWS,
    matrix::{Format, GROUP, Matrix},
};

/// The rows of one product, prepared once for all matrices they are multiplied with. Only what
/// some matrix needs is there.
#[derive(Default)]
pub(crate) struct Prepared {
    /// How many rows.
    pub count: usize,
    /// f32 rows, `plain_stride` apart.
    pub plain: Vec<f32>,
    /// From one f32 row to the next.
    pub plain_stride: usize,
    /// Rows for bf16.
    pub bf16: Bf16,
    /// Rows for the quantised formats.
    pub integer: Integers,
}

/// Rows as sums of two bf16 numbers, the nearest and what is left: one alone would lose more than
/// the weights did. Each half is a row of its own, padded with zeros to whole blocks of 32.
#[derive(Default)]
pub(crate) struct Bf16 {
    /// Blocks in a row.
    pub blocks: usize,
    /// As f32 numbers: for every row both halves, one after the other.
    pub wide: Vec<f32>,
    /// As pairs of bf16 numbers, the first in the lower bits: for every row both halves.
    pub pairs: Vec<u32>,
    /// The same pairs cut into tiles: for every sixteen rows, or as many as are left, for every
    /// block, for both halves, each row's sixteen pairs.
    pub tiles: Vec<u32>,
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
        let mut prepared = Prepared {
            count: x.len() / cols.max(1),
            plain_stride: cols,
            ..Prepared::default()
        };
        let any = |wanted: fn(Format) -> bool| matrices.iter().any(|m| wanted(m.format()));
        if any(|format| format == Format::F32) {
            prepared.plain = x.to_vec();
        }
        if any(|format| format == Format::Bf16) {
            prepared.bf16 = Bf16::new(isa, x, cols);
        }
        if any(Format::is_integer) {
            prepared.integer = Integers::new(isa, x, cols);
        }
        prepared
    }
}

/// Bf16 numbers that add up to an activation.
pub(crate) const HALVES: usize = 2;

impl Bf16 {
    fn new(isa: Isa, x: &[f32], cols: usize) -> Bf16 {
        let blocks = cols.div_ceil(GROUP);
        let count = x.len() / cols;
        let mut rows = Bf16 {
            blocks,
            ..Bf16::default()
        };
        let padded = blocks * GROUP;
        let mut wide = vec![0f32; count * HALVES * padded];
        for (row, to) in x.chunks(cols).zip(wide.chunks_mut(HALVES * padded)) {
            let (nearest, rest) = to.split_at_mut(padded);
            halve(isa, row, &mut nearest[..cols], &mut rest[..cols]);
        }
        // One row alone is done in vectors.
        let in_tiles = isa == Isa::Amx && count > 1;
        if !in_tiles && isa != Isa::Avx512Bf16 {
            rows.wide = wide;
            return rows;
        }
        let mut pairs = vec![0; wide.len() / 2];
        narrow_pairs(isa, &wide, &mut pairs);
        if in_tiles {
            rows.tiles = tiles(&pairs, count, blocks);
        } else {
            rows.pairs = pairs;
        }
        rows
    }
}

/// Rows of two halves of pairs, `blocks` blocks to a half, cut into tiles: for every sixteen rows,
/// or as many as are left, block after block, half after half, the rows' parts one after the other.
fn tiles(rows: &[u32], count: usize, blocks: usize) -> Vec<u32> {
    let width = GROUP / 2;
    let mut tiles = Vec::with_capacity(rows.len());
    for first in (0..count).step_by(TILE_ROWS) {
        let together = first..(first + TILE_ROWS).min(count);
        for block in 0..blocks {
            for half in 0..HALVES {
                for row in together.clone() {
                    let at = ((row * HALVES + half) * blocks + block) * width;
                    tiles.extend_from_slice(&rows[at..at + width]);
                }
            }
        }
    }
    tiles
}

by_isa! {
    /// Two values in one number, the first in its lower half, each rounded to bf16.
    pub(crate) fn narrow_pairs(row: &[f32], pairs: &mut [u32]) = pairs_body
}

#[inline(always)]
fn pairs_body<const FMA: bool>(row: &[f32], pairs: &mut [u32]) {
    for (pair, [a, b]) in pairs.iter_mut().zip(row.as_chunks::<2>().0) {
        *pair = (nearest(*a) >> 16) | nearest(*b);
    }
}

by_isa! {
    /// Every value as the nearest bf16 number and the nearest to what that leaves.
    fn halve(row: &[f32], first: &mut [f32], second: &mut [f32]) = halve_body
}

#[inline(always)]
fn halve_body<const FMA: bool>(row: &[f32], first: &mut [f32], second: &mut [f32]) {
    for ((first, second), v) in first.iter_mut().zip(second).zip(row) {
        *first = f32::from_bits(nearest(*v));
        *second = f32::from_bits(nearest(*v - *first));
    }
}

/// The bits of the nearest bf16 number, in the upper half. Numbers below 2^-52 become zero: then
/// no product and no sum of them is ever denormal, which tiles would take for zero and vectors
/// would not, and the bits of a row could depend on how many rows it is computed with.
#[inline(always)]
fn nearest(v: f32) -> u32 {
    const SMALLEST: f32 = 1.0 / (1u64 << 52) as f32;
    // Half a unit, or a little less where the unit before is even; values are finite.
    let bits = v.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000;
    if v.abs() < SMALLEST { 0 } else { rounded }
}

impl Integers {
    fn new(isa: Isa, x: &[f32], cols: usize) -> Integers {
        let count = x.len() / cols;
        let groups = cols.div_ceil(GROUP);
        let mut rows = Integers {
            quads: vec![0; count * groups * GROUP / 4],
            scales: vec![0.0; count * groups],
            sums: vec![0; count * groups],
            groups,
            ..Integers::default()
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
