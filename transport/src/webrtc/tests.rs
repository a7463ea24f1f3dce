//! A second peer connection, made with the same stack but used as a browser uses its own, calls
//! ours over loopback.
#![allow(clippy::unwrap_used)]
use std::time::Duration;

use voiced_core::{
    engine::ReplyEnd,
    epoch::Epoch,
    turn::{CallEvent, Command, EndReason, ReplyOutcome},
};

mod caller;
mod measure;

use caller::{Caller, FakeCall, dialect, frame, meet};

use super::*;
use crate::pacer::Clock;

/// Long enough for a busy machine; nothing waits this long when it works.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen within {PATIENCE:?}"))
}

fn peers() -> Peers {
    Peers::open(WebRtcSettings::default()).unwrap()
}

/// Reads events up to one of this type.
async fn until(caller: &Caller, wanted: &str) {
    while caller.next_event().await["type"] != wanted {}
}

/// Waits until every peer is gone.
async fn nobody_left(peers: &Peers) {
    soon("everybody leaves", async {
        while peers.n_alive() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_voice_goes_in_and_a_voice_comes_out() {
    let peers = peers();
    let (caller, mut call, _answer) = meet(&peers).await;

    // In: the caller's tone, decoded at 16 kHz in 20 ms frames.
    let tone = caller.speak(440.0);
    let loud = soon("the caller's tone is heard", async {
        loop {
            let frame = call.heard.recv().await.unwrap();
            assert_eq!((frame.rate.hz(), frame.samples.len()), (16_000, 320));
            let level = frame.samples.iter().map(|s| s * s).sum::<f32>() / 320.0;
            if level.sqrt() > 0.1 {
                break level;
            }
        }
    })
    .await;
    assert!(loud < 0.1);
    drop(tone);

    // Out: 60 frames of the agent, one marker, timestamps in step.
    for _ in 0..60 {
        assert!(call.voice.push(&frame(1, false)));
    }
    assert!(call.voice.push(&frame(1, true)));
    let mut spoken = Vec::new();
    soon("the agent is heard", async {
        while spoken.len() < 60 {
            let packet = caller.next_packet().await;
            if packet.header.marker || !spoken.is_empty() {
                spoken.push(packet);
            }
        }
    })
    .await;
    assert_eq!(spoken.iter().filter(|p| p.header.marker).count(), 1);
    for pair in spoken.windows(2) {
        let (a, b) = (&pair[0].header, &pair[1].header);
        let packets = u32::from(b.sequence_number.wrapping_sub(a.sequence_number));
        assert_eq!(b.timestamp.wrapping_sub(a.timestamp), packets * 960);
    }
    caller.leave().await;
    nobody_left(&peers).await;
}

#[tokio::test]
async fn events_go_both_ways_in_order() {
    let peers = peers();
    let (caller, mut call, answer) = meet(&peers).await;
    let first = caller.next_event().await;
    assert_eq!(first["type"], "session.created");

    call.events
        .send(CallEvent::SpeechStarted {
            item: "item_1".into(),
            at: Duration::from_millis(1_234),
        })
        .await
        .unwrap();
    let started = caller.next_event().await;
    assert_eq!(started["type"], "input_audio_buffer.speech_started");
    assert_eq!(started["audio_start_ms"], 1_234);

    caller
        .send(r#"{"type":"response.create","event_id":"e1"}"#)
        .await;
    let (_, command) = soon("a command", call.commands.recv()).await.unwrap();
    assert!(matches!(command, Command::Respond(_)), "{command:?}");

    caller
        .send(r#"{"type":"input_audio_buffer.append","audio":"AAAA","event_id":"e2"}"#)
        .await;
    let refused = caller.next_event().await;
    assert_eq!(refused["type"], "error");
    assert_eq!(refused["error"]["event_id"], "e2");
    caller.send("this is not JSON").await;
    assert_eq!(caller.next_event().await["type"], "error");
    caller.send_bytes(b"\xFF\xFE").await;
    assert_eq!(caller.next_event().await["type"], "error");

    assert!(!peers.hang_up("rtc_of_somebody_else"));
    assert!(peers.hang_up(&answer.call_id));
    nobody_left(&peers).await;
    assert!(call.events.is_closed(), "the call was let go of");
}

#[tokio::test]
async fn the_buffer_events_frame_what_is_played() {
    let peers = peers();
    let (caller, mut call, _) = meet(&peers).await;
    assert_eq!(caller.next_event().await["type"], "session.created");
    call.events
        .send(CallEvent::ReplyStarted {
            epoch: Epoch(1),
            item: "item_2".into(),
            previous: None,
            spoken: true,
            asked: None,
        })
        .await
        .unwrap();
    assert_eq!(caller.next_event().await["type"], "response.created");
    assert!(call.voice.push(&frame(1, false)));
    assert!(call.voice.push(&frame(1, true)));
    until(&caller, "output_audio_buffer.started").await;
    call.events
        .send(CallEvent::ReplyEnded {
            epoch: Epoch(1),
            item: "item_2".into(),
            outcome: ReplyOutcome::Completed,
            written: "Hello.".into(),
            heard: 6,
            audio: Duration::from_millis(20),
            end: ReplyEnd::default(),
        })
        .await
        .unwrap();
    until(&caller, "output_audio_buffer.stopped").await;
    caller.leave().await;
    nobody_left(&peers).await;
}

#[tokio::test]
async fn the_last_words_arrive_before_the_connection_closes() {
    let peers = peers();
    let (caller, call, _) = meet(&peers).await;
    assert_eq!(caller.next_event().await["type"], "session.created");
    call.events
        .send(CallEvent::SpeechStarted {
            item: "item_9".into(),
            at: Duration::ZERO,
        })
        .await
        .unwrap();
    call.events
        .send(CallEvent::Ended {
            reason: EndReason::AgentHungUp,
        })
        .await
        .unwrap();
    drop(call);
    assert_eq!(
        caller.next_event().await["type"],
        "input_audio_buffer.speech_started"
    );
    nobody_left(&peers).await;
    caller.leave().await;
}

#[tokio::test]
async fn somebody_who_never_comes_is_forgotten() {
    let peers = Peers::open(WebRtcSettings {
        connect_within: Duration::from_millis(700),
        ..WebRtcSettings::default()
    })
    .unwrap();
    let caller = Caller::new().await;
    let mut calls = Vec::new();
    for _ in 0..5 {
        let (call, handle) = FakeCall::new();
        let offer = Offer::read(&caller.offer().await).unwrap();
        peers.answer(offer, handle, dialect()).await.unwrap();
        calls.push(call);
    }
    assert_eq!(peers.n_alive(), 5);
    let clock = Clock::start();
    nobody_left(&peers).await;
    // The stack itself would have given up after 15 s.
    assert!(clock.elapsed() < Duration::from_secs(6));
    for mut call in calls {
        assert!(soon("the call ends", call.heard.recv()).await.is_none());
    }
    assert_eq!(peers.0.port.sizes(), (0, 0), "their places are free");
    caller.leave().await;
}

/// The caller's machine dies: no goodbye, nothing ever again.
#[test]
fn somebody_who_vanishes_is_missed() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (ours, theirs) = (runtime(), runtime());
    let settings = WebRtcSettings {
        lost_after: Duration::from_secs(3),
        ..WebRtcSettings::default()
    };
    let peers = ours.block_on(async { Peers::open(settings).unwrap() });
    let caller = theirs.block_on(Caller::new());
    let offer = Offer::read(&theirs.block_on(caller.offer())).unwrap();
    let (mut call, handle) = FakeCall::new();
    let answer = ours
        .block_on(peers.answer(offer, handle, dialect()))
        .unwrap();
    theirs.block_on(caller.take(&answer.sdp));
    assert_eq!(
        theirs.block_on(caller.next_event())["type"],
        "session.created"
    );
    theirs.shutdown_background();
    ours.block_on(async {
        let clock = Clock::start();
        nobody_left(&peers).await;
        assert!(clock.elapsed() < Duration::from_secs(10));
        soon("the call ends", async {
            while call.heard.recv().await.is_some() {}
        })
        .await;
    });
}

#[tokio::test]
async fn an_offer_the_stack_refuses_frees_its_call() {
    let peers = peers();
    let caller = Caller::new().await;
    let sdp = caller.offer().await;
    caller.leave().await;
    for bad in [
        sdp.replace("m=audio ", "m=audio x"),
        sdp.replace("t=0 0", "t=once upon"),
        sdp.replace("a=group:BUNDLE", "a=rid:x nowhere\r\na=group:BUNDLE")
            .replace("a=mid:", "a=min:"),
    ] {
        let (mut call, handle) = FakeCall::new();
        let offer = Offer::read(&bad).unwrap();
        let Err(error) = peers.answer(offer, handle, dialect()).await else {
            panic!("answered: {bad}");
        };
        assert_eq!(error.status(), 422, "{error}");
        assert!(soon("the call ends", call.heard.recv()).await.is_none());
    }
    assert_eq!(peers.n_alive(), 0);
}

#[tokio::test]
async fn two_callers_share_a_port_and_hear_only_their_own() {
    let peers = peers();
    assert_eq!(peers.addresses().len(), 1);
    let (anna, mut annas, _) = meet(&peers).await;
    let (bert, mut berts, _) = meet(&peers).await;
    let tone = anna.speak(300.0);
    soon("Anna is heard", async {
        while annas.heard.recv().await.unwrap().samples[100..]
            .iter()
            .all(|s| s.abs() < 0.1)
        {}
    })
    .await;
    for _ in 0..20 {
        let frame = soon("Bert's line runs", berts.heard.recv()).await.unwrap();
        assert!(frame.samples.iter().all(|s| s.abs() < 0.01), "silence");
    }
    drop(tone);
    anna.leave().await;
    bert.leave().await;
    nobody_left(&peers).await;
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let peers = peers();
    let alive = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let mut after = Vec::new();
    for _ in 0..6 {
        let (caller, call, _) = meet(&peers).await;
        caller.leave().await;
        nobody_left(&peers).await;
        drop(call);
        assert_eq!(peers.0.port.sizes(), (0, 0));
        // The stack's own tasks end a moment after they were told to.
        soon("tasks end", async {
            while after.first().is_some_and(|first| alive() > *first) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        after.push(alive());
    }
    assert!(after.iter().all(|n| *n <= after[0]), "{after:?}");
    peers.shut_down().await;
}

#[tokio::test]
async fn shutting_down_hangs_up_on_everybody() {
    let peers = peers();
    let (caller, mut call, _) = meet(&peers).await;
    soon("all are gone", peers.shut_down()).await;
    assert_eq!(peers.n_alive(), 0);
    soon("the call ends", async {
        while call.heard.recv().await.is_some() {}
    })
    .await;
    caller.leave().await;
}

#[test]
fn addresses_follow_the_listener() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(addresses_beside(ip("127.0.0.1")), [ip("127.0.0.1")]);
    assert_eq!(
        addresses_beside(ip("192.0.2.1")),
        [ip("192.0.2.1"), ip("127.0.0.1")]
    );
    let all = addresses_beside(ip("0.0.0.0"));
    assert_eq!(all.last(), Some(&ip("127.0.0.1")));
    assert!(all.iter().all(|ip| !ip.is_unspecified()));
}

#[tokio::test]
async fn public_addresses_replace_the_local_ones_in_the_answer() {
    let peers = Peers::open(WebRtcSettings {
        public_addresses: vec!["203.0.113.9".parse().unwrap()],
        ..WebRtcSettings::default()
    })
    .unwrap();
    let port = peers.addresses()[0].port();
    let caller = Caller::new().await;
    let (_call, handle) = FakeCall::new();
    let offer = Offer::read(&caller.offer().await).unwrap();
    let answer = peers.answer(offer, handle, dialect()).await.unwrap();
    assert!(
        answer
            .sdp
            .contains(&format!(" 203.0.113.9 {port} typ host"))
    );
    assert_eq!(answer.sdp.matches("candidate:").count(), 1);
    assert!(answer.sdp.contains("a=setup:active"));
    peers.shut_down().await;
    caller.leave().await;
}

#[tokio::test]
async fn a_call_is_followed_and_steered_from_beside() {
    let peers = peers();
    assert!(peers.follow("rtc_nobody").await.is_none());
    let (caller, mut call, answer) = meet(&peers).await;
    assert_eq!(caller.next_event().await["type"], "session.created");
    let mut beside = peers.follow(&answer.call_id).await.unwrap();
    let mut next = async || -> serde_json::Value {
        let line = soon("an event beside", beside.events.recv()).await.unwrap();
        serde_json::from_str(&line).unwrap()
    };
    assert_eq!(next().await["type"], "session.created");
    call.events
        .send(CallEvent::SpeechStarted {
            item: "item_1".into(),
            at: Duration::from_millis(10),
        })
        .await
        .unwrap();
    let told = "input_audio_buffer.speech_started";
    assert_eq!(caller.next_event().await["type"], told);
    assert_eq!(next().await["type"], told);
    // It asks for what the peer could ask for; what is wrong is told to it alone.
    let update = r#"{"type":"session.update","session":{"type":"realtime","instructions":"x"}}"#;
    assert!(beside.ask(update.into()).await);
    assert!(beside.ask(r#"{"type":"nonsense"}"#.into()).await);
    let (_, command) = soon("a command", call.commands.recv()).await.unwrap();
    assert!(matches!(command, Command::Configure(_)), "{command:?}");
    assert_eq!(caller.next_event().await["type"], "session.updated");
    let mut kinds = Vec::new();
    while kinds.len() < 2 {
        let line = soon("an event beside", beside.events.recv()).await.unwrap();
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        kinds.push(event["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds, ["session.updated", "error"]);
    assert!(peers.hang_up(&answer.call_id));
    soon("the end beside", async {
        while beside.events.recv().await.is_some() {}
    })
    .await;
    nobody_left(&peers).await;
}
