//! Speech servers against fakes written from the protocols' text: what is asked, what comes of the
//! answer, and what happens when it goes wrong.
#![allow(clippy::unwrap_used)]
use std::{sync::atomic::Ordering, time::Duration};

use axum::body::Bytes;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;
use voiced_core::{
    audio::{SampleRate, to_pcm16},
    engine::{Line, Speech},
};
use voiced_pipeline::{
    lease::{EngineClient, Lease},
    server::{Failure, Secret},
};
use voiced_tts::remote::{Dialect, Settings, SpeechServer};

#[path = "remote/fake.rs"]
mod fake;
#[path = "../../llm/tests/openai/server.rs"]
#[allow(dead_code)]
mod server;

use fake::{Script, Talks};
use server::{Answer, Server};

type Voice = EngineClient<Line, Speech>;

fn ramp(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i % 100) as f32 / 128.0).collect()
}

fn line(text: &str) -> Line {
    Line {
        text: text.to_owned(),
        voice: Some("ada".to_owned()),
        speed: None,
    }
}

/// Impatient enough for a test.
fn settings(dialect: Dialect, url: &str) -> Settings {
    Settings {
        key: Some(Secret::new("hush")),
        first_sound_within: Duration::from_secs(5),
        next_sound_within: Duration::from_secs(5),
        ..Settings::new(dialect, url, "m", "default")
    }
}

fn voice(settings: Settings) -> Voice {
    SpeechServer::new(settings).unwrap().serve(2)
}

/// Bare samples, in these pieces.
fn bare(samples: &[f32], piece: usize) -> Answer {
    let mut answer = Answer::status(200, "").header("content-type", "audio/pcm");
    let bytes = to_pcm16(samples);
    answer.chunks = bytes.chunks(piece).map(Bytes::copy_from_slice).collect();
    answer
}

/// What a line becomes; `None` when the engine gave up, with what came before.
async fn hear(lease: &mut Lease<Line, Speech>) -> (Vec<f32>, bool) {
    let mut samples = Vec::new();
    loop {
        match lease.yields.recv().await {
            Some(Speech::Audio(frame)) => {
                assert_eq!(frame.rate, SampleRate::SPEECH);
                assert!(frame.samples.len() <= 4_800, "200 ms at most");
                samples.extend_from_slice(&frame.samples);
            }
            Some(Speech::Word { .. }) => panic!("servers tell no words"),
            Some(Speech::End) => return (samples, true),
            None => return (samples, false),
        }
    }
}

async fn say(voice: &Voice, line: Line) -> (Vec<f32>, bool) {
    let mut lease = voice.open().await.unwrap();
    lease.feed.send(line).await.unwrap();
    hear(&mut lease).await
}

fn near(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3)
}

#[tokio::test]
async fn openai_is_asked_for_samples_and_they_come_as_they_are_made() {
    let sound = ramp(9_001);
    for piece in [1_001, 1_000_000] {
        let server = Server::start(vec![bare(&sound, piece), bare(&sound[..10], 3)]).await;
        let voice = voice(Settings {
            instructions: Some("gently".to_owned()),
            ..settings(Dialect::OpenAi, &server.url())
        });
        let mut lease = voice.open().await.unwrap();
        lease.feed.send(line("Hello there.")).await.unwrap();
        let (heard, whole) = hear(&mut lease).await;
        assert!(whole && near(&heard, &sound));
        // The next line of the same reply.
        let other = Line {
            voice: None,
            speed: Some(1.25),
            ..line("And again.")
        };
        lease.feed.send(other).await.unwrap();
        assert!(near(&hear(&mut lease).await.0, &sound[..10]));
        let asked = server.requests();
        assert_eq!(asked[0].path, "/v1/audio/speech");
        assert_eq!(asked[0].authorization.as_deref(), Some("Bearer hush"));
        assert_eq!(
            asked[0].body,
            json!({"model": "m", "input": "Hello there.", "voice": "ada",
                   "response_format": "pcm", "instructions": "gently"})
        );
        assert_eq!(asked[1].body["voice"], "default");
        assert_eq!(asked[1].body["speed"], 1.25);
        assert_eq!(server.connections.load(Ordering::SeqCst), 1, "kept open");
    }
}

#[tokio::test]
async fn tempo_and_rate_are_made_here_when_the_server_has_none() {
    let sound = ramp(16_000);
    let server = Server::start(vec![bare(&sound, 1_000); 2]).await;
    let voice = voice(Settings {
        speed_by_server: false,
        sample_rate: SampleRate::HEARING,
        extra: json!({"stream": true}).as_object().unwrap().clone(),
        ..settings(Dialect::OpenAi, &server.url())
    });
    let (heard, whole) = say(&voice, line("One second.")).await;
    assert!(whole && heard.len() == 24_000, "{}", heard.len());
    let slow = Line {
        speed: Some(0.5),
        ..line("Two seconds.")
    };
    let (heard, _) = say(&voice, slow).await;
    assert!(heard.len().abs_diff(48_000) < 10, "{}", heard.len());
    let asked = &server.requests()[1].body;
    assert!(
        asked.get("speed").is_none() && asked["stream"] == true,
        "{asked}"
    );
}

