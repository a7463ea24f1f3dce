//! What each command does, and the exit code it ends with: 64 for a mistake in the configuration
//! or on the command line, 69 for a lost engine, 70 for a bug, 1 for everything else.
use std::{
    io::{Read, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use voiced_core::audio::SampleRate;

use crate::{
    bench, call, cli,
    cli::{Command, SoundFormat},
    config::{self, Config, ConfigError, LogFormat, Needs, Sources, print},
    daemon,
    engines::{self, EngineLost},
    inventory, logging, recording, speak, terminal, transcribe,
};

/// A mistake in the configuration or on the command line.
pub const USAGE: u8 = 64;
/// An engine was lost.
pub const UNAVAILABLE: u8 = 69;
/// A bug.
pub const SOFTWARE: u8 = 70;

/// Does what was typed.
///
/// # Errors
/// When it cannot be done; [`exit_code`] says how grave that is.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(serve) => {
            let config = load(&serve.sources(), Needs::ALL)?;
            logging::start(&config.log);
            block_on(daemon::serve(config))?;
        }
        Command::Talk(talk) => run_talk(&talk)?,
        Command::Call(options) => {
            let open = vec![("voiced call", "telephone.enabled", "true".to_owned())];
            let config = load(&options.config.sources(open), Needs::ALL)?;
            start_quiet_log(&config);
            block_on(call::run(config, &options))?;
        }
        Command::Transcribe(transcribe) => run_transcribe(&transcribe)?,
        Command::Speak(speak) => run_speak(&speak)?,
        Command::Check(check) => run_check(&check)?,
        Command::Bench(options) => {
            return Ok(match block_on(bench::run(&options))? {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            });
        }
        Command::Engines(options) => {
            let config = load(&options.config.sources(Vec::new()), Needs::default())?;
            block_on(async {
                inventory::print(&config).await;
                Ok(())
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How a failed command ends.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<ConfigError>() {
        USAGE
    } else if error.is::<EngineLost>() {
        UNAVAILABLE
    } else {
        1
    }
}

/// Checks what a command needs of the configuration.
fn load(sources: &Sources, needs: Needs) -> Result<Config, ConfigError> {
    config::load(sources, needs).map(|loaded| loaded.config)
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    // Two providers are linked in by other people's crates; without a choice the first
    // handshake would panic. A second choice is refused and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("voiced")
        .build()
        .context("cannot start the runtime")?;
    let done = runtime.block_on(work);
    // A thread that waits for the keyboard would keep the process alive.
    runtime.shutdown_timeout(Duration::from_millis(500));
    done
}

#[cfg(feature = "local-audio")]
fn run_talk(options: &cli::Talk) -> anyhow::Result<()> {
    let mut config = load(
        &options.config.sources(Vec::new()),
        Needs {
            listener: false,
            ..Needs::ALL
        },
    )?;
    if config.log.filter == config::raw::Log::default().filter {
        // Nobody wants the daemon's log between their own words.
        config.log.filter = "error".to_owned();
    }
    logging::start(&config.log);
    block_on(crate::talk::run(options, &config))
}

#[cfg(not(feature = "local-audio"))]
fn run_talk(_: &cli::Talk) -> anyhow::Result<()> {
    anyhow::bail!("this build has no local audio (feature local-audio): use the browser console")
}

fn run_transcribe(options: &cli::Transcribe) -> anyhow::Result<()> {
    let needs = Needs {
        ear: true,
        ..Needs::default()
    };
    let config = load(&options.config.sources(Vec::new()), needs)?;
    start_quiet_log(&config);
    let samples = recording::read(&options.file)?;
    let utterances = block_on(engines::transcribe(&config, &samples))?;
    terminal::print(&transcribe::format(&utterances, options.format));
    Ok(())
}

fn run_speak(options: &cli::Speak) -> anyhow::Result<()> {
    let voice = options
        .voice
        .clone()
        .map(|voice| ("--voice", "voice.voice", voice));
    let speed = options
        .speed
        .clone()
        .map(|speed| ("--speed", "voice.speed", speed));
    let flags = voice.into_iter().chain(speed).collect();
    let config = load(&options.config.sources(flags), Needs::default())?;
    start_quiet_log(&config);
    let text = text_of(options)?;
    let rate = SampleRate::SPEECH;
    if options.output == Path::new("-") {
        let sink = std::io::stdout().lock();
        let mut writer = match options.format {
            SoundFormat::Wav => recording::Writer::wav(sink, rate)?,
            SoundFormat::Pcm => recording::Writer::pcm(sink),
        };
        say(&config, &text, &mut writer)?;
        writer.finish()?;
        return Ok(());
    }
    let name = options.output.display();
    let file =
        std::fs::File::create(&options.output).with_context(|| format!("cannot write {name}"))?;
    let sink = std::io::BufWriter::new(file);
    match options.format {
        SoundFormat::Wav => {
            let mut writer = recording::Writer::wav(sink, rate)?;
            say(&config, &text, &mut writer)?;
            writer.finish_wav(rate)?;
        }
        SoundFormat::Pcm => {
            let mut writer = recording::Writer::pcm(sink);
            say(&config, &text, &mut writer)?;
            writer.finish()?;
        }
    }
    Ok(())
}

fn say<W: Write>(
    config: &Config,
    text: &str,
    writer: &mut recording::Writer<W>,
) -> Result<(), anyhow::Error> {
    match block_on(engines::speak(config, text, &mut |sound| {
        writer.write(sound)
    })) {
        // Whoever listened has heard enough.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        said => said,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(speak::SpeakError::Sink(error)) if error.kind() == std::io::ErrorKind::BrokenPipe
    )
}

fn text_of(options: &cli::Speak) -> anyhow::Result<String> {
    let from_input = || {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read a text from standard input")?;
        Ok(text)
    };
    match (&options.text, &options.file) {
        (Some(text), _) if text == "-" => from_input(),
        (Some(text), _) => Ok(text.clone()),
        (None, Some(file)) if file == Path::new("-") => from_input(),
        (None, Some(file)) => {
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
        }
        (None, None) => anyhow::bail!("there is no text to speak"),
    }
}

fn run_check(options: &cli::Check) -> anyhow::Result<()> {
    if options.print_default {
        terminal::print(&print::defaults());
        return Ok(());
    }
    let sources = options.config.sources(Vec::new());
    let loaded = config::load(&sources, Needs::ALL)?;
    terminal::print(&print::effective(
        &loaded.raw,
        &loaded.origins,
        &sources.environment,
    ));
    Ok(())
}

/// For commands whose output is their purpose: warnings only, unless something else was asked for.
fn start_quiet_log(config: &Config) {
    let mut log = config.log.clone();
    if log.filter == config::raw::Log::default().filter && log.format == LogFormat::Text {
        log.filter = "warn".to_owned();
    }
    logging::start(&log);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_mistakes_losses_and_the_rest_apart() {
        let mistake = ConfigError {
            findings: Vec::new(),
        };
        assert_eq!(exit_code(&mistake.into()), 64);
        let lost = EngineLost {
            engine: "recogniser",
        };
        assert_eq!(exit_code(&lost.clone().into()), 69);
        let wrapped = anyhow::Error::from(lost).context("while serving");
        assert_eq!(exit_code(&wrapped), 69);
        assert_eq!(exit_code(&anyhow::anyhow!("the disk is full")), 1);
    }
}
