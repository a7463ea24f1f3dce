//! How much memory a number of rows takes, asked before anything is loaded.
use voiced_nn::memory::{free, size};

use super::Options;
use crate::{
    voices::MOST_ROWS,
    voxtral::{Caches, Config, Formats},
};

/// More is asked for than there is.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "{rows} rows of Voxtral TTS do not fit: weights {weights}, attention memory for {rows} rows \
     and {voices} voices {caches}, together {needed} of {available} available; ask for fewer rows, \
     a shorter context or smaller weights",
    weights = size(*weights), caches = size(*caches), needed = size(weights + caches),
    available = size(*available)
)]
pub struct PlanError {
    /// Rows asked for.
    pub rows: usize,
    /// Voices whose beginnings are kept.
    pub voices: usize,
    /// Bytes of weights.
    pub weights: u64,
    /// Bytes of attention memory.
    pub caches: u64,
    /// Bytes there are.
    pub available: u64,
}

/// An engine that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Bytes of weights. The file's text embeddings, of which little is read, are not counted.
    pub weights: u64,
    /// Bytes of attention memory when every row has come to the end of its context.
    pub caches: u64,
    /// Bytes there are, where that is known.
    pub available: Option<u64>,
}

impl Plan {
    /// Room for these options in `available` bytes, or in what the system has free. Fails with the
    /// numbers when it does not fit.
    pub fn new(
        config: &Config,
        formats: Formats,
        options: &Options,
        available: Option<u64>,
    ) -> Result<Plan, PlanError> {
        let bytes = |positions| Caches::bytes(config, positions, options.cache) as u64;
        let (rows, voices) = (options.rows, options.voices_kept);
        let plan = Plan {
            weights: formats.bytes(config) as u64,
            // A kept voice writes no more than its rows; the rest of its place stays untouched.
            caches: rows as u64 * bytes(options.context) + voices as u64 * bytes(MOST_ROWS + 3),
            available: available.or_else(free),
        };
        match plan.available {
            Some(available) if plan.weights + plan.caches > available => Err(PlanError {
                rows,
                voices,
                weights: plan.weights,
                caches: plan.caches,
                available,
            }),
            _ => Ok(plan),
        }
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (weights, caches) = (size(self.weights), size(self.caches));
        write!(f, "weights {weights}, attention memory up to {caches}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use voiced_nn::matrix::Format;

    use super::*;

    fn plan(format: Format, rows: usize, available: u64) -> Result<Plan, PlanError> {
        let options = Options {
            rows,
            ..Options::default()
        };
        Plan::new(
            &Config::published(),
            Formats::new(format),
            &options,
            Some(available),
        )
    }

    #[test]
    fn the_published_model_takes_what_was_calculated() {
        // 4.00 billion values, of which the 403 million of the text embeddings stay in the file;
        // the table of audio embeddings (28 million) and the semantic head are kept in f32, as are
        // the codec's convolutions.
        let near = |plan: Plan, gb: f64| {
            let off = plan.weights as f64 / (gb * 1e9) - 1.0;
            assert!(off.abs() < 0.01, "{plan:?} is not {gb} GB");
        };
        near(plan(Format::Bf16, 4, 1 << 40).unwrap(), 7.345);
        // Layers: 3.026 + 0.349 billion at 8.5 bits.
        near(plan(Format::Q8, 4, 1 << 40).unwrap(), 4.18);
        // 106,496 bytes a position: four rows of 4,096 and eight voices of 379.
        let plan = plan(Format::Bf16, 4, 1 << 40).unwrap();
        let positions = plan.caches as f64 / 106_496.0;
        let want = (4 * 4_096 + 8 * 384) as f64;
        assert!(
            (positions / want - 1.0).abs() < 0.01,
            "{positions} and not {want}"
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_numbers() {
        let text = plan(Format::Q4, 64, 6_000_000_000).unwrap_err().to_string();
        for part in [
            "64 rows",
            "8 voices",
            "GB of 6.00 GB available",
            "fewer rows",
        ] {
            assert!(text.contains(part), "{part:?} not in {text}");
        }
    }
}