fn events(sound: &[f32]) -> Answer {
    let bytes: Vec<u8> = sound.iter().flat_map(|s| s.to_le_bytes()).collect();
    let mut body = String::new();
    // Cut where no sample ends.
    for piece in bytes.chunks(1_001) {
        let data = json!({"type": "speech.audio.delta", "audio_data": BASE64.encode(piece)});
        body.push_str(&format!("event: speech.audio.delta\ndata: {data}\n\n"));
    }
    let done = json!({"type": "speech.audio.done", "usage": {"total_tokens": 1}});
    Answer::stream(&format!("{body}event: speech.audio.done\ndata: {done}\n\n"))
}

#[tokio::test]
async fn mistral_is_asked_for_events_with_floats() {
    let sound = ramp(5_003);
    let bytes: Vec<u8> = sound.iter().flat_map(|s| s.to_le_bytes()).collect();
    let whole = json!({"audio_data": BASE64.encode(bytes)}).to_string();
    let whole = Answer::status(200, &whole).header("content-type", "application/json");
    let mut dribble = events(&sound[..300]);
    dribble.byte_by_byte();
    let server = Server::start(vec![events(&sound), whole, dribble]).await;
    let voice = voice(Settings {
        expressiveness: Some(1.5),
        ..settings(Dialect::Mistral, &server.url())
    });
    assert!(near(&say(&voice, line("Hello.")).await.0, &sound));
    let asked = &server.requests()[0];
    assert_eq!(
        asked.body,
        json!({"model": "m", "input": "Hello.", "voice_id": "ada", "response_format": "pcm",
               "stream": true, "expressiveness": 1.5})
    );
    // A server that does not stream, and one that streams too well.
    assert!(near(&say(&voice, line("Hello.")).await.0, &sound));
    assert!(near(&say(&voice, line("Hello.")).await.0, &sound[..300]));
}

