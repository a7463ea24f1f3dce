//! Leases over fake servers that were written from the three protocols' text: words come, silence
//! is not sent, a broken connection is mended without losing sound, and a key is shown to nobody.
#![allow(clippy::unwrap_used)]
use std::time::Duration;

use tokio::time::timeout;
use voiced_core::{
    audio::{AudioFrame, SampleRate},
    engine::{Heard, Hearing, HearingOptions},
};
use voiced_pipeline::{
    lease::Lease,
    server::{Failure, Secret},
};

use super::*;

mod server;

use server::{Act, Fake};

const DIALECTS: [Dialect; 3] = [Dialect::Vllm, Dialect::Mistral, Dialect::OpenAi];
const SOON: Duration = Duration::from_secs(20);

fn ear(fake: &Fake) -> RemoteEar {
    RemoteEar::new(RemoteSettings {
        key: Some(Secret::new("hush-hush")),
        language: Some("nl".to_owned()),
        connect_within: SOON,
        final_within: SOON,
        retry_after: Duration::from_millis(1),
        ..RemoteSettings::new(fake.dialect, fake.url(), "the-model")
    })
    .unwrap()
}

async fn send(lease: &Lease<Hearing, Heard>, input: Hearing) {
    let sent = timeout(SOON, lease.feed.send(input)).await;
    sent.expect("in time").expect("the lease lives");
}

async fn sound(lease: &Lease<Hearing, Heard>, ms: u64) {
    for _ in 0..ms / 20 {
        let frame = AudioFrame::new(SampleRate::HEARING, vec![0.25; 320]);
        send(lease, Hearing::Audio(frame)).await;
    }
}

/// Partials until the final, and the final; `None` when the lease ended.
async fn answer(lease: &mut Lease<Hearing, Heard>) -> (Vec<String>, Option<String>) {
    let mut partials = Vec::new();
    loop {
        match timeout(SOON, lease.yields.recv()).await.expect("an answer") {
            Some(Heard::Partial(text)) => partials.push(text),
            Some(Heard::Final(said)) => return (partials, Some(said.text)),
            None => return (partials, None),
        }
    }
}

/// An utterance of a second; what was made of it.
async fn utter(lease: &mut Lease<Hearing, Heard>) -> Option<String> {
    send(lease, Hearing::SpeechStarted).await;
    sound(lease, 1_000).await;
    send(lease, Hearing::Finalize).await;
    answer(lease).await.1
}

#[tokio::test]
async fn utterances_become_words_in_every_dialect() {
    for dialect in DIALECTS {
        let fake = Fake::start(dialect, vec![]).await;
        let client = ear(&fake).serve(1);
        let mut lease = client.open().await.unwrap();
        // Two seconds of silence, of which half a second may be the beginning of a word.
        sound(&lease, 2_000).await;
        send(&lease, Hearing::SpeechStarted).await;
        sound(&lease, 1_000).await;
        send(&lease, Hearing::Finalize).await;
        let (partials, said) = answer(&mut lease).await;
        assert_eq!(said.as_deref(), Some("heard 1500 ms"), "{dialect:?}");
        assert!(
            partials.iter().all(|partial| partial.starts_with("heard")),
            "{partials:?}"
        );
        // Nothing said since, then another one.
        send(&lease, Hearing::Finalize).await;
        assert_eq!(answer(&mut lease).await.1.as_deref(), Some(""));
        assert_eq!(utter(&mut lease).await.as_deref(), Some("heard 1000 ms"));
        fake.expect_language("nl");
    }
}

#[tokio::test]
async fn a_lease_says_its_language_and_delay_before_its_first_word() {
    let fake = Fake::start(Dialect::Mistral, vec![]).await;
    let client = ear(&fake).serve(1);
    let mut lease = client.open().await.unwrap();
    let tuned = HearingOptions {
        delay: Some(Duration::from_millis(960)),
        language: Some("de".to_owned()),
    };
    send(&lease, Hearing::Tune(tuned)).await;
    assert!(utter(&mut lease).await.is_some());
    fake.expect_language("de");
    assert_eq!(
        fake.last_opening()["session"]["target_streaming_delay_ms"],
        960
    );
}

#[tokio::test]
async fn what_is_discarded_is_not_answered_and_not_mixed_in() {
    for dialect in DIALECTS {
        let fake = Fake::start(dialect, vec![]).await;
        let client = ear(&fake).serve(1);
        let mut lease = client.open().await.unwrap();
        send(&lease, Hearing::SpeechStarted).await;
        sound(&lease, 700).await;
        send(&lease, Hearing::Discard).await;
        send(&lease, Hearing::Finalize).await;
        assert_eq!(answer(&mut lease).await.1.as_deref(), Some(""));
        let said = utter(&mut lease).await;
        assert_eq!(said.as_deref(), Some("heard 1000 ms"), "{dialect:?}");
    }
}

#[tokio::test]
async fn a_lost_connection_costs_no_sound() {
    for dialect in DIALECTS {
        for cut in [Act::CutAt(300), Act::CutAtCommit, Act::Error(500)] {
            let fake = Fake::start(dialect, vec![cut]).await;
            let client = ear(&fake).serve(1);
            let mut lease = client.open().await.unwrap();
            let said = utter(&mut lease).await;
            assert_eq!(
                said.as_deref(),
                Some("heard 1000 ms"),
                "{dialect:?} {cut:?}"
            );
            assert!(fake.connections() >= 2);
        }
    }
}

