//! What a call costs in memory, whether it gives it back, and how fast the daemon is ready.
use std::net::SocketAddr;

use anyhow::Context;
use tokio::task::JoinSet;

use crate::bench::{
    caller::{Caller, Clip, Heard},
    clock::Instant,
    daemon::{Daemon, INSTANT_ENGINES},
    figures::{Figure, ms},
    speech,
};

/// Calls held at once to see what one takes.
const IDLE_CALLS: usize = 200;
/// Calls made at once to see whether they give it back.
const AT_ONCE: usize = 20;

const MIB: f64 = 1024.0 * 1024.0;

/// Memory of a call that only listens, and after many calls.
///
/// # Errors
/// When the daemon fails, or refuses a call.
pub async fn memory(cycles: usize) -> anyhow::Result<Vec<Figure>> {
    let daemon = Daemon::start(&[INSTANT_ENGINES]).await?;
    // Whatever is made once is made by now: pools, buffers, the first threads' arenas.
    make_and_end(daemon.address, 2 * AT_ONCE).await?;
    let empty = daemon.memory()?;
    let mut held = Vec::new();
    for _ in 0..IDLE_CALLS {
        let mut caller = Caller::call(daemon.address).await?;
        // A little silence: whatever the first frame needs is there.
        caller.listen(5, |_, _| false).await?;
        held.push(caller);
    }
    let silent = daemon.memory()?;
    let held = have_a_turn(held).await?;
    let spoken = daemon.memory()?;
    for caller in held {
        caller.hang_up().await?;
    }
    let per_call = |full: u64| full.saturating_sub(empty) as f64 / IDLE_CALLS as f64;
    let (silent, spoken) = (per_call(silent), per_call(spoken));

    // What the allocator keeps of the load above is no growth: measured from here.
    make_and_end(daemon.address, cycles / 10).await?;
    let before = daemon.memory()?;
    make_and_end(daemon.address, cycles).await?;
    let after = daemon.memory()?;
    daemon.stop().await?;
    let grown = (after as f64 - before as f64) / MIB;
    let leaked_kib = grown * 1024.0 / cycles.max(1) as f64;
    Ok(vec![
        Figure::required(
            format!("memory per idle call, over {IDLE_CALLS} calls that had a turn"),
            "≤ 5 MB",
            format!(
                "{:.2} MB ({:.2} MB before the first word)",
                spoken / 1e6,
                silent / 1e6
            ),
            spoken <= 5e6,
        ),
        Figure::required(
            format!("memory after {cycles} calls made and ended"),
            "flat",
            format!(
                "{:.1} → {:.1} MiB ({leaked_kib:+.2} KiB a call)",
                before as f64 / MIB,
                after as f64 / MIB
            ),
            grown <= 2.0_f64.max(before as f64 / MIB * 0.05),
        ),
    ])
}

/// Has every call hear something and say something: buffers are first filled then.
async fn have_a_turn(callers: Vec<Caller>) -> anyhow::Result<Vec<Caller>> {
    let clip = Clip::new(&speech::clip().await?);
    let mut turns = JoinSet::new();
    for mut caller in callers {
        let clip = clip.clone();
        turns.spawn(async move {
            caller.resume();
            caller.say(&clip, |_, _| ()).await?;
            let ended = |_: Instant, heard: &Heard| matches!(heard, Heard::ReplyEnded { .. });
            let ended = caller.listen(500, ended).await?;
            ended.context("a turn was not answered within ten seconds")?;
            anyhow::Ok(caller)
        });
    }
    let mut callers = Vec::new();
    while let Some(caller) = turns.join_next().await {
        callers.push(caller.context("a caller panicked")??);
    }
    Ok(callers)
}

async fn make_and_end(address: SocketAddr, calls: usize) -> anyhow::Result<()> {
    let mut left = calls;
    while left > 0 {
        let mut callers = JoinSet::new();
        for _ in 0..left.min(AT_ONCE) {
            callers.spawn(async move {
                let mut caller = Caller::call(address).await?;
                caller.listen(2, |_, _| false).await?;
                caller.hang_up().await
            });
        }
        left -= callers.len();
        while let Some(ended) = callers.join_next().await {
            ended.context("a caller panicked")??;
        }
    }
    Ok(())
}

/// From the start of the program to the console's address, with the embedded engines.
///
/// # Errors
/// When the daemon fails.
pub async fn start() -> anyhow::Result<Vec<Figure>> {
    const STARTS: usize = 5;
    let mut slowest = 0.0_f64;
    for _ in 0..STARTS {
        let daemon = Daemon::start(&[]).await?;
        slowest = slowest.max(ms(daemon.ready_after));
        daemon.stop().await?;
    }
    Ok(vec![Figure::required(
        format!("`voiced serve` to ready with the embedded engines, slowest of {STARTS}"),
        "≤ 2 s",
        format!("{:.2} s", slowest / 1_000.0),
        slowest <= 2_000.0,
    )])
}
