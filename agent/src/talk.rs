//! `voiced talk`: a call with this machine's own microphone and loudspeaker, in the terminal. What
//! both sides say appears as it is said; what the caller cut off is struck through.
use std::{io::IsTerminal, time::Duration};

use anyhow::Context;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use voiced_core::turn::{CallEvent, Command, CommandId};
use voiced_pipeline::call::{CallHandle, CallRequest};
use voiced_transport::local::{LocalAudio, LocalSettings};

use crate::{
    cli::Talk,
    config::Config,
    daemon::{self, Parts},
    talk::screen::Screen,
};

mod screen;

/// How often the level meter moves.
const REDRAW: Duration = Duration::from_millis(50);

/// Talks until either side hangs up.
///
/// # Errors
/// When there is no sound here, the call is refused, or an engine is lost.
pub async fn run(options: &Talk, config: &Config) -> anyhow::Result<()> {
    let parts = daemon::build(config).await?;
    let request = CallRequest {
        carrier: "local",
        persona: options.persona.clone(),
        greet: true,
        name: "talk".to_owned(),
        ..CallRequest::default()
    };
    let settings = LocalSettings {
        microphone: options
            .microphone
            .clone()
            .or(config.local.microphone.clone()),
        loudspeaker: options
            .loudspeaker
            .clone()
            .or(config.local.loudspeaker.clone()),
        edge: daemon::edge(config.local.edge),
    };
    let call = parts.calls.begin(request).await?;
    converse(&parts, call, &settings).await
}

async fn converse(parts: &Parts, call: CallHandle, settings: &LocalSettings) -> anyhow::Result<()> {
    let CallHandle {
        mic,
        speaker,
        commands,
        mut events,
    } = call;
    let mut audio = LocalAudio::open(settings, mic, speaker)?;
    let levels = audio.levels();
    let mut screen = Screen::new(std::io::stdout().is_terminal());
    let (microphone, loudspeaker) = audio.names();
    screen.note(&format!(
        "microphone: {microphone}; loudspeaker: {loudspeaker}"
    ));
    screen.note("Speak, or type a line and press Enter. Ctrl-C hangs up.");
    let mut typed = BufReader::new(tokio::io::stdin()).lines();
    let mut can_type = true;
    let mut redraw = tokio::time::interval(REDRAW);
    redraw.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut interrupts = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    let mut hung_up = false;
    // Begun once: begun anew in every round they would forget where they were.
    let (sound, lost) = (audio.run(), parts.engines.lost());
    tokio::pin!(sound, lost);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => {
                    screen.show(&event);
                    if let CallEvent::Ended { .. } = event {
                        break;
                    }
                }
                None => break,
            },
            line = typed.next_line(), if can_type => match line {
                Ok(Some(line)) => say(&commands, &line).await,
                // Without a keyboard the voice is left.
                Ok(None) | Err(_) => can_type = false,
            },
            gone = &mut sound => {
                screen.close();
                return Err(gone).context("the sound was lost");
            }
            _ = redraw.tick() => {
                screen.levels(levels.microphone.take_peak(), levels.loudspeaker.take_peak());
            }
            lost = &mut lost => {
                screen.close();
                return Err(lost.into());
            }
            _ = interrupts.recv() => {
                if hung_up {
                    break;
                }
                hung_up = true;
                // A call that is over already needs no hanging up.
                let _ = commands.try_send((CommandId::default(), Command::HangUp));
            }
        }
    }
    screen.close();
    Ok(())
}

async fn say(commands: &mpsc::Sender<(CommandId, Command)>, line: &str) {
    let line = line.trim();
    if !line.is_empty() {
        let command = Command::Say(line.to_owned());
        // The call ended while somebody typed: its last event says so.
        let _ = commands.send((CommandId::default(), command)).await;
    }
}
