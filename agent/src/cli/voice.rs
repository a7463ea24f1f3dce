//! What can be typed about voices: `voiced speak` and `voiced voices`.
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::ConfigArgs;
use crate::config::Sources;

/// `voiced speak`
#[derive(Debug, Args)]
pub struct Speak {
    /// The settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// What to read, or - for standard input
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub text: Option<String>,
    /// Read this file instead, of any length
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Leave out so many bytes of the file: where an earlier run stopped
    #[arg(long, value_name = "BYTE", default_value_t = 0)]
    pub from: u64,
    /// Where to write, or - for standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Form of the sound; by the name of the file when not given, else WAV
    #[arg(short, long, value_enum)]
    pub format: Option<SoundForm>,
    /// Whose voice; `voiced voices list` lists them
    #[arg(long, value_name = "NAME")]
    pub voice: Option<String>,
    /// Its tempo, 0.25 to 1.5
    #[arg(long, value_name = "FACTOR")]
    pub speed: Option<String>,
    /// Language numbers and dates are read in: en, fr, es, de, it, pt, nl, ar or hi (voxtral)
    #[arg(long, value_name = "CODE")]
    pub language: Option<String>,
    /// The same seed says the same text in the same way (voxtral)
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<String>,
}

impl Speak {
    /// All layers.
    pub fn sources(&self) -> Sources {
        let flags = [
            ("--voice", "voice.voice", &self.voice),
            ("--speed", "voice.speed", &self.speed),
            ("--language", "voice.voxtral.language", &self.language),
            ("--seed", "voice.voxtral.seed", &self.seed),
        ];
        let given = flags
            .into_iter()
            .filter_map(|(flag, key, value)| Some((flag, key, value.clone()?)));
        self.config.sources(given.collect())
    }
}

/// Forms of sound, all mono.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SoundForm {
    /// A WAV file, 16 bits, 24 kHz
    Wav,
    /// A FLAC file, 16 bits, 24 kHz
    Flac,
    /// Opus in Ogg
    Opus,
    /// Bare little-endian samples, 16 bits, 24 kHz
    Pcm,
}

/// `voiced voices`
#[derive(Debug, Args)]
pub struct Voices {
    /// What to do with them.
    #[command(subcommand)]
    pub command: VoicesCommand,
}

/// What can be done with voices.
#[derive(Debug, Subcommand)]
pub enum VoicesCommand {
    /// List the voices of the configured engine
    List(VoicesList),
    /// Add a voice from a voice file (.safetensors, .pt), or from a recording of 3 to 30 s
    Add(VoicesAdd),
    /// Forget an added voice and delete its file
    Remove(VoicesRemove),
    /// Let a voice say a sentence
    Preview(VoicesPreview),
}

/// `voiced voices list`
#[derive(Debug, Args)]
pub struct VoicesList {
    /// The settings.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// `voiced voices add`
#[derive(Debug, Args)]
pub struct VoicesAdd {
    /// The settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// What it will be asked for by: lower-case letters, digits, - and _; a language first, as in
    /// de_anna, tells how numbers are read
    pub name: String,
    /// The voice file or the recording
    pub file: PathBuf,
}

/// `voiced voices remove`
#[derive(Debug, Args)]
pub struct VoicesRemove {
    /// The settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Which one
    pub name: String,
}

/// `voiced voices preview`
#[derive(Debug, Args)]
pub struct VoicesPreview {
    /// The settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Which one
    pub name: String,
    /// What it says; a sentence in its language when not given
    #[arg(long)]
    pub text: Option<String>,
    /// Where to write, or - for standard output; NAME.wav when not given
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
