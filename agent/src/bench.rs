//! `voiced bench`: measures a daemon of its own, a child process with engines that answer at
//! once, over real connections; or the models alone, in this process. It states what should be
//! reached beside what was.
use crate::{
    bench::figures::{Figure, Setting},
    cli::{Bench, BenchKind},
    terminal,
};

mod asr;
mod caller;
mod clock;
mod daemon;
mod figures;
mod load;
mod memory;
mod model;
mod peer;
mod speech;
mod tts;
mod turns;

/// Measures what was asked for and prints it. Whether every figure was reached.
///
/// # Errors
/// When the daemon cannot be started, or fails while it is measured.
pub async fn run(options: &Bench) -> anyhow::Result<bool> {
    if matches!(options.kind, BenchKind::Asr | BenchKind::Tts) {
        let options = options.clone();
        // A model computes for minutes and waits for nothing.
        return tokio::task::spawn_blocking(move || model::run(&options)).await?;
    }
    let mut figures: Vec<Figure> = Vec::new();
    let all = [
        BenchKind::Start,
        BenchKind::Latency,
        BenchKind::BargeIn,
        BenchKind::Calls,
        BenchKind::Webrtc,
        BenchKind::Memory,
    ];
    let one = [options.kind];
    let kinds: &[BenchKind] = match options.kind {
        BenchKind::All => &all,
        _ => &one,
    };
    for kind in kinds {
        terminal::complain(&format!("measuring: {}", name(*kind)));
        figures.extend(match kind {
            BenchKind::Latency => turns::latency(options.turns).await?,
            BenchKind::BargeIn => turns::barge_in(options.turns).await?,
            BenchKind::Calls => load::calls(options.calls.unwrap_or(200), options.seconds).await?,
            BenchKind::Webrtc => peer::calls(options.calls.unwrap_or(60), options.seconds).await?,
            BenchKind::Memory => memory::memory(options.cycles).await?,
            BenchKind::Start | BenchKind::Asr | BenchKind::Tts | BenchKind::All => {
                memory::start().await?
            }
        });
    }
    let setting = Setting::here();
    terminal::print(&match options.json {
        true => figures::json(&setting, &figures),
        false => figures::table(&setting, &figures),
    });
    Ok(figures.iter().all(|figure| figure.met != Some(false)))
}

fn name(kind: BenchKind) -> &'static str {
    match kind {
        BenchKind::Latency => "voice to voice",
        BenchKind::BargeIn => "interruptions",
        BenchKind::Calls => "WebSocket calls at once",
        BenchKind::Webrtc => "WebRTC calls at once",
        BenchKind::Memory => "memory",
        BenchKind::Start => "time to ready",
        BenchKind::Asr => "Voxtral Realtime",
        BenchKind::Tts => "Voxtral TTS",
        BenchKind::All => "everything",
    }
}
