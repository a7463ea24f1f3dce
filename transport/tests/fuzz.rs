//! Strangers' bytes, many of them: whatever is sent, the parsers of events, session objects and
//! offers answer in words and do not panic. `VOICED_FUZZ_CASES` is how many of each; what fails is
//! made small and printed.
#![allow(clippy::unwrap_used)]
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value, json};
use voiced_transport::{
    openai_realtime::{Carrier, Dialect, DialectOptions, SessionKind, session::SessionDefaults},
    webrtc::Offer,
};

/// What real clients send: where every mutation begins.
fn events() -> Vec<Value> {
    let text = json!([{"type": "input_text", "text": "hello"}]);
    let audio = json!({
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000}, "noise_reduction": {"type": "near_field"},
            "transcription": {"model": "m", "language": "en", "prompt": "p"},
            "turn_detection": {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300,
                "silence_duration_ms": 500, "idle_timeout_ms": 6000, "create_response": true,
                "interrupt_response": false},
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": {"id": "slt"}, "speed": 1.25},
    });
    let tool = json!({"type": "function", "name": "f", "description": "d", "parameters": {
        "type": "object", "properties": {"a": {"type": "string"}}}});
    let mcp = json!({"type": "mcp", "server_label": "l", "server_url": "http://127.0.0.1:1/mcp",
        "allowed_tools": {"tool_names": ["a"], "read_only": true},
        "require_approval": {"always": {"tool_names": ["b"]}}, "headers": {"a": "b"}});
    vec![
        json!({"type": "session.update", "event_id": "e", "session": {
            "type": "realtime", "output_modalities": ["audio"], "instructions": "be brief",
            "tools": [tool, mcp], "tool_choice": {"type": "function", "name": "f"},
            "max_output_tokens": "inf", "audio": audio, "tracing": {"workflow_name": "w"},
            "truncation": {"type": "retention_ratio", "retention_ratio": 0.8,
                "token_limits": {"post_instructions": 100}},
            "include": ["item.input_audio_transcription.logprobs"], "prompt": null,
        }}),
        json!({"type": "session.update", "session": {"type": "transcription", "audio": {"input": {
            "format": {"type": "audio/pcma"}, "turn_detection": null}}}}),
        json!({"type": "input_audio_buffer.append", "audio": "AAAAAAAA"}),
        json!({"type": "input_audio_buffer.commit"}),
        json!({"type": "input_audio_buffer.clear"}),
        json!({"type": "output_audio_buffer.clear"}),
        json!({"type": "conversation.item.create", "previous_item_id": "root", "item": {
            "id": "i", "type": "message", "role": "user", "status": "completed", "content": text}}),
        json!({"type": "conversation.item.create", "item": {"type": "message", "role": "user",
            "content": [{"type": "input_audio", "audio": "AAAA", "transcript": "a"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}]}}),
        json!({"type": "conversation.item.create", "item": {"type": "function_call", "name": "f",
            "arguments": "{}", "call_id": "c"}}),
        json!({"type": "conversation.item.create", "item": {"type": "function_call_output",
            "call_id": "c", "output": "o"}}),
        json!({"type": "conversation.item.create", "item": {"type": "mcp_approval_response",
            "id": "a", "approval_request_id": "r", "approve": true}}),
        json!({"type": "conversation.item.delete", "item_id": "i"}),
        json!({"type": "conversation.item.retrieve", "item_id": "i"}),
        json!({"type": "conversation.item.truncate", "item_id": "i", "content_index": 0,
            "audio_end_ms": 100}),
        json!({"type": "response.create", "response": {
            "conversation": "none", "metadata": {"a": "b"}, "instructions": "x", "tools": [],
            "output_modalities": ["text"], "max_output_tokens": 10, "tool_choice": "none",
            "audio": {"output": {"voice": "alloy", "format": {"type": "audio/pcm", "rate": 24000}}},
            "input": [{"type": "item_reference", "id": "i"},
                {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "x"}]}],
        }}),
        json!({"type": "response.cancel", "response_id": "resp_1"}),
        json!({"type": "voiced.say", "text": "hello"}),
        // Other dialects on the same path.
        json!({"type": "session.update", "model": "voiced"}),
        json!({"type": "input_audio_buffer.commit", "final": true}),
    ]
}