#[tokio::test]
async fn an_utterance_nobody_hears_is_given_up_and_then_the_lease() {
    for dialect in DIALECTS {
        let fake = Fake::start(dialect, vec![Act::CutAtCommit; 100]).await;
        let client = ear(&fake).serve(1);
        let mut lease = client.open().await.unwrap();
        let said = utter(&mut lease).await;
        assert!(said.is_some_and(|said| said.starts_with("heard") || said.is_empty()));
        assert!(utter(&mut lease).await.is_some());
        send(&lease, Hearing::SpeechStarted).await;
        sound(&lease, 100).await;
        // The third may end the lease while it is being spoken.
        let _ = lease.feed.send(Hearing::Finalize).await;
        assert_eq!(answer(&mut lease).await.1, None, "{dialect:?}");
    }
}

#[tokio::test]
async fn a_late_answer_is_asked_for_again() {
    let fake = Fake::start(Dialect::Vllm, vec![Act::Silent]).await;
    let ear = RemoteEar::new(RemoteSettings {
        final_within: Duration::from_millis(50),
        retry_after: Duration::from_millis(1),
        ..RemoteSettings::new(fake.dialect, fake.url(), "the-model")
    })
    .unwrap();
    let client = ear.clone().serve(1);
    let mut lease = client.open().await.unwrap();
    let said = utter(&mut lease).await;
    assert!(said.is_some(), "answered all the same");
    assert!(fake.connections() >= 2);
}

#[tokio::test]
async fn a_refused_key_ends_the_lease_and_is_not_told() {
    for dialect in DIALECTS {
        let fake = Fake::start(dialect, vec![Act::Refuse(401); 10]).await;
        let ear = ear(&fake);
        let failure = ear.warm_up().await.unwrap_err();
        assert!(
            matches!(failure, Failure::Refused { status: 401, .. }),
            "{failure:?}"
        );
        let shown = format!("{failure} {failure:?} {ear:?}");
        assert!(!shown.contains("hush"), "{shown}");
        let client = ear.clone().serve(1);
        let mut lease = client.open().await.unwrap();
        assert_eq!(answer(&mut lease).await.1, None);
        assert_eq!(fake.connections(), 2, "nobody is pestered");
    }
}

#[tokio::test]
async fn a_server_that_greets_is_warm_and_one_that_is_not_there_is_not() {
    for dialect in DIALECTS {
        let fake = Fake::start(dialect, vec![]).await;
        ear(&fake).warm_up().await.unwrap();
        fake.expect_key("Bearer hush-hush");
        drop(fake);
    }
    let nobody = RemoteSettings::new(Dialect::Vllm, "http://127.0.0.1:9/v1", "m");
    let failure = RemoteEar::new(nobody).unwrap().warm_up().await.unwrap_err();
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
    let open = RemoteSettings {
        key: Some(Secret::new("hush-hush")),
        ..RemoteSettings::new(Dialect::Vllm, "http://far.example/v1", "m")
    };
    assert!(RemoteEar::new(open).is_err(), "the key would be seen");
}

#[tokio::test]
async fn too_little_sound_is_no_words() {
    let fake = Fake::start(Dialect::OpenAi, vec![]).await;
    let client = ear(&fake).serve(1);
    let mut lease = client.open().await.unwrap();
    send(&lease, Hearing::SpeechStarted).await;
    sound(&lease, 60).await;
    send(&lease, Hearing::Finalize).await;
    assert_eq!(answer(&mut lease).await.1.as_deref(), Some(""));
    assert_eq!(utter(&mut lease).await.as_deref(), Some("heard 1000 ms"));
}

#[test]
fn addresses_are_those_of_the_protocols() {
    let table = [
        (Dialect::Vllm, "http://h:8000/v1", "ws://h:8000/v1/realtime"),
        (
            Dialect::Mistral,
            "https://api.mistral.ai/v1",
            "wss://api.mistral.ai/v1/audio/transcriptions/realtime?model=a+b",
        ),
        (
            Dialect::OpenAi,
            "https://api.openai.com/v1",
            "wss://api.openai.com/v1/realtime?intent=transcription",
        ),
    ];
    for (dialect, base, want) in table {
        let place = Place::new(base, None, &[], false).unwrap();
        assert_eq!(dialect.address(&place, "a b"), want);
    }
}

#[test]
fn what_is_not_understood_is_an_error_and_never_a_panic() {
    use dialect::Told;
    for dialect in DIALECTS {
        for text in [
            "{}",
            "[]",
            "null",
            "{\"type\":7}",
            "{\"type\":\"new.thing\"}",
        ] {
            assert_eq!(dialect.understand(text), Told::Other, "{text}");
        }
        assert!(matches!(dialect.understand("not json"), Told::Failed(_)));
        let quoting = r#"{"type":"error","error":{"message":"he said hello","code":"x"}}"#;
        let Told::Failed(failure) = dialect.understand(quoting) else {
            panic!("an error");
        };
        assert!(!failure.to_string().contains("hello"));
    }
}
