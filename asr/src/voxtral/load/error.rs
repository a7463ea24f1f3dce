//! Why a checkpoint cannot be used, each with what to do about it.
use std::{io, path::PathBuf};

use voiced_nn::{tekken::TekkenError, weights::WeightsError};

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The directory lacks a file.
    #[error("{directory} holds {found}: expected {expected}", directory = directory.display())]
    NotACheckpoint {
        /// The directory.
        directory: PathBuf,
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },
    /// A configuration is unreadable or of another model.
    #[error("{path}: {what}", path = path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Weights of one naming beside the configuration of the other.
    #[error("{weights} names its tensors as {found} does, but {config} is {expected}'s: put the matching configuration beside it",
        weights = weights.display(), config = config.display())]
    OtherNaming {
        /// The weights.
        weights: PathBuf,
        /// The configuration.
        config: PathBuf,
        /// Whose names the weights have.
        found: &'static str,
        /// Whose configuration it is.
        expected: &'static str,
    },
    /// The weights do not fit.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The tokenizer does not fit.
    #[error(transparent)]
    Tekken(#[from] TekkenError),
    /// A small file cannot be copied.
    #[error("cannot write {path}: {source}", path = path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}
