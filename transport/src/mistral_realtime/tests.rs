//! Whole sessions of the dialect.
#![allow(clippy::unwrap_used)]
use super::*;

fn session() -> Mistral {
    Mistral::new(MistralOptions {
        name: "t".into(),
        model: "voxtral".into(),
        policy: TurnPolicy::default(),
        strict: true,
        languages: vec!["en".into()],
    })
}

fn send(session: &mut Mistral, event: &Value) -> Received {
    session.received(&event.to_string())
}

fn read(lines: &[String]) -> Vec<Value> {
    lines
        .iter()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

fn said(item: &str, text: &str) -> CallEvent {
    CallEvent::UserSaid {
        item: item.into(),
        text: text.into(),
        audio: Duration::from_millis(1_500),
        words: Vec::new(),
    }
}

#[test]
fn audio_in_words_out_and_done_at_the_end() {
    let mut mistral = session();
    let created = &read(&mistral.opened())[0];
    assert_eq!(created["type"], "session.created");
    assert_eq!(created["session"]["audio_format"]["encoding"], "pcm_s16le");
    let update = json!({"type": "session.update", "session": {
        "audio_format": {"encoding": "pcm_f32le", "sample_rate": 24_000},
        "target_streaming_delay_ms": 480, "language": "en",
    }});
    let received = send(&mut mistral, &update);
    let updated = &read(&received.replies)[0];
    assert_eq!(updated["type"], "session.updated");
    assert_eq!(updated["session"]["target_streaming_delay_ms"], 480);
    let Command::Configure(settings) = &received.commands[0].1 else {
        panic!("{received:?}");
    };
    let delay = settings.hearing.as_ref().unwrap().delay;
    assert_eq!(delay, Some(Duration::from_millis(480)));
    send(
        &mut mistral,
        &json!({"type": "input_audio.append", "audio": "AAAAAAAAAAA="}),
    );
    let partial = |text: &str| CallEvent::Partial {
        item: "u".into(),
        text: text.into(),
    };
    let mut lines = mistral.told(partial("good morning"));
    lines.extend(mistral.told(partial("good morning to")));
    let flush = send(&mut mistral, &json!({"type": "input_audio.flush"}));
    assert!(matches!(flush.commands[0].1, Command::Commit));
    lines.extend(mistral.told(said("u", "good morning to you")));
    send(&mut mistral, &json!({"type": "input_audio.end"}));
    lines.extend(mistral.told(said("v", "bye")));
    let events = read(&lines);
    let deltas: String = (events.iter())
        .filter(|event| event["type"] == "transcription.text.delta")
        .map(|event| event["text"].as_str().unwrap())
        .collect();
    let done = events.last().unwrap();
    assert_eq!(done["type"], "transcription.done");
    assert_eq!(done["text"], "good morning to you bye");
    assert_eq!(deltas, "good morning to you bye");
    assert_eq!(done["segments"].as_array().unwrap().len(), 2);
    assert_eq!(done["usage"]["prompt_audio_seconds"], 3);
    assert!(mistral.is_done());
    assert!(mistral.told(said("w", "late")).is_empty());
}

#[test]
fn turns_are_told_where_they_were_asked_for() {
    let mut mistral = session();
    let update = json!({"type": "session.update", "session": {
        "turn_detection": {"min_silence_ms": 300, "start_threshold": 0.7},
    }});
    let received = send(&mut mistral, &update);
    let Command::Configure(settings) = &received.commands[0].1 else {
        panic!("{received:?}");
    };
    let policy = settings.policy.as_ref().unwrap();
    assert_eq!(policy.mode, TurnMode::Silence(Duration::from_millis(300)));
    assert_eq!(policy.threshold, Some(0.7));
    let at = Duration::from_millis(250);
    let item = || ItemId::from("u");
    let mut lines = mistral.told(CallEvent::SpeechStarted { item: item(), at });
    lines.extend(mistral.told(CallEvent::SpeechStopped { item: item(), at }));
    let events = read(&lines);
    assert_eq!(events[0], json!({"type": "turn.start", "time_s": 0.25}));
    assert_eq!(events[1]["end_reason"], "threshold");
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let mut mistral = session();
    for (event, wanted) in [
        (json!({"type": "nonsense"}), "nonsense"),
        (json!({"type": "input_audio.append"}), "audio"),
        (
            json!({"type": "input_audio.append", "audio": "%"}),
            "base64",
        ),
        (json!({"type": "session.update"}), "session"),
        (
            json!({"type": "session.update", "session": {"diarize": true}}),
            "Speakers",
        ),
        (
            json!({"type": "session.update", "session": {"language": "fr"}}),
            "'en'",
        ),
        (
            json!({"type": "session.update", "session": {"colour": 1}}),
            "session.colour",
        ),
        (
            json!({"type": "session.update", "session": {"audio_format": {"encoding": "mp3"}}}),
            "pcm_s16le",
        ),
    ] {
        let replies = read(&send(&mut mistral, &event).replies);
        assert_eq!(replies[0]["error"]["code"], 400, "{event}");
        let message = replies[0]["error"]["message"].as_str().unwrap();
        assert!(message.contains(wanted), "{event}: {message}");
    }
    send(
        &mut mistral,
        &json!({"type": "input_audio.append", "audio": "AAAA"}),
    );
    let late = json!({"type": "session.update", "session": {"language": "en"}});
    let replies = read(&send(&mut mistral, &late).replies);
    assert!(
        replies[0]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("before any audio")
    );
}
