//! Whole sessions of the dialect, and how it is told from the one it shares its address with.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::openai_realtime::{Carrier, DialectOptions, SessionKind, session::SessionDefaults};

fn bare() -> Bare {
    let options = DialectOptions {
        carrier: Carrier::WebSocket,
        kind: SessionKind::Conversation,
        name: "t".into(),
        strict: true,
        extensions: false,
        expires_at: None,
    };
    let openai = Dialect::new(options, SessionDefaults::default());
    Bare::new(
        openai,
        VllmOptions {
            name: "t".into(),
            created: 1_800_000_000,
            policy: TurnPolicy::default(),
        },
    )
}

fn send(session: &mut Bare, event: &Value) -> Received {
    session.received(&event.to_string())
}

fn read(lines: &[String]) -> Vec<Value> {
    lines
        .iter()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

fn code(received: &Received) -> Value {
    let events = read(&received.replies);
    assert!(events[0]["error"].is_string(), "{events:?}");
    events[0]["code"].clone()
}

#[test]
fn the_first_event_says_which_dialect_it_is() {
    let mut session = bare();
    let first = &read(&session.opened())[0];
    assert_eq!(first["id"], "sess-t");
    assert_eq!(first["created"], 1_800_000_000);
    assert_eq!(first["session"]["object"], "realtime.session");
    let update = json!({"type": "session.update", "session": {"type": "realtime"}});
    let replies = read(&send(&mut session, &update).replies);
    assert_eq!(replies[0]["type"], "session.updated");
    let mut session = bare();
    session.opened();
    let received = send(
        &mut session,
        &json!({"type": "session.update", "model": "voxtral"}),
    );
    assert!(received.replies.is_empty());
    let Command::Configure(settings) = &received.commands[0].1 else {
        panic!("{received:?}");
    };
    let policy = settings.policy.as_ref().unwrap();
    assert!(policy.mode == TurnMode::Manual && !policy.reply);
}

#[test]
fn an_utterance_is_written_while_it_is_said_and_done_once() {
    let mut session = bare();
    session.opened();
    send(
        &mut session,
        &json!({"type": "session.update", "model": "m", "language": "de"}),
    );
    let begin = json!({"type": "input_audio_buffer.commit"});
    assert!(
        send(&mut session, &begin).commands.is_empty(),
        "it only begins"
    );
    let audio = json!({"type": "input_audio_buffer.append", "audio": "AAAAAAAA"});
    assert_eq!(send(&mut session, &audio).audio.len(), 3, "16 kHz as it is");
    let partial = |text: &str| CallEvent::Partial {
        item: "u".into(),
        text: text.into(),
    };
    let mut lines = session.told(partial("one two"));
    lines.extend(session.told(partial("one two three")));
    let end = json!({"type": "input_audio_buffer.commit", "final": true});
    let received = send(&mut session, &end);
    assert!(matches!(received.commands[0].1, Command::Commit));
    lines.extend(session.told(CallEvent::UserSaid {
        item: "u".into(),
        text: "one two three".into(),
        audio: std::time::Duration::from_secs(1),
        words: Vec::new(),
    }));
    let events = read(&lines);
    let deltas: String = (events.iter())
        .filter_map(|event| event["delta"].as_str())
        .collect();
    let done = events.last().unwrap();
    assert_eq!(done["type"], "transcription.done");
    assert_eq!(done["text"], "one two three");
    assert_eq!(deltas, "one two three");
    assert_eq!(done["usage"]["total_tokens"], 0);
}

#[test]
fn mistakes_are_told_in_the_dialects_own_words() {
    let mut session = bare();
    session.opened();
    send(
        &mut session,
        &json!({"type": "session.update", "model": "m"}),
    );
    for (event, wanted) in [
        (
            json!({"type": "session.update", "model": ""}),
            "invalid_event",
        ),
        (json!({"type": "session.update"}), "invalid_event"),
        (
            json!({"type": "input_audio_buffer.append"}),
            "invalid_event",
        ),
        (
            json!({"type": "input_audio_buffer.append", "audio": "%"}),
            "invalid_audio",
        ),
        (json!({"type": "response.create"}), "unknown_event"),
        (json!({}), "invalid_event"),
        (json!([1]), "invalid_event"),
    ] {
        assert_eq!(code(&send(&mut session, &event)), wanted, "{event}");
    }
    assert_eq!(code(&session.received("{")), "invalid_json");
    let mut unready = Vllm::new(bare().vllm.options);
    let early = unready.received(r#"{"type": "input_audio_buffer.commit"}"#);
    assert_eq!(code(&early), "model_not_validated");
}
