//! How much memory a number of rows takes, asked before anything is loaded.
use voiced_nn::{
    kv_cache::CacheFormat,
    memory::{free, size},
};

use super::TOGETHER;
use crate::voxtral::{Caches, Config, Formats};

/// More is asked for than there is.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "{rows} rows of Voxtral Realtime do not fit: weights {weights}, attention memory for {slots} \
     rows and forks {caches}, together {needed} of {available} available; \
     ask for fewer rows, a shorter context or smaller weights",
    weights = size(*weights), caches = size(*caches), needed = size(weights + caches),
    available = size(*available)
)]
pub struct PlanError {
    /// Rows asked for.
    pub rows: usize,
    /// Rows and forks.
    pub slots: usize,
    /// Bytes of weights.
    pub weights: u64,
    /// Bytes of attention memory.
    pub caches: u64,
    /// Bytes there are.
    pub available: u64,
}

/// An engine that fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Sessions at once.
    pub rows: usize,
    /// Forks at once.
    pub spares: usize,
    /// How attention memory is kept.
    pub cache: CacheFormat,
    /// Bytes of weights.
    pub weights: u64,
    /// Bytes of attention memory when every row has heard more than its window.
    pub caches: u64,
}

impl Plan {
    /// Room for `rows` sessions, and one fork for every four, in `available` bytes, or in what the
    /// system has free. Fails with the numbers when it does not fit.
    pub fn new(
        config: &Config,
        formats: Formats,
        rows: usize,
        cache: CacheFormat,
        available: Option<u64>,
    ) -> Result<Plan, PlanError> {
        let spares = rows.div_ceil(4);
        let plan = Plan {
            rows,
            spares,
            cache,
            weights: formats.bytes(config) as u64,
            // What sessions start from is 31 positions for each delay and counts as nothing.
            caches: Caches::bytes(config, rows + spares, TOGETHER, cache) as u64,
        };
        match available.or_else(free) {
            Some(available) if plan.weights + plan.caches > available => Err(PlanError {
                rows,
                slots: plan.slots(),
                weights: plan.weights,
                caches: plan.caches,
                available,
            }),
            _ => Ok(plan),
        }
    }

    /// Rows of attention memory.
    pub fn slots(&self) -> usize {
        self.rows + self.spares
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use voiced_nn::matrix::Format;

    use super::*;

    #[test]
    fn the_published_model_takes_what_was_calculated() {
        let config = Config::published();
        let plan = |format| {
            let plan = Plan::new(
                &config,
                Formats::new(format),
                1,
                CacheFormat::Bf16,
                Some(1 << 40),
            );
            plan.unwrap()
        };
        // 4.43 billion values of two bytes.
        let bf16 = plan(Format::Bf16);
        assert!(
            (bf16.weights as f64 / 8.86e9 - 1.0).abs() < 0.01,
            "{bf16:?}"
        );
        assert!((plan(Format::Q8).weights as f64 / 4.71e9 - 1.0).abs() < 0.02);
        // A full row is 832 MiB of decoder and 189 MiB of encoder; one row, one fork.
        let row = bf16.caches as f64 / 2.0;
        assert!((row / (1.02e3 * 1048576.0) - 1.0).abs() < 0.02, "{row}");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_numbers() {
        let config = Config::published();
        let formats = Formats::new(Format::Q4);
        let refused = Plan::new(&config, formats, 8, CacheFormat::Bf16, Some(6_000_000_000));
        let text = refused.unwrap_err().to_string();
        for part in [
            "8 rows",
            "10 rows and forks",
            "GB of 6.00 GB available",
            "fewer rows",
        ] {
            assert!(text.contains(part), "{part:?} not in {text}");
        }
    }
}
