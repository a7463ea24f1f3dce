//! What no well-meaning client sends. Each is answered by `error`, and the session goes on.
use super::*;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;

fn code(dialect: &mut Dialect, event: &Value) -> (String, Value) {
    let received = send(dialect, event);
    assert!(received.commands.is_empty(), "{event} became {received:?}");
    let replies = events(received.replies);
    assert_eq!(types(&replies), ["error"], "{event}");
    let error = &replies[0]["error"];
    assert_eq!(error["type"], "invalid_request_error");
    (
        error["code"].as_str().unwrap().to_owned(),
        error["param"].clone(),
    )
}

#[test]
fn what_does_not_fit_is_refused_by_path() {
    let cases = [
        (json!([]), "invalid_type", Value::Null),
        (json!({}), "missing_required_parameter", json!("type")),
        (json!({"type": 7}), "invalid_type", json!("type")),
        (
            json!({"type": "response.created"}),
            "invalid_value",
            json!("type"),
        ),
        (
            json!({"type": "response.cancel", "event_id": 7}),
            "invalid_type",
            json!("event_id"),
        ),
        (
            json!({"type": "input_audio_buffer.clear", "x": 1}),
            "unknown_parameter",
            json!("x"),
        ),
        (
            json!({"type": "input_audio_buffer.append"}),
            "missing_required_parameter",
            json!("audio"),
        ),
        (
            json!({"type": "input_audio_buffer.append", "audio": "%%%"}),
            "invalid_value",
            json!("audio"),
        ),
        (
            json!({"type": "session.update", "session": {}}),
            "missing_required_parameter",
            json!("session.type"),
        ),
        (
            json!({"type": "session.update", "session": {"type": "transcription"}}),
            "invalid_value",
            json!("session.type"),
        ),
        (
            update(&json!({"nonsense": 1})),
            "unknown_parameter",
            json!("session.nonsense"),
        ),
        (
            update(&json!({"output_modalities": ["text", "audio"]})),
            "invalid_value",
            json!("session.output_modalities"),
        ),
        (
            update(&json!({"max_output_tokens": 0})),
            "invalid_value",
            json!("session.max_output_tokens"),
        ),
        (
            update(&json!({"tools": [{"type": "function", "name": "bad name"}]})),
            "invalid_value",
            json!("session.tools[0].name"),
        ),
        (
            update(&json!({"tools": [{"type": "mcp", "server_label": "x"}]})),
            "missing_required_parameter",
            json!("session.tools[0].server_url"),
        ),
        (
            update(&json!({"tools": [{"type": "mcp", "server_label": "x",
                "server_url": "https://tools.example/mcp"}]})),
            "invalid_value",
            json!("session.tools[0].server_url"),
        ),
        (
            update(&json!({"prompt": {"id": "pmpt_1"}})),
            "invalid_value",
            json!("session.prompt"),
        ),
        (
            update(
                &json!({"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}}),
            ),
            "invalid_value",
            json!("session.audio.input.turn_detection.threshold"),
        ),
        (
            update(&json!({"audio": {"input": {"turn_detection": {"eagerness": "keen"}}}})),
            "invalid_value",
            json!("session.audio.input.turn_detection.eagerness"),
        ),
        (
            update(&json!({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 44100}}}})),
            "invalid_value",
            json!("session.audio.input.format.rate"),
        ),
        (
            update(&json!({"audio": {"input": {"format": "pcm16"}}})),
            "invalid_type",
            json!("session.audio.input.format"),
        ),
        (
            update(&json!({"audio": {"output": {"speed": 9}}})),
            "invalid_value",
            json!("session.audio.output.speed"),
        ),
        (
            json!({"type": "conversation.item.create"}),
            "missing_required_parameter",
            json!("item"),
        ),
        (
            json!({"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "data:"}]}}),
            "invalid_value",
            json!("item.content[0].type"),
        ),
        (
            json!({"type": "conversation.item.retrieve", "item_id": "x"}),
            "item_retrieve_invalid_item_id",
            json!("item_id"),
        ),
        (
            json!({"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": -1}),
            "invalid_value",
            json!("audio_end_ms"),
        ),
        (
            json!({"type": "output_audio_buffer.clear"}),
            "invalid_event_for_transport",
            json!("type"),
        ),
        (
            json!({"type": "response.create", "response": {"conversation": "other"}}),
            "invalid_value",
            json!("response.conversation"),
        ),
        (
            json!({"type": "conversation.item.create", "item": {"type": "mcp_call"}}),
            "invalid_value",
            json!("item.type"),
        ),
        (
            json!({"type": "response.create", "response": {"input": [{"type": "item_reference"}]}}),
            "missing_required_parameter",
            json!("response.input[0].id"),
        ),
        (
            json!({"type": "response.create", "response": {"metadata": {"k": 1}}}),
            "invalid_value",
            json!("response.metadata"),
        ),
        (
            json!({"type": "response.cancel", "response_id": "resp_x"}),
            "response_cancel_not_active",
            json!("response_id"),
        ),
    ];
    let mut dialect = dialect(Carrier::WebSocket);
    let before = dialect.session();
    for (event, wanted, param) in cases {
        assert_eq!(
            code(&mut dialect, &event),
            (wanted.into(), param),
            "{event}"
        );
    }
    assert_eq!(
        dialect.session(),
        before,
        "a refused update changes nothing"
    );
    let append = json!({"type": "input_audio_buffer.append", "audio": "AAAA"});
    let mut webrtc = super::dialect(Carrier::WebRtc);
    assert_eq!(code(&mut webrtc, &append).0, "invalid_event_for_transport");
}

#[test]
fn a_lenient_session_overlooks_unknown_keys() {
    let mut dialect = Dialect::new(
        DialectOptions {
            strict: false,
            ..options(Carrier::WebSocket)
        },
        SessionDefaults::default(),
    );
    dialect.opened();
    let answer = answer(&mut dialect, &update(&json!({"nonsense": 1})));
    assert_eq!(answer["type"], "session.updated");
}

#[test]
fn text_that_is_not_json_is_answered() {
    let mut dialect = dialect(Carrier::WebSocket);
    let deep = "[".repeat(100_000);
    for text in ["", "{", "null", "\u{0}", "{\"type\":", deep.as_str()] {
        let replies = events(dialect.received(text).replies);
        assert_eq!(types(&replies), ["error"], "{:.20}", text);
        assert!(replies[0].to_string().len() < 1_000);
    }
    // The key of an unknown parameter may be huge; the answer is not.
    let huge = json!({"type": "input_audio_buffer.clear", "k".repeat(1 << 20): 1});
    assert!(send(&mut dialect, &huge).replies[0].len() < 2_000);
    let huge = json!({"type": "x".repeat(1 << 20)});
    assert!(send(&mut dialect, &huge).replies[0].len() < 2_000);
    let huge = json!({"type": "response.cancel", "event_id": "x".repeat(1 << 20)});
    assert!(send(&mut dialect, &huge).replies[0].len() < 2_000);
}

#[test]
fn the_voice_of_another_service_is_the_default_one_and_nonsense_is_refused() {
    let mut dialect = Dialect::new(
        options(Carrier::WebSocket),
        SessionDefaults {
            voice: "slt".into(),
            voices: vec!["slt".into(), "rms".into()],
            ..SessionDefaults::default()
        },
    );
    dialect.opened();
    let voice = |name: &str| update(&json!({"audio": {"output": {"voice": name}}}));
    for (asked, given) in [("rms", "rms"), ("marin", "slt")] {
        let received = send(&mut dialect, &voice(asked));
        let Command::Configure(settings) = &received.commands[0].1 else {
            panic!()
        };
        assert_eq!(settings.voice.as_deref(), Some(given));
        let updated = &events(received.replies)[0];
        assert_eq!(updated["session"]["audio"]["output"]["voice"], asked);
    }
    let (code, param) = code(&mut dialect, &voice("nobody"));
    assert_eq!(
        (code.as_str(), param),
        ("invalid_value", json!("session.audio.output.voice"))
    );
}

#[test]
fn an_append_is_bounded_and_a_short_commit_refused() {
    let mut dialect = dialect(Carrier::WebSocket);
    let append = |bytes: &[u8]| json!({"type": "input_audio_buffer.append", "audio": STANDARD.encode(bytes)});
    let too_long = vec![0; 15 * 1024 * 1024 + 100];
    assert_eq!(code(&mut dialect, &append(&too_long)).1, json!("audio"));
    send(
        &mut dialect,
        &update(&json!({"audio": {"input": {"turn_detection": null}}})),
    );
    let commit = json!({"type": "input_audio_buffer.commit"});
    assert_eq!(
        code(&mut dialect, &commit).0,
        "input_audio_buffer_commit_empty"
    );
    send(&mut dialect, &append(&[0; 4_000]));
    assert_eq!(
        code(&mut dialect, &commit).0,
        "input_audio_buffer_commit_empty"
    );
    send(&mut dialect, &append(&[0; 4_000]));
    assert_eq!(command(&mut dialect, &commit), Command::Commit);
    assert_eq!(
        code(&mut dialect, &commit).0,
        "input_audio_buffer_commit_empty"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "realtime",
            "audio",
            "text",
            "server_vad",
            "semantic_vad",
            "user",
            "message",
            "function",
            "inf",
            "auto",
            "none",
            "root",
            "AAAA",
            "",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let key = prop::sample::select(vec![
            "type",
            "session",
            "audio",
            "input",
            "output",
            "format",
            "rate",
            "turn_detection",
            "threshold",
            "idle_timeout_ms",
            "voice",
            "id",
            "speed",
            "tools",
            "name",
            "parameters",
            "tool_choice",
            "item",
            "content",
            "role",
            "text",
            "call_id",
            "response",
            "metadata",
            "output_modalities",
            "transcription",
            "event_id",
            "item_id",
            "audio_end_ms",
            "content_index",
            "previous_item_id",
            "tracing",
            "truncation",
            "prompt",
            "include",
        ])
        .prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..7)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_event_breaks_the_session(
        kind in prop::sample::select(super::super::requests::CLIENT_EVENTS.to_vec()),
        mut event in any_json(),
        bytes in any::<Vec<u8>>(),
    ) {
        let mut dialect = dialect(Carrier::WebSocket);
        if let Value::Object(map) = &mut event {
            map.insert("type".into(), json!(kind));
        }
        send(&mut dialect, &event);
        dialect.received(&String::from_utf8_lossy(&bytes));
        let answer = answer(&mut dialect, &update(&json!({})));
        prop_assert_eq!(&answer["type"], "session.updated");
    }
}
