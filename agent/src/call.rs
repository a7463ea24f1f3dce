//! `voiced call`: calls somebody and lets the agent talk, beside a daemon that may be serving.
use std::net::SocketAddr;

use anyhow::Context;
use tokio::{sync::mpsc, task::JoinSet};
use voiced_telephone::{Telephone, record::Entry, sip::uri::Uri};

use crate::{cli, config::Config, daemon, terminal};

/// Calls, and stays until the call is over or Ctrl-C ends it.
///
/// # Errors
/// When the call may not be made, is not taken, or something cannot be built.
pub async fn run(config: Config, options: &cli::Call) -> anyhow::Result<()> {
    let target =
        Uri::parse(&options.target).with_context(|| format!("cannot call {}", options.target))?;
    let mut settings = config
        .telephone
        .clone()
        .context("the telephone is closed: telephone.enabled")?;
    // Ports of its own: a daemon may have the usual ones.
    let any = |address: SocketAddr| SocketAddr::new(address.ip(), 0);
    settings.udp = settings.udp.map(any);
    settings.tcp = settings.tcp.map(any);
    settings.tls_address = settings.tls_address.map(any);
    settings.registrations.clear();
    let (records, mut recorded) = mpsc::channel(4);
    settings.records = Some(records);
    let telephone = Telephone::open(settings).await?;
    let desk = telephone.desk();
    let parts = daemon::build(&config).await?;
    let drain = parts.drain.clone();
    let mut serving = JoinSet::new();
    serving.spawn(telephone.serve(parts.calls.clone(), drain.clone()));
    let name = tokio::select! {
        name = desk.dial(&target, options.persona.clone()) => name?,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("given up before the call was taken"),
    };
    terminal::say(&format!("the call was taken ({name}); Ctrl-C hangs up"));
    let record = tokio::select! {
        record = recorded.recv() => record,
        _ = tokio::signal::ctrl_c() => {
            drain.start();
            drain.end_calls();
            recorded.recv().await
        }
    };
    let Some(record) = record else { return Ok(()) };
    for entry in &record.entries {
        match entry {
            Entry::Caller { text, .. } => terminal::say(&format!("they:  {text}")),
            Entry::Agent { text, .. } => terminal::say(&format!("agent: {text}")),
            Entry::Keys { keys, .. } => terminal::say(&format!("keys:  {keys}")),
            Entry::Tool { name, .. } => terminal::say(&format!("tool:  {name}")),
        }
    }
    let seconds = record.lasted_ms as f64 / 1_000.0;
    terminal::say(&format!("ended after {seconds:.1} s: {}", record.ended));
    drain.start();
    Ok(())
}
