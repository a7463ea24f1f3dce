//! A linear layer, and several of them applied to the same rows at once.
use std::sync::Arc;

use candle_core::{Result, Tensor, bail};

use crate::{
    cpu::Isa,
    kernel::{self, Part, Tile},
    matrix::{Format, Matrix, PANEL},
    pool,
    quantize::Prepared,
    rows::values,
};

/// `y = W x + b`. Cloning shares the weights.
#[derive(Clone, Debug)]
pub struct Linear {
    matrix: Arc<Matrix>,
    bias: Option<Arc<[f32]>>,
}

impl Linear {
    /// A layer of these weights.
    ///
    /// # Panics
    /// When the bias is not one value for each row of the matrix.
    pub fn new(matrix: Matrix, bias: Option<Vec<f32>>) -> Linear {
        assert!(
            bias.as_ref().is_none_or(|b| b.len() == matrix.rows()),
            "a bias for each output"
        );
        Linear {
            matrix: Arc::new(matrix),
            bias: bias.map(Into::into),
        }
    }

    /// Width of what it yields.
    pub fn out_width(&self) -> usize {
        self.matrix.rows()
    }

    /// Width of what it takes.
    pub fn in_width(&self) -> usize {
        self.matrix.cols()
    }

    /// How the weights are stored.
    pub fn format(&self) -> Format {
        self.matrix.format()
    }

    /// The weights.
    pub fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// `[rows, in]` to `[rows, out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        project(&[self], x)
    }

    /// Rows of the weights by index, `[ids, in]`: an embedding lookup in the output matrix.
    pub fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        let width = self.in_width();
        let mut out = vec![0f32; ids.len() * width];
        for (id, out) in ids.iter().zip(out.chunks_mut(width)) {
            if *id as usize >= self.out_width() {
                bail!("token {id} is outside a vocabulary of {}", self.out_width());
            }
            self.matrix.row(*id as usize, out);
        }
        Tensor::from_vec(out, (ids.len(), width), &candle_core::Device::Cpu)
    }
}

/// Applies several layers of one input width to `x`, `[rows, in]`, and puts their outputs side by
/// side, `[rows, sum of outs]`: the rows are prepared once and the threads meet once.
pub fn project(layers: &[&Linear], x: &Tensor) -> Result<Tensor> {
    project_with(Isa::detect(), layers, x)
}

/// Panels a thread takes at a time: about 0.4 MB of bf16 weights at a width of 3072, some 20
/// microseconds, so that the last one to finish is not waited for long.
const PIECE: usize = 4;

fn project_with(isa: Isa, layers: &[&Linear], x: &Tensor) -> Result<Tensor> {
    let (count, cols) = x.dims2()?;
    if layers.iter().any(|l| l.in_width() != cols) {
        bail!("layers {layers:?} given rows of {cols}");
    }
    let width: usize = layers.iter().map(|l| l.out_width()).sum();
    let matrices: Vec<&Matrix> = layers.iter().map(|l| l.matrix()).collect();
    let prepared = values(x, |x| Prepared::new(isa, x, cols, &matrices))?;

    let mut out = vec![0f32; count * width];
    let sink = Columns {
        start: out.as_mut_ptr(),
        width,
        count,
    };
    let mut pieces = Vec::new();
    let mut column = 0;
    for layer in layers {
        for first in (0..layer.matrix.panels()).step_by(PIECE) {
            pieces.push((*layer, first, column));
        }
        column += layer.out_width();
    }
    pool::run(count * cols * width, pieces.len(), &|i| {
        let (layer, first, column) = pieces[i];
        let end = (first + PIECE).min(layer.matrix.panels());
        piece(isa, layer, first..end, &prepared, column, &sink);
    });
    Tensor::from_vec(out, (count, width), x.device())
}

/// Computes some panels for all rows. The panels of a tile stay in the cache while the rows pass.
fn piece(
    isa: Isa,
    layer: &Linear,
    panels: std::ops::Range<usize>,
    x: &Prepared,
    column: usize,
    sink: &Columns,
) {
    let mut tile = Tile::new();
    let (most, widest) = kernel::shape(isa, layer.format(), x.count);
    let mut panel = panels.start;
    while panel < panels.end {
        let mut wide = widest;
        while panel + wide > panels.end {
            wide /= 2;
        }
        for row in (0..x.count).step_by(most) {
            let rows = most.min(x.count - row);
            let part = Part {
                matrix: &layer.matrix,
                panel,
                panels: wide,
                x,
                row,
                rows,
            };
            kernel::tile(isa, part, &mut tile);
            for p in 0..wide {
                let first = (panel + p) * PANEL;
                let bias = layer.bias.as_ref().map(|b| &b[first..]);
                for m in 0..rows {
                    let lanes = &mut tile.0[p][m];
                    let lanes = &mut lanes[..PANEL.min(layer.out_width() - first)];
                    if let Some(bias) = bias {
                        lanes.iter_mut().zip(bias).for_each(|(l, b)| *l += b);
                    }
                    sink.write(row + m, column + first, lanes);
                }
            }
        }
        panel += wide;
    }
}

/// The output, written by several threads, each in columns of its own.
struct Columns {
    start: *mut f32,
    width: usize,
    count: usize,
}

#[allow(unsafe_code)]
// SAFETY: pieces write disjoint columns, and nobody reads before all are done.
unsafe impl Sync for Columns {}

impl Columns {
    #[allow(unsafe_code)]
    fn write(&self, row: usize, column: usize, lanes: &[f32]) {
        assert!(row < self.count && column + lanes.len() <= self.width);
        // SAFETY: inside the output as just checked, and no other piece has these columns.
        unsafe {
            let to = self.start.add(row * self.width + column);
            to.copy_from_nonoverlapping(lanes.as_ptr(), lanes.len());
        }
    }
}

#[cfg(test)]
mod tests;