#[tokio::test]
async fn what_fails_before_the_first_sound_is_asked_again_and_later_not() {
    let sound = ramp(3_000);
    let busy = Answer::status(
        503,
        r#"{"error": {"message": "busy", "code": "overloaded"}}"#,
    );
    let server = Server::start(vec![busy.clone(), bare(&sound, 500)]).await;
    let voice_of = |url: &str| voice(settings(Dialect::OpenAi, url));
    let (heard, whole) = say(&voice_of(&server.url()), line("Hello.")).await;
    assert!(whole && near(&heard, &sound));
    assert_eq!(server.requests().len(), 2);

    // What will not pass is not asked again.
    let refused = Answer::status(401, r#"{"error": {"message": "no such key"}}"#);
    let server = Server::start(vec![refused, bare(&sound, 500)]).await;
    assert!(!say(&voice_of(&server.url()), line("Hello.")).await.1);
    assert_eq!(server.requests().len(), 1);

    // Three times and no more; a server that asks for patience is not waited for.
    let server = Server::start(vec![busy.clone(); 5]).await;
    assert!(!say(&voice_of(&server.url()), line("Hello.")).await.1);
    assert_eq!(server.requests().len(), 3);
    let server = Server::start(vec![busy.header("retry-after", "60"); 5]).await;
    assert!(!say(&voice_of(&server.url()), line("Hello.")).await.1);
    assert_eq!(server.requests().len(), 1);

    // A stream that breaks off, or has no end, is what it is: nothing is said twice.
    let mut cut = events(&sound);
    cut.chunks[0] = cut.chunks[0].slice(..3_000);
    let server = Server::start(vec![cut, events(&sound)]).await;
    let voice = voice(settings(Dialect::Mistral, &server.url()));
    let (heard, whole) = say(&voice, line("Hello.")).await;
    assert!(!whole && !heard.is_empty());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let mut hangs = bare(&ramp(480), 100);
    hangs.then_hang = true;
    let server = Server::start(vec![hangs]).await;
    let voice = voice(Settings {
        next_sound_within: Duration::from_millis(200),
        ..settings(Dialect::OpenAi, &server.url())
    });
    let (heard, whole) = say(&voice, line("Hello.")).await;
    assert!(!whole && !heard.is_empty());
    server.until_closed(1).await;
}

#[tokio::test]
async fn a_dropped_lease_closes_its_request_and_frees_its_row() {
    let mut hangs = bare(&ramp(480), 100);
    hangs.then_hang = true;
    let server = Server::start(vec![hangs.clone(), hangs.clone(), hangs]).await;
    let voice = voice(settings(Dialect::OpenAi, &server.url()));
    for n in 1..=3 {
        let mut lease = voice.open().await.unwrap();
        lease.feed.send(line("Hello.")).await.unwrap();
        assert!(lease.yields.recv().await.is_some());
        drop(lease);
        server.until_closed(n).await;
    }
}

#[tokio::test]
async fn what_is_no_sound_is_an_error_and_no_noise() {
    let wav = Answer::status(200, "RIFF....WAVEfmt ").header("content-type", "audio/wav");
    let page = Answer::status(200, "<html>").header("content-type", "text/html");
    let empty = Answer::status(200, "").header("content-type", "audio/pcm");
    let odd = Answer::status(200, "{\"x\": 1}").header("content-type", "application/json");
    for answer in [wav, page, empty, odd] {
        let server = Server::start(vec![answer; 3]).await;
        let voice = voice(Settings {
            attempts: 1,
            ..settings(Dialect::OpenAi, &server.url())
        });
        let (heard, whole) = say(&voice, line("Hello.")).await;
        assert!(!whole && heard.is_empty());
    }
    // What nobody can say is not sent at all.
    let server = Server::start(Vec::new()).await;
    let voice = voice(settings(Dialect::OpenAi, &server.url()));
    for text in ["", " ", "…!", "🎤"] {
        assert!(say(&voice, line(text)).await.1, "{text:?}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn voices_are_listed_as_the_server_has_them() {
    let list = json!({"items": [{"id": "v1", "name": "Ada", "languages": ["en"]}], "total": 1});
    let server = Server::start(vec![Answer::status(200, &list.to_string())]).await;
    let of = |dialect, url: &str| SpeechServer::new(settings(dialect, url)).unwrap();
    let voices = of(Dialect::Mistral, &server.url()).voices().await.unwrap();
    assert_eq!(
        (voices[0].id.as_str(), voices[0].name.as_str()),
        ("v1", "Ada")
    );
    // OpenAI has no list; its documented voices stand in.
    let server = Server::start(Vec::new()).await;
    let voices = of(Dialect::OpenAi, &server.url()).voices().await.unwrap();
    assert!(voices.iter().any(|voice| voice.id == "alloy"));
    let refused = Answer::status(401, r#"{"error": {"message": "bad key"}}"#);
    let server = Server::start(vec![refused.clone(), refused]).await;
    let speech = of(Dialect::Mistral, &server.url());
    assert!(matches!(
        speech.voices().await,
        Err(Failure::Refused { status: 401, .. })
    ));
    let told = speech.warm_up().await.unwrap_err().to_string();
    assert!(told.contains("bad key") && !told.contains("hush"), "{told}");
    assert!(!format!("{speech:?}").contains("hush"));
}

#[tokio::test]
async fn realtime_speech_is_told_the_voice_the_text_and_its_end() {
    let sound = ramp(4_001);
    let talks = Talks::start(vec![Script::Say(sound.clone()), Script::Say(sound.clone())]).await;
    let voice = voice(Settings {
        expressiveness: Some(2.0),
        ..settings(Dialect::MistralRealtime, &talks.url)
    });
    let mut lease = voice.open().await.unwrap();
    for _ in 0..2 {
        lease.feed.send(line("Hello there.")).await.unwrap();
        let (heard, whole) = hear(&mut lease).await;
        assert!(whole && near(&heard, &sound));
    }
    let told = talks.told();
    assert_eq!(told.len(), 2);
    let first = &told[0];
    assert_eq!(first.target, "/v1/audio/speech/realtime?model=m");
    assert_eq!(first.authorization.as_deref(), Some("Bearer hush"));
    let session = &first.events[0]["session"];
    assert_eq!(
        (&first.events[0]["type"], &session["voice"]),
        (&json!("session.update"), &json!("ada"))
    );
    assert_eq!(
        (&session["response_format"], &session["expressiveness"]),
        (&json!("pcm"), &json!(2.0))
    );
    assert_eq!(
        first.events[1],
        json!({"type": "input_text.append", "text": "Hello there."})
    );
    assert_eq!(first.events[2], json!({"type": "input_text.end"}));
}

#[tokio::test]
async fn realtime_speech_that_is_refused_lost_or_dropped() {
    let sound = ramp(2_000);
    // A bad voice closes with a reason: that will not pass.
    let talks = Talks::start(vec![
        Script::Close("unknown voice"),
        Script::Say(sound.clone()),
    ])
    .await;
    let voice_of = |url: &str| voice(settings(Dialect::MistralRealtime, url));
    assert!(!say(&voice_of(&talks.url), line("Hello.")).await.1);
    assert_eq!(talks.told().len(), 1);
    // An error that may pass is asked again; one in the middle is not.
    let talks = Talks::start(vec![Script::Error(503), Script::Say(sound.clone())]).await;
    assert!(near(
        &say(&voice_of(&talks.url), line("Hello.")).await.0,
        &sound
    ));
    let talks = Talks::start(vec![
        Script::Break(sound.clone()),
        Script::Say(sound.clone()),
    ])
    .await;
    let (heard, whole) = say(&voice_of(&talks.url), line("Hello.")).await;
    assert!(!whole && !heard.is_empty() && talks.told().len() == 1);
    // Barge-in hangs up.
    let talks = Talks::start(vec![Script::Hang(sound)]).await;
    let voice = voice_of(&talks.url);
    let mut lease = voice.open().await.unwrap();
    lease.feed.send(line("Hello.")).await.unwrap();
    assert!(lease.yields.recv().await.is_some());
    drop(lease);
    talks.until_hung_up().await;
}
