//! What each command does, and the exit code it ends with: 64 for a mistake in the configuration
//! or on the command line, 69 for a lost engine, 70 for a bug, 1 for everything else.
use std::{process::ExitCode, time::Duration};

use anyhow::Context;

use crate::{
    bench, call, cli,
    cli::{Command, VoicesCommand},
    config::{self, Config, ConfigError, LogFormat, Needs, Sources, print},
    daemon,
    engines::EngineLost,
    inventory, logging, models, speak, terminal, transcribe, voices,
};

/// A mistake in the configuration or on the command line.
pub const USAGE: u8 = 64;
/// An engine was lost.
pub const UNAVAILABLE: u8 = 69;
/// A bug.
pub const SOFTWARE: u8 = 70;

/// What a command that only speaks needs.
const NEEDS_VOICE: Needs = Needs {
    ear: false,
    mind: false,
    voice: true,
    listener: false,
};

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
        Command::Voices(voices) => run_voices(&voices.command)?,
        Command::Models(command) => {
            let sources = command.config.sources(models::flags(&command));
            let config = load(&sources, Needs::default())?;
            start_quiet_log(&config);
            block_on(models::run(&command.command, &config))?;
        }
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
    let config = load(&options.sources(), needs)?;
    start_quiet_log(&config);
    block_on(transcribe::run(options, &config))
}

fn run_speak(options: &cli::Speak) -> anyhow::Result<()> {
    let config = load(&options.sources(), NEEDS_VOICE)?;
    speak::run::check(options, &config)?;
    start_quiet_log(&config);
    block_on(speak::run::run(options, &config))
}

fn run_voices(command: &VoicesCommand) -> anyhow::Result<()> {
    let settings = match command {
        VoicesCommand::List(list) => &list.config,
        VoicesCommand::Add(add) => &add.config,
        VoicesCommand::Remove(remove) => &remove.config,
        VoicesCommand::Preview(preview) => {
            let name = ("NAME", "voice.voice", preview.name.clone());
            let config = load(&preview.config.sources(vec![name]), NEEDS_VOICE)?;
            start_quiet_log(&config);
            return block_on(voices::preview(preview, &config));
        }
    };
    let config = load(&settings.sources(Vec::new()), NEEDS_VOICE)?;
    start_quiet_log(&config);
    match command {
        VoicesCommand::Add(add) => voices::add(add, &config),
        VoicesCommand::Remove(remove) => voices::remove(remove, &config),
        _ => block_on(voices::list(&config)),
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