/// Values that parsers stumble over.
fn nasty() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::sample::select(vec![0.0, -0.0, 1e308, -1e308, 1e-308, 0.5, 4_294_967_296.5])
            .prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "root",
            "auto",
            "none",
            "inf",
            "\u{0}",
            "\u{1F980}",
            "====",
            "AAA"
        ])
        .prop_map(Value::from),
        (1..3_000_usize).prop_map(|n| Value::from("ä".repeat(n))),
        (1..100_usize).prop_map(|n| (0..n).fold(Value::Null, |deep, _| json!([deep]))),
        (1..100_usize).prop_map(|n| (0..n).fold(Value::Null, |deep, _| json!({"type": deep}))),
        prop::collection::vec(Just(json!({"type": "input_text", "text": ""})), 0..40)
            .prop_map(Value::from),
        prop::sample::select(events()),
    ]
}

/// One thing done to a value somewhere in it: replaced, removed, added, or doubled.
#[derive(Clone, Debug)]
struct Cut {
    steps: Vec<prop::sample::Index>,
    act: u8,
    key: String,
    value: Value,
}

fn cut() -> impl Strategy<Value = Cut> {
    let steps = prop::collection::vec(any::<prop::sample::Index>(), 0..6);
    let key = prop_oneof![
        "[a-z_]{1,9}",
        Just("type".to_owned()),
        Just("id".to_owned())
    ];
    (steps, 0..4_u8, key, nasty()).prop_map(|(steps, act, key, value)| Cut {
        steps,
        act,
        key,
        value,
    })
}

fn apply(value: &mut Value, cut: &Cut) {
    walk(value, cut, &cut.steps);
}

fn walk(value: &mut Value, cut: &Cut, steps: &[prop::sample::Index]) {
    if let Some((step, steps)) = steps.split_first() {
        let n_inside = match value {
            Value::Object(map) => map.len(),
            Value::Array(list) => list.len(),
            _ => 0,
        };
        if n_inside > 0 {
            let n = step.index(n_inside);
            let inside = match value {
                Value::Object(map) => map.values_mut().nth(n),
                Value::Array(list) => list.get_mut(n),
                _ => None,
            };
            return walk(inside.unwrap(), cut, steps);
        }
    }
    match (cut.act, value) {
        (0, Value::Object(map)) => {
            map.insert(cut.key.clone(), cut.value.clone());
        }
        (1, Value::Object(map)) => {
            let first = map.keys().next().cloned();
            first.map(|key| map.remove(&key));
        }
        (2, Value::Array(list)) => {
            if let Some(last) = list.last().cloned() {
                list.push(last);
            }
        }
        (_, value) => *value = cut.value.clone(),
    }
}

fn message() -> impl Strategy<Value = String> {
    let whole = (
        prop::sample::select(events()),
        prop::collection::vec(cut(), 0..4),
    );
    let mutated = whole.prop_map(|(mut event, cuts)| {
        cuts.iter().for_each(|cut| apply(&mut event, cut));
        event.to_string()
    });
    let torn = (
        prop::sample::select(events()),
        any::<prop::sample::Index>(),
        "\\PC{0,4}",
    )
        .prop_map(|(event, at, noise)| {
            let text = event.to_string();
            let at = at.index(text.len());
            format!("{}{noise}{}", &text[..at], &text[at..])
        });
    prop_oneof![
        8 => mutated,
        2 => torn,
        1 => "\\PC{0,60}",
        1 => (1..2_000_usize).prop_map(|n| "[".repeat(n)),
    ]
}

fn dialect(strict: bool, carrier: Carrier, kind: SessionKind) -> Dialect {
    let options = DialectOptions {
        carrier,
        kind,
        name: "fuzz".into(),
        strict,
        extensions: true,
        expires_at: Some(1),
    };
    let defaults = SessionDefaults {
        voices: vec!["slt".into()],
        voice: "slt".into(),
        ..SessionDefaults::default()
    };
    Dialect::new(options, defaults)
}

fn kinds() -> impl Strategy<Value = SessionKind> {
    prop::sample::select(vec![SessionKind::Conversation, SessionKind::Transcription])
}

