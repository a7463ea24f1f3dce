//! A weight matrix as the kernels read it: panels of sixteen rows, columns interleaved, so that
//! one vector register holds one step of sixteen outputs and a panel is one stream of memory.
//!
//! Formats: f32 and bf16 keep the checkpoint's values; q8 and q4 keep one f16 scale for every 32
//! columns of a row beside 8- or 4-bit integers (8.5 and 4.5 bits a weight).
use std::{fmt, io, str::FromStr};

use half::{bf16, f16};

use crate::{
    pages::{Backing, Pages},
    pool::Pool,
};

mod pack;

/// Rows of a panel: the f32 lanes of an AVX-512 register.
pub const PANEL: usize = 16;
/// Columns that share a scale in the quantised formats, and that are summed apart in bf16.
pub const GROUP: usize = 32;

/// How a matrix is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// 32-bit floats: the reference.
    F32,
    /// The published checkpoints' own format; activations keep 16 bits and sums are f32.
    Bf16,
    /// 8-bit integers with a scale for every 32; activations are rounded to 8 bits too.
    Q8,
    /// 4-bit integers with a scale for every 32; activations are rounded to 8 bits.
    Q4,
}

impl Format {
    /// The name used in configuration and in saved files.
    pub fn name(self) -> &'static str {
        match self {
            Format::F32 => "f32",
            Format::Bf16 => "bf16",
            Format::Q8 => "q8",
            Format::Q4 => "q4",
        }
    }

    /// Whether activations are rounded to integers for it.
    pub fn is_integer(self) -> bool {
        matches!(self, Format::Q8 | Format::Q4)
    }

    /// Columns as stored, zeros included.
    fn padded(self, cols: usize) -> usize {
        match self {
            Format::F32 => cols,
            Format::Bf16 | Format::Q8 | Format::Q4 => cols.next_multiple_of(GROUP),
        }
    }

    /// Bytes of one panel without its scales.
    fn body_bytes(self, cols: usize) -> usize {
        let weights = self.padded(cols) * PANEL;
        match self {
            Format::F32 => weights * 4,
            Format::Bf16 => weights * 2,
            Format::Q8 => weights,
            Format::Q4 => weights / 2,
        }
    }

    /// Bytes from one panel to the next.
    fn panel_bytes(self, cols: usize) -> usize {
        let scales = if self.is_integer() {
            self.padded(cols) / GROUP * PANEL * 2
        } else {
            0
        };
        (self.body_bytes(cols) + scales).next_multiple_of(64)
    }

    /// Bytes of a whole matrix of this shape: what to plan memory with.
    pub fn matrix_bytes(self, rows: usize, cols: usize) -> usize {
        rows.div_ceil(PANEL) * self.panel_bytes(cols)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        [Format::F32, Format::Bf16, Format::Q8, Format::Q4]
            .into_iter()
            .find(|f| f.name() == name)
            .ok_or_else(|| format!("unknown weight format {name:?}: f32, bf16, q8 or q4"))
    }
}

/// Where weights come from: any row, as f32.
pub type RowSource<'a> = dyn Fn(usize, &mut [f32]) + Sync + 'a;

/// A packed matrix `[rows, cols]`; it maps a vector of `cols` to one of `rows`.
pub struct Matrix {
    format: Format,
    rows: usize,
    cols: usize,
    bytes: Pages,
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Matrix[{}, {}] {}", self.rows, self.cols, self.format)
    }
}

impl Matrix {
    /// Packs `rows` rows of `cols` values given by `source`, quantising as `format` says. Fails
    /// when there is no memory for it.
    pub fn pack(
        format: Format,
        rows: usize,
        cols: usize,
        source: &RowSource<'_>,
    ) -> io::Result<Matrix> {
        let size = format.matrix_bytes(rows, cols);
        let mut bytes = Pages::zeroed(size, Backing::Huge)?;
        let stride = format.panel_bytes(cols);
        let panels: Vec<_> = bytes
            .chunks_mut(stride.max(1))
            .map(std::sync::Mutex::new)
            .collect();
        Pool::global().run(panels.len(), &|p| {
            let mut panel = panels[p]
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut values = vec![0f32; PANEL * format.padded(cols)];
            for (r, row) in values.chunks_mut(format.padded(cols)).enumerate() {
                if p * PANEL + r < rows {
                    source(p * PANEL + r, &mut row[..cols]);
                }
            }
            pack::panel(format, &values, &mut panel);
        });
        drop(panels);
        Ok(Matrix {
            format,
            rows,
            cols,
            bytes,
        })
    }

