//! Other people's readers of the same events: a catalogue of the protocol's schema, and a client
//! library in Rust that refuses what it does not know.
use std::{fs, path::Path, process};

use async_openai::types::realtime::RealtimeServerEvent;
use voiced_core::turn::{EndReason, Message, Refusal, Role, ToolCall, ToolRuns};

use super::*;

/// A transcript in which every kind of server event occurs.
fn transcript() -> Vec<String> {
    let mut dialect = Dialect::new(options(Carrier::WebSocket), SessionDefaults::default());
    let mut lines = dialect.opened();
    let tools = json!([{"type": "function", "name": "f", "parameters": {"type": "object"}}]);
    for session in [
        json!({"tools": tools, "tool_choice": {"type": "function", "name": "f"},
            "tracing": "auto", "max_output_tokens": 100,
            "audio": {"input": {"transcription": {"model": "m"},
                "turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}}}),
        json!({"tool_choice": "auto", "audio": {"output": {"format": {"type": "audio/pcmu"},
            "voice": "marin"}}}),
        json!({"audio": {"input": {"turn_detection": null}}}),
        json!({"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}}),
    ] {
        lines.extend(send(&mut dialect, &update(&session)).replies);
    }
    let cancel = json!({"type": "response.cancel", "event_id": "mine"});
    let (cancelled, _) = send(&mut dialect, &cancel).commands[0].clone();
    let truncate = json!({"type": "conversation.item.truncate", "item_id": "a",
        "content_index": 0, "audio_end_ms": 40});
    send(&mut dialect, &truncate);
    let at = Duration::from_millis(500);
    let added = |item: &str, message| CallEvent::ItemAdded {
        item: id(item),
        previous: Some(id("u")),
        message,
    };
    let call = || ToolCall {
        id: "c".into(),
        name: "f".into(),
        arguments: "{}".into(),
    };
    let called = Message {
        tool_calls: vec![call()],
        ..Message::new(Role::Assistant, "")
    };
    let answered = Message {
        answers: Some("c".into()),
        ..Message::new(Role::Tool, "ok")
    };
    let before = [
        CallEvent::Refused {
            id: cancelled,
            refusal: Refusal::NoReply,
        },
        CallEvent::SpeechStarted { item: id("u"), at },
        CallEvent::Partial {
            item: id("u"),
            text: "a b".into(),
        },
        CallEvent::Partial {
            item: id("u"),
            text: "a b c".into(),
        },
        CallEvent::SpeechStopped { item: id("u"), at },
        CallEvent::Committed {
            item: id("u"),
            previous: None,
        },
        CallEvent::UserSaid {
            item: id("u"),
            text: "a b c".into(),
            audio: at,
            words: Vec::new(),
        },
        CallEvent::InputCleared,
        added("s", Message::new(Role::System, "s")),
        added("m", Message::new(Role::User, "m")),
        added("w", Message::new(Role::Assistant, "w")),
        added("k", called),
        added("o", answered),
        started(1, "a", true),
        text(1, "Hello "),
        text(1, "you."),
    ];
    lines.extend(before.into_iter().flat_map(|event| dialect.told(event)));
    lines.extend(dialect.played(&frame(1, 0.2)));
    let tool = CallEvent::ToolCalled {
        epoch: Epoch(1),
        item: id("f"),
        call: call(),
        runs: ToolRuns::AtClient,
    };
    let after = [
        tool,
        ended(1, "a", ReplyOutcome::Interrupted, "Hello you.", 5),
        CallEvent::ItemTruncated {
            item: id("a"),
            audio_end: at,
        },
        CallEvent::ItemDeleted { item: id("m") },
        started(2, "b", false),
        text(2, "x"),
        ended(2, "b", ReplyOutcome::CutShort, "x", 1),
        started(3, "c", true),
        ended(3, "c", ReplyOutcome::Failed("no".into()), "", 0),
        started(4, "d", true),
        text(4, "y"),
        ended(4, "d", ReplyOutcome::Completed, "y", 1),
    ];
    lines.extend(after.into_iter().flat_map(|event| dialect.told(event)));
    for item in ["u", "a", "f"] {
        let retrieve = json!({"type": "conversation.item.retrieve", "item_id": item});
        lines.extend(send(&mut dialect, &retrieve).replies);
    }
    lines.extend(dialect.told(CallEvent::Ended {
        reason: EndReason::TooLong,
    }));
    lines.extend(webrtc_transcript());
    lines.extend(super::complete::everything_else());
    lines
}

fn webrtc_transcript() -> Vec<String> {
    let mut dialect = dialect(Carrier::WebRtc);
    let mut lines = dialect.told(started(1, "a", true));
    lines.extend(dialect.told(text(1, "Hi.")));
    lines.extend(dialect.played(&frame(1, 0.1)));
    lines.extend(dialect.told(ended(1, "a", ReplyOutcome::Cancelled, "Hi.", 1)));
    lines.extend(dialect.told(started(2, "b", true)));
    lines.extend(dialect.played(&frame(2, 0.1)));
    lines.extend(dialect.played(&last_frame(2)));
    lines.extend(dialect.told(ended(2, "b", ReplyOutcome::Completed, "", 0)));
    lines
}

/// What this library alone requires, which the service itself leaves out: the bytes and the words
/// of the caller's audio in an item, its own word for an approval, and a tool server's error code as
/// text. (Noise reduction is not in the transcript for a like reason.)
fn with_what_only_it_requires(line: &str) -> String {
    let parts = [
        r#"{"type":"input_audio"}"#,
        r#"{"transcript":"","type":"input_audio"}"#,
        r#"{"transcript":"a b c","type":"input_audio"}"#,
    ];
    let whole = r#"{"audio":"","transcript":"","type":"input_audio"}"#;
    let line = line.replace(r#""approve":true"#, r#""approve":true,"approved":true"#);
    let line = line
        .replace(r#""code":-32601"#, r#""code":"-32601""#)
        .replace(r#""code":504"#, r#""code":"504""#);
    parts
        .iter()
        .fold(line, |line, part| line.replace(part, whole))
}

#[test]
fn a_strict_client_library_reads_every_event() {
    let lines = transcript();
    for line in lines.iter().map(|line| with_what_only_it_requires(line)) {
        if let Err(error) = serde_json::from_str::<RealtimeServerEvent>(&line) {
            panic!("{error}: {line}");
        }
    }
    assert!(lines.len() > 60, "{}", lines.len());
}

#[test]
fn the_catalogue_of_events_finds_nothing_amiss() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let checker = shared.join("tools/check_events.py");
    if !checker.exists() {
        println!("skipped: no event checker beside the checkout");
        return;
    }
    let file = std::env::temp_dir().join(format!("voiced-events-{}.jsonl", process::id()));
    fs::write(&file, transcript().join("\n")).unwrap();
    let checked = process::Command::new("python3")
        .arg(checker)
        .arg("--catalogue")
        .arg(shared.join("spec/openai_realtime_events.json"))
        .arg(&file)
        .output()
        .unwrap();
    fs::remove_file(&file).unwrap();
    assert!(
        checked.status.success(),
        "{}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
}
