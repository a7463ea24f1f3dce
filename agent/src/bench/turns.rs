//! One call at a time or a few: the daemon's own share of voice to voice, and how fast the agent
//! falls silent when it is spoken over.
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;

use crate::bench::{
    caller::{Caller, Clip, Heard},
    clock::Instant,
    daemon::{Daemon, INSTANT_ENGINES},
    figures::{Figure, Times},
    speech,
};

/// The pause that ends a turn here.
const SILENCE: Duration = Duration::from_millis(500);
/// Callers that take their turns side by side, each far too few to be a load.
const CALLERS: usize = 4;
/// Frames after which nothing more is to be expected: 10 s.
const PATIENCE: usize = 500;

/// The daemon's own share of voice to voice, with engines that answer at once.
///
/// # Errors
/// When the daemon fails, or does not answer a turn.
pub async fn latency(turns: usize) -> anyhow::Result<Vec<Figure>> {
    let silence = format!("turns.silence_ms={}", SILENCE.as_millis());
    let settings = ["mind.fixed.text=It is sunny.", silence.as_str()];
    let daemon = Daemon::start(&[INSTANT_ENGINES, &settings]).await?;
    let clip = Clip::new(&speech::clip().await?);
    let times = side_by_side(turns, || {
        let clip = clip.clone();
        async move { share_of_turns(daemon.address, &clip, turns.div_ceil(CALLERS)).await }
    })
    .await?;
    daemon.stop().await?;
    let times = Times::new(times);
    let (p50, p99) = (times.ms(0.5), times.ms(0.99));
    Ok(vec![
        Figure::required(
            format!(
                "daemon's own share of voice to voice, p50 of {} turns, beyond {} ms of silence",
                times.n(),
                SILENCE.as_millis()
            ),
            "≤ 40 ms",
            format!("{p50:.0} ms"),
            p50 <= 40.0,
        ),
        Figure::required(
            "the same, p99",
            "≤ 80 ms",
            format!("{p99:.0} ms"),
            p99 <= 80.0,
        ),
    ])
}

/// Seconds from the last frame of speech to the first of the answer, less the silence that was
/// asked for.
async fn share_of_turns(
    address: std::net::SocketAddr,
    clip: &Clip,
    turns: usize,
) -> anyhow::Result<Vec<f64>> {
    let mut caller = Caller::call(address).await?;
    let mut shares = Vec::new();
    caller.listen(25, |_, _| false).await?;
    for _ in 0..turns {
        let (_, spoken) = caller.say(clip, |_, _| ()).await?;
        let answered = caller
            .listen(PATIENCE, |_, heard| *heard == Heard::Audio)
            .await?
            .context("a turn was not answered")?;
        // Negative when the daemon answers before the silence was over: that would be a fault.
        let silence = SILENCE.as_secs_f64();
        shares.push((answered - spoken).as_secs_f64() - silence);
        caller
            .listen(PATIENCE, |_, heard| {
                matches!(heard, Heard::ReplyEnded { .. })
            })
            .await?
            .context("a reply did not end")?;
        // Its last sound is still being played.
        caller.listen(25, |_, _| false).await?;
    }
    caller.hang_up().await?;
    Ok(shares)
}

/// How fast the agent falls silent.
///
/// # Errors
/// When the daemon fails, or an agent goes on over its caller.
pub async fn barge_in(turns: usize) -> anyhow::Result<Vec<Figure>> {
    let text = "This is a long story that goes on and on until somebody interrupts it. ".repeat(12);
    let text = format!("mind.fixed.text={text}");
    let silence = format!("turns.silence_ms={}", SILENCE.as_millis());
    let daemon = Daemon::start(&[INSTANT_ENGINES, &[&text, &silence]]).await?;
    let clip = Clip::new(&speech::clip().await?);
    let cuts = side_by_side(turns, || {
        let clip = clip.clone();
        async move { interruptions(daemon.address, &clip, turns.div_ceil(CALLERS)).await }
    })
    .await?;
    daemon.stop().await?;
    let times = |time: fn(&Cut) -> f64| Times::new(cuts.iter().map(time).collect());
    let silent = times(|cut| cut.silent_after);
    let decided = times(|cut| cut.decided_after);
    let late = times(|cut| cut.sounded_on);
    let (p95, late_p95) = (silent.ms(0.95), late.ms(0.95));
    Ok(vec![
        Figure::required(
            format!(
                "barge-in, first loud sample in → last agent sample out, p95 of {} (WebSocket)",
                silent.n()
            ),
            "≤ 120 ms",
            format!("{p95:.0} ms (p50 {:.0} ms)", silent.ms(0.5)),
            p95 <= 120.0,
        ),
        Figure::required(
            "the same, from the decision, p95",
            "≤ 40 ms",
            format!("{late_p95:.0} ms"),
            late_p95 <= 40.0,
        ),
        Figure::beside(
            "first loud sample in → the decision that it is an interruption, p95",
            format!("{:.0} ms (p50 {:.0} ms)", decided.ms(0.95), decided.ms(0.5)),
        ),
    ])
}

/// One interruption, in seconds.
struct Cut {
    /// From the first loud frame to the last of the agent's.
    silent_after: f64,
    /// From the first loud frame to the word that the agent gives way.
    decided_after: f64,
    /// From that word to the last of the agent's frames; zero when it was silent before.
    sounded_on: f64,
}

async fn interruptions(
    address: std::net::SocketAddr,
    clip: &Clip,
    turns: usize,
) -> anyhow::Result<Vec<Cut>> {
    let mut caller = Caller::call(address).await?;
    let mut cuts = Vec::new();
    caller.listen(25, |_, _| false).await?;
    // The first turn only gets the agent going; every later one is an interruption.
    caller.say(clip, |_, _| ()).await?;
    for _ in 0..turns {
        caller
            .listen(PATIENCE, |_, heard| *heard == Heard::Audio)
            .await?
            .context("the agent does not speak")?;
        // Well into its speech, its lead over real time used up.
        caller.listen(50, |_, _| false).await?;
        let (mut last_sound, mut gave_way, mut ended) = (None, None, false);
        let mut note = |at: Instant, heard: &Heard| match heard {
            Heard::Audio if !ended => last_sound = Some(at),
            Heard::SpeechStarted => gave_way = gave_way.or(Some(at)),
            Heard::ReplyEnded { .. } => ended = true,
            _ => (),
        };
        let (loud, _) = caller.say(clip, |at, heard| note(at, &heard)).await?;
        let gave_way = gave_way.context("the agent did not give way")?;
        let since = |at: Instant| at.saturating_duration_since(loud).as_secs_f64();
        let last_sound = last_sound.unwrap_or(loud);
        cuts.push(Cut {
            silent_after: since(last_sound),
            decided_after: since(gave_way),
            sounded_on: last_sound.saturating_duration_since(gave_way).as_secs_f64(),
        });
    }
    caller.hang_up().await?;
    Ok(cuts)
}

/// The same from a few callers at once.
async fn side_by_side<T, F>(turns: usize, caller: impl Fn() -> F) -> anyhow::Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<Vec<T>>> + Send + 'static,
{
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS.min(turns.max(1)) {
        callers.spawn(caller());
    }
    let mut all = Vec::new();
    while let Some(some) = callers.join_next().await {
        all.extend(some.context("a caller panicked")??);
    }
    Ok(all)
}
