//! The command line: one tree of commands, and how what is typed becomes settings. Flags win over
//! the environment, which wins over the file.
use std::{num::NonZeroUsize, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use voiced_nn::matrix::Format;

use crate::config::Sources;

mod models;
mod voice;

pub use models::{FetchModel, Models, ModelsCommand, Quant, QuantizeModel, VerifyModel};
pub use voice::{
    SoundForm, Speak, Voices, VoicesAdd, VoicesCommand, VoicesList, VoicesPreview, VoicesRemove,
};

/// voiced answers spoken calls: it hears, decides, thinks and speaks.
#[derive(Debug, Parser)]
#[command(name = "voiced", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve calls: console, WebRTC and WebSocket, until SIGTERM
    Serve(Serve),
    /// Talk to the agent with this machine's microphone and loudspeaker
    Talk(Talk),
    /// Call a telephone, and let the agent talk
    Call(Call),
    /// Write down the speech in a recording
    Transcribe(Transcribe),
    /// Read a text aloud into a file
    Speak(Speak),
    /// List, add, remove and try voices
    Voices(Voices),
    /// Fetch, list, look through and quantise the files of models
    Models(Models),
    /// Print the effective configuration, or every mistake in it
    Check(Check),
    /// Measure a daemon on this machine
    Bench(Bench),
    /// List the engines: what is available here, and why not
    Engines(Engines),
}

/// Where the settings come from.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArgs {
    /// Configuration file; without one the defaults serve: everything embedded
    #[arg(short, long, value_name = "FILE", env = "VOICED_CONFIG")]
    pub config: Option<PathBuf>,
    /// One setting, over file and environment: --set turns.silence_ms=300
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
}

impl ConfigArgs {
    /// All layers, with `more` flags of a command's own.
    pub fn sources(&self, more: Vec<(&str, &str, String)>) -> Sources {
        let set = self.settings.iter();
        let set = set.map(|(key, value)| ("--set".to_owned(), key.clone(), value.clone()));
        let more = more
            .into_iter()
            .map(|(flag, key, value)| (flag.to_owned(), key.to_owned(), value));
        Sources::of_process(self.config.clone(), set.chain(more).collect())
    }
}

fn setting(typed: &str) -> Result<(String, String), String> {
    let (key, value) = typed
        .split_once('=')
        .ok_or("write it as KEY=VALUE, such as turns.silence_ms=300")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// `voiced serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// The settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(short, long, value_name = "ADDR")]
    pub listen: Option<String>,
}

impl Serve {
    /// All layers.
    pub fn sources(&self) -> Sources {
        let listen = self.listen.clone();
        let listen = listen.map(|address| ("--listen", "listen.address", address));
        self.config.sources(listen.into_iter().collect())
    }
}

/// `voiced talk`
#[derive(Debug, Args)]
pub struct Talk {
    /// The settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Who answers
    #[arg(short, long, value_name = "NAME")]
    pub persona: Option<String>,
    /// Microphone, by a part of its name
    #[arg(long, value_name = "NAME")]
    pub microphone: Option<String>,
    /// Loudspeaker, by a part of its name
    #[arg(long, value_name = "NAME")]
    pub loudspeaker: Option<String>,
}

/// `voiced call`
#[derive(Debug, Args)]
pub struct Call {
    /// The settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Whom: sip:somebody@example.com, or tel:+442079460000 over the configured trunk
    pub target: String,
    /// Who talks
    #[arg(short, long, value_name = "NAME")]
    pub persona: Option<String>,
}

/// `voiced transcribe`
#[derive(Debug, Args)]
pub struct Transcribe {
    /// The settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Recordings (WAV, FLAC, MP3, Ogg Vorbis, Ogg Opus or M4A), or - for standard input
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// What to write
    #[arg(short, long, value_enum, default_value_t = TranscriptFormat::Text)]
    pub format: TranscriptFormat,
    /// Folder to write to, a file for each recording; needed for several recordings
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// How long the recogniser listens on before it writes: 80 to 1200 in steps of 80, or 2400
    /// (voxtral and mistral)
    #[arg(long, value_name = "MS")]
    pub delay_ms: Option<String>,
    /// A live stream on standard input: words as they come, to its end or Ctrl-C
    #[arg(long)]
    pub follow: bool,
    /// Input is bare 16-bit little-endian mono samples at this rate
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(4_000..=384_000))]
    pub raw: Option<u32>,
    /// Recordings heard at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallel: u16,
}

impl Transcribe {
    /// All layers.
    pub fn sources(&self) -> Sources {
        let mut flags = Vec::new();
        if let Some(ms) = &self.delay_ms {
            flags.push(("--delay-ms", "ear.voxtral.delay_ms", ms.clone()));
            flags.push(("--delay-ms", "ear.mistral.delay_ms", ms.clone()));
        }
        self.config.sources(flags)
    }
}

