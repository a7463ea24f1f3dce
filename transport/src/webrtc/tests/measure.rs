//! Not a test: what a call costs. `VOICED_IDLE=1` leaves both sides silent, `VOICED_AEC=1` cancels
//! echo.
//!
//! `VOICED_CALLS=60 cargo test --release -p voiced-transport webrtc_cost -- --ignored --nocapture`
#![allow(clippy::print_stderr)]
use std::fs;

use super::{
    caller::{Caller, FakeCall, dialect, frame, packet},
    *,
};
use crate::{
    codec::opus_encoder::OpusEncoder,
    pacer::{Clock, Pacer},
};

/// CPU seconds used so far by the threads whose name begins so.
fn cpu(prefix: &str) -> f64 {
    let mut ticks = 0_u64;
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let Some((name, rest)) = stat.split_once(')') else {
            continue;
        };
        if name
            .split_once('(')
            .is_some_and(|(_, name)| name.starts_with(prefix))
        {
            let fields: Vec<&str> = rest.split_whitespace().collect();
            ticks += fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        }
    }
    ticks as f64 / 100.0
}

fn memory_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1_024.0
}

/// A fake call whose agent speaks all the time and whose ears are always open.
async fn busy(mut call: FakeCall, speaking: bool) {
    let mut pacer = Pacer::new(Clock::start(), "fake");
    loop {
        tokio::select! {
            _ = pacer.tick() => {
                if speaking {
                    let _ = call.voice.push(&frame(1, false));
                }
            }
            heard = call.heard.recv() => if heard.is_none() { return },
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn webrtc_cost() {
    let calls: usize = std::env::var("VOICED_CALLS").map_or(60, |n| n.parse().unwrap());
    let speaking = std::env::var("VOICED_IDLE").is_err();
    let edge = EdgeSettings {
        echo_cancellation: std::env::var("VOICED_AEC").is_ok(),
        ..EdgeSettings::default()
    };
    let runtime = |name: &str, threads| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(name)
            .enable_all()
            .build()
            .unwrap()
    };
    let (server, clients) = (runtime("server", 2), runtime("client", 2));
    let before = memory_mb();
    let peers = server.block_on(async {
        Peers::open(WebRtcSettings {
            edge,
            ..WebRtcSettings::default()
        })
        .unwrap()
    });
    let mut encoder = OpusEncoder::new(OpusSettings::default()).unwrap();
    let voice: Vec<_> = (0..50)
        .map(|_| encoder.encode(&frame(1, false).samples).unwrap())
        .collect();
    let mut callers: Vec<Caller> = Vec::new();
    for _ in 0..calls {
        let caller = clients.block_on(Caller::new());
        let offer = Offer::read(&clients.block_on(caller.offer())).unwrap();
        let (call, handle) = FakeCall::new();
        let peers = peers.clone();
        let answer = server
            .block_on(server.spawn(async move { peers.answer(offer, handle, dialect()).await }))
            .unwrap()
            .unwrap();
        server.spawn(busy(call, speaking));
        clients.block_on(caller.take(&answer.sdp));
        let (track, voice) = (caller.voice(), voice.clone());
        if speaking {
            clients.spawn(async move {
                let mut pacer = Pacer::new(Clock::start(), "test");
                loop {
                    let n = pacer.tick().await.number;
                    let payload = voice[n as usize % voice.len()].clone();
                    if track.write_rtp(packet(n, payload)).await.is_err() {
                        return;
                    }
                }
            });
        }
        callers.push(caller);
    }
    let seconds = 10;
    let (from, clients_from) = (cpu("server"), cpu("client"));
    clients.block_on(async {
        let mut pacer = Pacer::new(Clock::start(), "test");
        for _ in 0..seconds * 50 {
            pacer.tick().await;
        }
    });
    let used = (cpu("server") - from) / f64::from(seconds as u32);
    let theirs = (cpu("client") - clients_from) / f64::from(seconds as u32);
    eprintln!(
        "{calls} calls: {:.2} % of a core each ({:.0} % in all), clients {:.0} %, \
         {:.2} MB a call with its client",
        used * 100.0 / calls as f64,
        used * 100.0,
        theirs * 100.0,
        (memory_mb() - before) / calls as f64
    );
    server.block_on(peers.shut_down());
}
