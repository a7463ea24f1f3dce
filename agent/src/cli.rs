//! The command line: one tree of commands, and how what is typed becomes settings. Flags win over
//! the environment, which wins over the file.
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Sources;

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
    /// Recording (WAV, FLAC, MP3 or Ogg Vorbis), or - for standard input
    pub file: PathBuf,
    /// What to write
    #[arg(short, long, value_enum, default_value_t = TranscriptFormat::Text)]
    pub format: TranscriptFormat,
}

/// Forms of a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TranscriptFormat {
    /// One line per utterance
    Text,
    /// Utterances with their times in seconds
    Json,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
}

/// `voiced speak`
#[derive(Debug, Args)]
pub struct Speak {
    /// The settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// What to read, or - for standard input
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub text: Option<String>,
    /// Read this file instead
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Where to write, or - for standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Form of the sound
    #[arg(short, long, value_enum, default_value_t = SoundFormat::Wav)]
    pub format: SoundFormat,
    /// Whose voice; `voiced engines` lists them
    #[arg(long, value_name = "NAME")]
    pub voice: Option<String>,
    /// Its tempo, 0.25 to 1.5
    #[arg(long, value_name = "FACTOR")]
    pub speed: Option<String>,
}

/// Forms of sound, both mono, 16 bits, 24 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SoundFormat {
    /// A WAV file
    Wav,
    /// Bare little-endian samples
    Pcm,
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
#[derive(Debug, Args)]
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
    /// All of them
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
