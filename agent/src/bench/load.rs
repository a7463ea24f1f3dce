//! Many WebSocket calls at once, each talking and being answered in real time.
use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use tokio::task::JoinSet;

use crate::bench::{
    caller::{Caller, Clip, Heard},
    clock::{self, Instant},
    daemon::{self, Daemon, INSTANT_ENGINES},
    figures::Figure,
    speech,
};

/// What holding many calls at once came to.
pub struct Load {
    /// Calls that were to be held.
    pub calls: usize,
    /// Turns that were answered.
    pub answered: usize,
    /// Why calls failed.
    pub failures: Vec<String>,
    /// Processor time the daemon used per second, in cores.
    pub cores: f64,
    /// Seconds that 99 of 100 beats were late at most, and how many beats there were.
    pub lateness: Option<(f64, f64)>,
    /// Beats left out.
    pub skipped: f64,
}

/// Holds `calls` WebSocket calls for `seconds`.
///
/// # Errors
/// When the daemon fails.
pub async fn calls(calls: usize, seconds: u64) -> anyhow::Result<Vec<Figure>> {
    let settings = [
        "mind.fixed.text=It is sunny and it will stay so.",
        "turns.silence_ms=500",
    ];
    let daemon = Daemon::start(&[INSTANT_ENGINES, &settings]).await?;
    let clip = Clip::new(&speech::clip().await?);
    let address = daemon.address;
    let load = hold(&daemon, "websocket", calls, seconds, |end| {
        let clip = clip.clone();
        async move { talk_until(address, &clip, end).await }
    })
    .await?;
    daemon.stop().await?;
    Ok(load.figures("WebSocket calls with voice activity and resampling", 200))
}

/// Begins `calls` calls spread over two seconds, holds them, and reads the daemon's own figures of
/// the time when all of them stood.
///
/// # Errors
/// When the daemon fails; calls that fail are counted.
pub async fn hold<F>(
    daemon: &Daemon,
    carrier: &str,
    calls: usize,
    seconds: u64,
    caller: impl Fn(Instant) -> F,
) -> anyhow::Result<Load>
where
    F: Future<Output = anyhow::Result<usize>> + Send + 'static,
{
    let ramp = Duration::from_millis(10).max(Duration::from_secs(2) / calls.max(1) as u32);
    let begin = clock::now();
    let steady = begin + ramp * calls as u32 + Duration::from_secs(1);
    let end = steady + Duration::from_secs(seconds);
    let mut callers = JoinSet::new();
    for number in 0..calls {
        let call = caller(end);
        let due = begin + ramp * number as u32;
        callers.spawn(async move {
            clock::until(due).await;
            call.await
        });
    }
    clock::until(steady).await;
    let before = (
        daemon.processor_time()?,
        daemon.metrics().await?,
        clock::now(),
    );
    clock::until(end).await;
    let after = (
        daemon.processor_time()?,
        daemon.metrics().await?,
        clock::now(),
    );
    let (mut answered, mut failures) = (0, Vec::new());
    while let Some(ended) = callers.join_next().await {
        match ended.context("a caller panicked")? {
            Ok(turns) => answered += turns,
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    let label = format!("carrier=\"{carrier}\"");
    let lateness =
        |metrics: &str| daemon::histogram(metrics, "voiced_tick_lateness_seconds", &label);
    let steady = daemon::since(&lateness(&before.1), &lateness(&after.1));
    let skipped = |metrics: &str| daemon::counter(metrics, "voiced_ticks_skipped_total", &label);
    Ok(Load {
        calls,
        answered,
        failures,
        cores: (after.0 - before.0).as_secs_f64() / (after.2 - before.2).as_secs_f64(),
        lateness: daemon::quantile(&steady, 0.99),
        skipped: skipped(&after.1) - skipped(&before.1),
    })
}

impl Load {
    /// As lines of the table.
    pub fn figures(&self, what: &str, required: usize) -> Vec<Figure> {
        let held = self.calls - self.failures.len();
        let mut figures = vec![
            Figure::required(
                what,
                format!("≥ {required}"),
                format!(
                    "{held} of {} held, {} turns answered",
                    self.calls, self.answered
                ),
                held >= required && self.failures.is_empty() && self.answered >= held,
            ),
            Figure::beside(
                "the daemon's processor time",
                format!("{:.2} cores", self.cores),
            ),
        ];
        if let Some((late, n_beats)) = self.lateness {
            figures.push(Figure::required(
                format!("20 ms tick jitter, p99 of {n_beats:.0} ticks"),
                "≤ 5 ms",
                format!(
                    "≤ {:.1} ms, {} ticks left out",
                    late * 1_000.0,
                    self.skipped
                ),
                late <= 0.005,
            ));
        }
        for failure in self.failures.iter().take(3) {
            figures.push(Figure::beside("a call failed", failure.clone()));
        }
        figures
    }
}

/// Talks and listens in turn; how many turns were answered.
async fn talk_until(address: SocketAddr, clip: &Clip, end: Instant) -> anyhow::Result<usize> {
    let mut caller = Caller::call(address).await?;
    let mut answered = 0;
    while clock::now() < end {
        caller.say(clip, |_, _| ()).await?;
        let reply = |_: Instant, heard: &Heard| matches!(heard, Heard::ReplyEnded { .. });
        let ended = caller.listen(500, reply).await?;
        ended.context("a turn was not answered within ten seconds")?;
        answered += 1;
        // The last words of the reply are still being played.
        caller.listen(25, |_, _| false).await?;
    }
    caller.hang_up().await?;
    Ok(answered)
}