fn runner() -> TestRunner {
    let cases = std::env::var("VOICED_FUZZ_CASES").ok();
    let cases = cases.and_then(|cases| cases.parse().ok()).unwrap_or(500);
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn no_message_ends_a_session() {
    let carriers = prop::sample::select(vec![Carrier::WebSocket, Carrier::WebRtc]);
    let session = (
        any::<bool>(),
        carriers,
        kinds(),
        prop::collection::vec(message(), 1..12),
    );
    let tried = runner().run(&session, |(strict, carrier, kind, messages)| {
        let mut dialect = dialect(strict, carrier, kind);
        dialect.opened();
        for message in &messages {
            for line in dialect.received(message).replies {
                let event: Value = serde_json::from_str(&line).unwrap();
                prop_assert!(event["type"].is_string(), "{line}");
                if event["type"] == "error" {
                    let why = event["error"]["message"].as_str();
                    prop_assert!(why.is_some_and(|why| !why.is_empty()), "{line}");
                }
                // An answer is never a means to make the daemon send megabytes.
                prop_assert!(
                    line.len() < 64 * 1024 + 4 * message.len(),
                    "{} bytes",
                    line.len()
                );
            }
        }
        // Still alive: a plain mistake is still told.
        let told = dialect.received("{\"type\": \"no.such.event\"}").replies;
        prop_assert!(told.iter().any(|line| line.contains("\"error\"")));
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn no_session_object_of_a_secret_or_an_offer_panics() {
    let objects = (
        prop::sample::select(events()),
        prop::collection::vec(cut(), 0..6),
    );
    let asked = (any::<bool>(), kinds(), objects);
    let tried = runner().run(&asked, |(strict, kind, (event, cuts))| {
        let mut session = event
            .get("session")
            .cloned()
            .unwrap_or(Value::Object(Map::new()));
        cuts.iter().for_each(|cut| apply(&mut session, cut));
        let mut dialect = dialect(strict, Carrier::WebRtc, kind);
        let _ = dialect.configured(&session);
        prop_assert!(dialect.session().is_object());
        Ok(())
    });
    tried.unwrap();
}

const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
    a=extmap-allow-mixed\r\na=msid-semantic: WMS s\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\n\
    a=rtcp:9 IN IP4 0.0.0.0\r\na=candidate:1 1 udp 2122260223 192.0.2.2 50000 typ host\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\na=ice-options:trickle\r\n\
    a=fingerprint:sha-256 \
    00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
    a=setup:actpass\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
    a=sendrecv\r\na=msid:s t\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\n\
    a=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=ssrc:1 cname:c\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
    a=ice-pwd:0123456789abcdef01234567\r\na=setup:actpass\r\na=mid:1\r\na=sctp-port:5000\r\n\
    a=max-message-size:262144\r\n";

/// Lines of an offer moved, doubled, dropped, spoilt.
fn offer() -> impl Strategy<Value = String> {
    let line = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        0..5_u8,
        "\\PC{0,20}",
    );
    let cuts = prop::collection::vec(line, 0..8);
    let mutated = cuts.prop_map(|cuts| {
        let mut lines: Vec<String> = OFFER.split("\r\n").map(str::to_owned).collect();
        for (at, other, act, noise) in cuts {
            if lines.is_empty() {
                break;
            }
            let (at, other) = (at.index(lines.len()), other.index(lines.len()));
            match act {
                0 => drop(lines.remove(at)),
                1 => lines.swap(at, other),
                2 => lines.push(lines[at].clone()),
                3 => lines[at].push_str(&noise),
                _ => {
                    let half = lines[at].chars().count() / 2;
                    lines[at] = lines[at].chars().take(half).collect();
                    lines[at].push_str(&noise);
                }
            }
        }
        lines.join("\r\n")
    });
    prop_oneof![6 => mutated, 1 => "\\PC{0,300}", 1 => "([a-z]=\\PC{0,20}\r\n){0,30}"]
}

#[test]
fn no_offer_panics() {
    // The offer that everything begins with is one that is taken.
    assert!(Offer::read(OFFER).is_ok());
    let tried = runner().run(&offer(), |text| {
        if let Err(error) = Offer::read(&text) {
            prop_assert!((400..500).contains(&error.status()), "{error}");
            prop_assert!(error.to_string().len() < 1_024);
        }
        Ok(())
    });
    tried.unwrap();
}
