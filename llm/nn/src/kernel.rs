//! The inner products: a few rows of activations times a few panels of a matrix. One function,
//! [`tile`], chooses among the processors' versions at run time; all are tested against plain
//! loops in f64.
//!
//! Invariant: an output is one chain of additions over the columns, whatever else is in the tile,
//! so results do not depend on how rows were batched. The chains of different outputs, not the
//! parts of one, keep the processor busy. The chains are:
//!
//! - f32: one fused multiply-add after the other;
//! - bf16: in every block of 32 columns, for each of the two halves of the activations, a chain of
//!   the even and a chain of the odd columns from zero, whose sum joins the output. That is what a
//!   processor's tiles compute; every other set does the same in vectors, except that one with a
//!   dot product of bf16 pairs takes pair after pair;
//! - integers: exact sums of 32 columns, scaled, one after the other.
use crate::{
    cpu::Isa,
    matrix::{Format, Matrix, PANEL},
    quantize::Prepared,
};

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

/// Most rows of activations in a tile of vectors.
pub(crate) const ROWS: usize = 4;
/// Rows of a tile register.
pub(crate) const TILE_ROWS: usize = 16;
/// Most rows in any tile.
pub(crate) const MOST_ROWS: usize = 2 * TILE_ROWS;
/// Most panels in a tile.
pub(crate) const PANELS: usize = 4;

/// Results of a tile by panel, row of activations and row of the matrix.
#[repr(align(64))]
pub(crate) struct Tile(pub [[[f32; PANEL]; MOST_ROWS]; PANELS]);

impl Tile {
    /// Room for any tile.
    pub fn new() -> Tile {
        Tile([[[0.0; PANEL]; MOST_ROWS]; PANELS])
    }
}

/// What to multiply: panels `panel..panel + panels` with rows `row..row + rows`.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub matrix: &'a Matrix,
    pub panel: usize,
    /// 1, 2 or 4, and not more than [`shape`] says.
    pub panels: usize,
    pub x: &'a Prepared,
    /// A multiple of what [`shape`] says.
    pub row: usize,
    /// From 1 to what [`shape`] says.
    pub rows: usize,
}

/// Rows and panels that are best multiplied at once for `count` rows in all.
pub(crate) fn shape(isa: Isa, format: Format, count: usize) -> (usize, usize) {
    match (isa, format) {
        (Isa::Amx, Format::Bf16) if count > 1 => (MOST_ROWS, 2),
        _ if count == 1 => (1, PANELS),
        _ => (ROWS, 2),
    }
}

/// Computes one tile.
pub(crate) fn tile(isa: Isa, part: Part<'_>, out: &mut Tile) {
    assert!(
        part.panel + part.panels <= part.matrix.panels() && part.row + part.rows <= part.x.count,
        "a tile lies inside its matrix and its rows"
    );
    let (rows, panels) = shape(isa, part.matrix.format(), part.x.count);
    assert!((1..=rows).contains(&part.rows) && part.row.is_multiple_of(rows));
    assert!(matches!(part.panels, 1 | 2 | 4) && part.panels <= panels);
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Amx => amx::tile(part, out),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 | Isa::Avx512Bf16 => avx512::tile(isa, part, out),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::tile(part, out),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon | Isa::NeonDot => neon::tile(isa, part, out),
        _ => portable::tile(part, out),
    }
}

/// Calls `$kernel::<ROWS, PANELS>` with the numbers of this part as constants.
macro_rules! with_sizes {
    ($part:expr, $kernel:ident($($arg:expr),*)) => {
        match ($part.rows, $part.panels) {
            (1, 1) => $kernel::<1, 1>($($arg),*),
            (1, 2) => $kernel::<1, 2>($($arg),*),
            (1, _) => $kernel::<1, 4>($($arg),*),
            (2, 1) => $kernel::<2, 1>($($arg),*),
            (2, 2) => $kernel::<2, 2>($($arg),*),
            (2, _) => $kernel::<2, 4>($($arg),*),
            (3, 1) => $kernel::<3, 1>($($arg),*),
            (3, 2) => $kernel::<3, 2>($($arg),*),
            (3, _) => $kernel::<3, 4>($($arg),*),
            (_, 1) => $kernel::<4, 1>($($arg),*),
            (_, 2) => $kernel::<4, 2>($($arg),*),
            (_, _) => $kernel::<4, 4>($($arg),*),
        }
    };
}
pub(crate) use with_sizes;

#[cfg(test)]
pub(crate) mod tests;
