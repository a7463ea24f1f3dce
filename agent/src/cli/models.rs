//! `voiced models` as it is typed.
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use voiced_nn::matrix::Format;

use super::ConfigArgs;

/// `voiced models`
#[derive(Debug, Args)]
pub struct Models {
    /// The settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// What to do with them.
    #[command(subcommand)]
    pub command: ModelsCommand,
}

/// What can be done with models.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// Fetch a model: voxtral-realtime (hears) or voxtral-tts (speaks)
    Fetch(FetchModel),
    /// List the models that are known and those that are here
    List,
    /// Look through a model's files and tell everything that is wrong with them
    Verify(VerifyModel),
    /// Write a quantised copy of a model, which is smaller and loads quickly
    Quantize(QuantizeModel),
}

/// `voiced models fetch`
#[derive(Debug, Args)]
pub struct FetchModel {
    /// Which one; `voiced models list` lists them
    pub model: String,
    /// Quantise it too, into a folder of its own
    #[arg(long, value_enum)]
    pub quant: Option<Quant>,
    /// Another hub, such as a mirror near you
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// Take the files from this folder instead of a hub
    #[arg(long, value_name = "DIR", conflicts_with_all = ["mirror", "revision"])]
    pub from: Option<PathBuf>,
    /// Another revision than the one this version was written for
    #[arg(long, value_name = "COMMIT")]
    pub revision: Option<String>,
    /// Agree to this licence without being asked, where one must be agreed to
    #[arg(long, value_name = "LICENCE")]
    pub accept_licence: Option<String>,
}

/// `voiced models verify`
#[derive(Debug, Args)]
pub struct VerifyModel {
    /// Its name, or its folder with a slash
    pub model: String,
}

/// `voiced models quantize`
#[derive(Debug, Args)]
pub struct QuantizeModel {
    /// Its name, or its folder with a slash
    pub model: String,
    /// To what
    #[arg(long, value_enum, default_value_t = Quant::Q8)]
    pub to: Quant,
    /// Folder of the copy; beside the model when not given
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// How weights are quantised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Quant {
    /// 8 bits
    Q8,
    /// 4 bits, and 8 where the errors would reach every word
    Q4,
}

impl Quant {
    /// As typed.
    pub fn name(self) -> &'static str {
        match self {
            Quant::Q8 => "q8",
            Quant::Q4 => "q4",
        }
    }

    /// As the models call it.
    pub fn format(self) -> Format {
        match self {
            Quant::Q8 => Format::Q8,
            Quant::Q4 => Format::Q4,
        }
    }

    /// About the bytes of a copy of a model of so many.
    pub fn share_of(self, bytes: u64) -> u64 {
        match self {
            Quant::Q8 => bytes * 27 / 50,
            Quant::Q4 => bytes * 19 / 50,
        }
    }
}
