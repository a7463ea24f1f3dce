//! Codes to vectors and back: a table for the semantic code, evenly spaced levels for the others.
use candle_core::{Result, bail};

use super::{CodecConfig, Frame};

const SPECIALS: u16 = 2;
/// A cluster nobody used is not divided by nothing.
const LEAST_USE: f32 = 1e-5;

pub(super) struct Quantizer {
    /// `[codes, semantic_dim]`.
    table: Vec<f32>,
    semantic_dim: usize,
    acoustic: usize,
    levels: usize,
}

impl Quantizer {
    /// A quantizer of the sums and counts a checkpoint keeps.
    pub fn new(config: &CodecConfig, mut sums: Vec<f32>, usage: &[f32]) -> Quantizer {
        for (row, usage) in sums.chunks_exact_mut(config.semantic_dim).zip(usage) {
            row.iter_mut().for_each(|v| *v /= usage.max(LEAST_USE));
        }
        Quantizer {
            table: sums,
            semantic_dim: config.semantic_dim,
            acoustic: config.acoustic,
            levels: config.levels,
        }
    }

    pub fn table(&self) -> &[f32] {
        &self.table
    }

    /// Width of a vector.
    pub fn width(&self) -> usize {
        self.semantic_dim + self.acoustic
    }

    /// Appends the vector of a frame. Fails when a code does not exist.
    pub fn vector(&self, frame: &Frame, out: &mut Vec<f32>) -> Result<()> {
        let level = |code: &u16| {
            code.checked_sub(SPECIALS)
                .filter(|c| usize::from(*c) < self.levels)
        };
        let semantic = frame.0.first().and_then(|code| code.checked_sub(SPECIALS));
        let at = semantic
            .map_or(usize::MAX, usize::from)
            .saturating_mul(self.semantic_dim);
        let row = self.table.get(at..at.saturating_add(self.semantic_dim));
        let (Some(row), [_, acoustic @ ..]) = (row, frame.0.as_slice()) else {
            bail!("no semantic code {:?}", frame.0.first());
        };
        if acoustic.len() != self.acoustic || acoustic.iter().any(|c| level(c).is_none()) {
            bail!("acoustic codes {acoustic:?}");
        }
        out.extend_from_slice(row);
        let most = (self.levels - 1) as f32;
        out.extend(
            acoustic
                .iter()
                .map(|c| f32::from(c - SPECIALS) * 2.0 / most - 1.0),
        );
        Ok(())
    }

    /// The frame nearest to a vector whose acoustic part is not yet squashed to -1…1.
    pub fn frame(&self, vector: &[f32]) -> Frame {
        let (semantic, acoustic) = vector.split_at(self.semantic_dim);
        let distance = |row: &[f32]| -> f32 {
            row.iter()
                .zip(semantic)
                .map(|(t, z)| (z - t) * (z - t))
                .sum()
        };
        let mut nearest = (f32::INFINITY, 0);
        for (code, row) in self.table.chunks_exact(self.semantic_dim).enumerate() {
            let distance = distance(row);
            if distance < nearest.0 {
                nearest = (distance, code);
            }
        }
        let mut codes = vec![nearest.1 as u16 + SPECIALS];
        codes.extend(acoustic.iter().map(|z| self.nearest_level(z.tanh())));
        Frame(codes)
    }

    fn nearest_level(&self, value: f32) -> u16 {
        level(value, self.levels)
    }
}

/// The shifted code of a value, clamped to -1…1; ties go to the even level.
pub(crate) fn level(value: f32, levels: usize) -> u16 {
    let scaled = (value.clamp(-1.0, 1.0) + 1.0) / 2.0 * (levels - 1) as f32;
    // A NaN becomes level zero.
    scaled.round_ties_even() as u16 + SPECIALS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_even_levels_and_the_ends_hold() {
        assert_eq!(level(-7.0, 21), 2);
        assert_eq!(level(7.0, 21), 22);
        // Half a level: 0.5 goes down to 0, 1.5 up to 2.
        assert_eq!(level(-0.5, 3), 2);
        assert_eq!(level(0.5, 3), 4);
        assert_eq!(level(-0.25, 3), 3);
        assert_eq!(level(0.0, 21), 12);
        assert_eq!(level(f32::NAN, 21), 2);
    }
}