    /// Packs values that lie in memory, row after row. Fails when there is no memory for it.
    pub fn from_values(
        format: Format,
        rows: usize,
        cols: usize,
        values: &[f32],
    ) -> io::Result<Matrix> {
        assert_eq!(values.len(), rows * cols, "a matrix is rows times columns");
        Matrix::pack(format, rows, cols, &|r, out| {
            out.copy_from_slice(&values[r * cols..(r + 1) * cols]);
        })
    }

    /// A matrix from the bytes [`Matrix::packed`] gave. Fails when the length is not that of
    /// such a matrix, or when there is no memory for it.
    pub fn from_packed(
        format: Format,
        rows: usize,
        cols: usize,
        packed: &[u8],
    ) -> io::Result<Matrix> {
        let size = format.matrix_bytes(rows, cols);
        if packed.len() != size {
            let message = format!(
                "a {format} matrix [{rows}, {cols}] has {size} bytes, not {}",
                packed.len()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let mut bytes = Pages::zeroed(size, Backing::Huge)?;
        bytes.copy_from_slice(packed);
        Ok(Matrix {
            format,
            rows,
            cols,
            bytes,
        })
    }

    /// The bytes as packed: what a saved file holds.
    pub fn packed(&self) -> &[u8] {
        &self.bytes
    }

    /// How it is stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Length of what it yields.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Length of what it takes.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Columns as stored, zeros included.
    pub(crate) fn padded_cols(&self) -> usize {
        self.format.padded(self.cols)
    }

    /// Panels of sixteen rows, the last one possibly filled up with zeros.
    pub(crate) fn panels(&self) -> usize {
        self.rows.div_ceil(PANEL)
    }

    /// Bytes from one panel to the next.
    pub(crate) fn stride(&self) -> usize {
        self.format.panel_bytes(self.cols)
    }

    /// Where in a panel the scales begin.
    pub(crate) fn scales_at(&self) -> usize {
        self.format.body_bytes(self.cols)
    }

    /// Reads row `row` back as f32: how an embedding table shares memory with the output layer.
    ///
    /// # Panics
    /// When `row` or `out` do not fit the matrix.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.cols, "a row fits");
        let at = row / PANEL * self.stride();
        let panel = &self.bytes[at..at + self.stride()];
        let r = row % PANEL;
        for (c, out) in out.iter_mut().enumerate() {
            *out = self.value(panel, r, c);
        }
    }

    fn value(&self, panel: &[u8], r: usize, c: usize) -> f32 {
        let scale = || {
            let at = self.scales_at() + (c / GROUP * PANEL + r) * 2;
            f16::from_le_bytes([panel[at], panel[at + 1]]).to_f32()
        };
        match self.format {
            Format::F32 => {
                let at = (c * PANEL + r) * 4;
                f32::from_le_bytes([panel[at], panel[at + 1], panel[at + 2], panel[at + 3]])
            }
            Format::Bf16 => {
                let at = ((c / 2 * PANEL + r) * 2 + c % 2) * 2;
                bf16::from_le_bytes([panel[at], panel[at + 1]]).to_f32()
            }
            Format::Q8 => {
                let at = (c / 4 * PANEL + r) * 4 + c % 4;
                (f32::from(panel[at]) - 128.0) * scale()
            }
            Format::Q4 => {
                let quad = c % GROUP / 4;
                let at = c / GROUP * (GROUP * PANEL / 2) + ((quad % 4) * PANEL + r) * 4 + c % 4;
                let nibble = if quad < 4 {
                    panel[at] & 15
                } else {
                    panel[at] >> 4
                };
                (f32::from(nibble) - 8.0) * scale()
            }
        }
    }
}

#[cfg(test)]
mod tests;