/// Forms of a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TranscriptFormat {
    /// One line per utterance
    Text,
    /// Utterances, and words where the recogniser knows them, with times in seconds
    Json,
    /// The same, one utterance a line
    Jsonl,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
}

impl TranscriptFormat {
    /// How its files are called.
    pub fn extension(self) -> &'static str {
        match self {
            TranscriptFormat::Text => "txt",
            TranscriptFormat::Json => "json",
            TranscriptFormat::Jsonl => "jsonl",
            TranscriptFormat::Srt => "srt",
            TranscriptFormat::Vtt => "vtt",
        }
    }
}

/// `voiced check`
#[derive(Debug, Args)]
pub struct Check {
    /// The settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Print every setting with its default and its sentence instead
    #[arg(long)]
    pub print_default: bool,
}

/// `voiced bench`
#[derive(Clone, Debug, Args)]
pub struct Bench {
    /// What to measure
    #[arg(value_enum, default_value_t = BenchKind::All)]
    pub kind: BenchKind,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Calls at once, for `calls` and `webrtc`; the figure to reach by default
    #[arg(long)]
    pub calls: Option<usize>,
    /// How long `calls` and `webrtc` keep their calls, in seconds
    #[arg(long, default_value_t = 20)]
    pub seconds: u64,
    /// Turns for `latency` and `barge-in`
    #[arg(long, default_value_t = 60)]
    pub turns: usize,
    /// Calls made and ended, for `memory`
    #[arg(long, default_value_t = 2_000)]
    pub cycles: usize,
    /// For `asr` and `tts`: the published sizes full of noise, made in memory, nothing downloaded
    #[arg(long, conflicts_with = "model")]
    pub random_weights: bool,
    /// For `asr` and `tts`: a checkpoint's directory
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// For `asr` and `tts`: how weights are stored, bf16, q8 or q4, one after the other
    #[arg(long, value_delimiter = ',', default_value = "bf16,q8,q4")]
    pub weights: Vec<Format>,
    /// For `asr` and `tts`: rows stepped together, one number after the other
    #[arg(long, value_delimiter = ',', default_value = "1,4,16,32")]
    pub rows: Vec<usize>,
    /// For `asr` and `tts`: tokens or frames measured for each number of rows
    #[arg(long, default_value_t = 12)]
    pub steps: usize,
    /// For `asr`: positions before the tokens measured, where one row is alone
    #[arg(long, value_delimiter = ',', default_value = "250,1000")]
    pub contexts: Vec<usize>,
    /// For `asr` and `tts`: threads; one for each core by default
    #[arg(long)]
    pub threads: Option<NonZeroUsize>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchKind {
    /// The daemon's own share of voice to voice
    Latency,
    /// From the first loud sample in to the last agent sample out
    BargeIn,
    /// WebSocket calls at once
    Calls,
    /// WebRTC calls at once
    Webrtc,
    /// Memory per call, and whether it comes back
    Memory,
    /// Time from start to ready, with the embedded engines
    Start,
    /// Voxtral Realtime on this machine's processors: needs --random-weights or --model
    Asr,
    /// Voxtral TTS on this machine's processors: needs --random-weights or --model
    Tts,
    /// All but the models
    All,
}

/// `voiced engines`
#[derive(Debug, Args)]
pub struct Engines {
    /// The settings.
    #[command(flatten)]
    pub config: ConfigArgs,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_become_settings() {
        let typed = [
            "voiced",
            "serve",
            "--listen",
            "[::1]:9",
            "--set",
            "turns.sure=0.5",
        ];
        let Command::Serve(serve) = Cli::try_parse_from(typed).unwrap().command else {
            panic!("serve was asked for");
        };
        let flags = serve.sources().flags;
        let flag = |flag: &str, key: &str, value: &str| (flag.into(), key.into(), value.into());
        assert_eq!(
            flags,
            [
                flag("--set", "turns.sure", "0.5"),
                flag("--listen", "listen.address", "[::1]:9")
            ]
        );
        assert!(Cli::try_parse_from(["voiced", "serve", "--set", "turns.sure"]).is_err());
    }

    #[test]
    fn speak_wants_a_text_or_a_file_but_not_both() {
        let parse = |typed: &[&str]| Cli::try_parse_from(typed.iter().copied());
        assert!(parse(&["voiced", "speak", "hello", "-o", "-"]).is_ok());
        assert!(parse(&["voiced", "speak", "-", "-o", "a.wav"]).is_ok());
        assert!(parse(&["voiced", "speak", "--file", "a.txt", "-o", "-"]).is_ok());
        assert!(parse(&["voiced", "speak", "-o", "-"]).is_err());
        assert!(parse(&["voiced", "speak", "hello", "--file", "a.txt", "-o", "-"]).is_err());
    }
}
