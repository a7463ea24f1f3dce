//! The inner products: a few rows of activations times a few panels of a matrix. One function,
//! [`tile`], chooses among the processors' versions at run time; all are tested against plain
//! loops in f64.
//!
//! Invariant: an output is one chain of additions over the columns, whatever else is in the tile,
//! so results do not depend on how rows were batched. The chains of different outputs, not the
//! parts of one, keep the processor busy.
use crate::{
    cpu::Isa,
    matrix::{Matrix, PANEL},
    quantize::Prepared,
};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

/// Most rows of activations in a tile.
pub(crate) const ROWS: usize = 4;
/// Most panels in a tile.
pub(crate) const PANELS: usize = 4;

/// Results of a tile by panel, row of activations and row of the matrix.
#[repr(align(64))]
pub(crate) struct Tile(pub [[[f32; PANEL]; ROWS]; PANELS]);

/// What to multiply: panels `panel..panel + panels` with rows `row..row + rows`.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub matrix: &'a Matrix,
    pub panel: usize,
    /// 1, 2 or 4.
    pub panels: usize,
    pub x: &'a Prepared,
    pub row: usize,
    /// 1 to [`ROWS`].
    pub rows: usize,
}

/// Computes one tile.
pub(crate) fn tile(isa: Isa, part: Part<'_>, out: &mut Tile) {
    assert!(
        part.panel + part.panels <= part.matrix.panels() && part.row + part.rows <= part.x.count,
        "a tile lies inside its matrix and its rows"
    );
    assert!((1..=ROWS).contains(&part.rows) && matches!(part.panels, 1 | 2 | 4));
    #[cfg(target_arch = "x86_64")]
    match isa {
        Isa::Avx512 => return avx512::tile(part, out),
        Isa::Avx2 => return avx2::tile(part, out),
        Isa::Portable => {}
    }
    let _ = isa;
    portable::tile(part, out);
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
