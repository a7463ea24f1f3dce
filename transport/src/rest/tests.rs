//! The doors without a network: what may be asked, what is refused by which name, and in which
//! form the answers come.
#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};

use super::{Room, RoomLimits, description};
use crate::{
    http::tests::routes::{ask, empty, get, header_of, post, refused, text, with},
    keys::Keys,
};

const BOUNDARY: &str = "x-x-x";

/// A form with this file and these fields.
fn form(file: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let mut body = String::new();
    for (name, value) in fields {
        body.push_str(&format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str(&format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\
         Content-Type: audio/wav\r\n\r\n{file}\r\n--{BOUNDARY}--\r\n"
    ));
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    post("/v1/audio/transcriptions")
        .header(header::CONTENT_TYPE, kind)
        .body(Body::from(body))
        .unwrap()
}

async fn heard(router: &Router, fields: &[(&str, &str)]) -> (String, String) {
    let answer = ask(router, form("speech", fields)).await;
    assert_eq!(answer.status(), StatusCode::OK, "{fields:?}");
    let kind = header_of(&answer, "content-type").to_owned();
    (kind, text(answer).await)
}

#[tokio::test]
async fn a_recording_is_written_down_in_every_form() {
    let router = with(|_| {});
    let (_, body) = heard(&router, &[("model", "any")]).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["text"], "Good morning. And you?");
    assert_eq!(body["usage"], json!({"type": "duration", "seconds": 2.0}));

    let (kind, body) = heard(&router, &[("response_format", "text")]).await;
    assert_eq!(body, "Good morning. And you?\n");
    assert!(kind.starts_with("text/plain"));
    let (_, body) = heard(&router, &[("response_format", "srt")]).await;
    assert!(body.starts_with("1\n00:00:00,000 --> 00:00:01,000\nGood morning.\n\n2\n"));
    let (kind, body) = heard(&router, &[("response_format", "vtt")]).await;
    assert!(body.starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n") && kind.contains("vtt"));

    let verbose = [("response_format", "verbose_json"), ("language", "nl-BE")];
    let (_, body) = heard(&router, &verbose).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&body["language"], &body["duration"]),
        (&json!("nl"), &json!(2.0))
    );
    assert_eq!(body["segments"][1]["start"], 1.0);
    assert_eq!(body["segments"][1]["text"], "And you?");
    assert_eq!(body.get("words"), None);
}

#[tokio::test]
async fn words_are_streamed_as_they_are_heard() {
    let router = with(|_| {});
    let (kind, body) = heard(&router, &[("stream", "true")]).await;
    assert!(kind.starts_with("text/event-stream"));
    let events = events(&body);
    let kinds: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    let delta = "transcript.text.delta";
    assert_eq!(kinds, [delta, delta, "transcript.text.done"]);
    let deltas = format!(
        "{}{}",
        events[0]["delta"].as_str().unwrap(),
        events[1]["delta"].as_str().unwrap()
    );
    assert_eq!(json!(deltas), events[2]["text"]);
    assert_eq!(events[2]["usage"]["seconds"], 2.0);

    // The status is gone when the recogniser gives up; the stream says so.
    let answer = ask(&router, form("choke", &[("stream", "true")])).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let body = text(answer).await;
    assert!(
        body.contains("\"type\":\"error\"") && !body.contains("done"),
        "{body}"
    );
}

fn events(body: &str) -> Vec<Value> {
    let lines = body.split("\n\n").filter(|event| !event.is_empty());
    lines
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .collect()
}

#[tokio::test]
async fn what_cannot_be_heard_is_refused_by_name() {
    let router = with(|_| {});
    for (fields, code) in [
        (&[("response_format", "diarized_json")][..], "invalid_value"),
        (&[("language", "xx")], "invalid_value"),
        (&[("temperature", "0.7")], "invalid_value"),
        (&[("stream", "perhaps")], "invalid_value"),
        (
            &[("stream", "true"), ("response_format", "srt")],
            "unsupported_parameter",
        ),
        (
            &[("timestamp_granularities[]", "word")],
            "unsupported_parameter",
        ),
        (&[("timestamp_granularities[]", "letter")], "invalid_value"),
        (
            &[("timestamp_granularities[]", "segment")],
            "unsupported_parameter",
        ),
        (&[("prompt", "Vera")], "unsupported_parameter"),
        (
            &[("chunking_strategy", "server_vad")],
            "unsupported_parameter",
        ),
        (&[("nonsense", "1")], "unknown_parameter"),
    ] {
        let answer = refused(&router, form("speech", fields)).await;
        assert_eq!(answer, (400, code.to_owned()), "{fields:?}");
    }
    let lenient = with(|doors| doors.strict = false);
    let (_, body) = heard(&lenient, &[("prompt", "Vera"), ("nonsense", "1")]).await;
    assert!(body.contains("Good morning."));

    assert_eq!(
        refused(&router, form("noise", &[])).await,
        (400, "invalid_audio_file".into())
    );
    assert_eq!(
        refused(&router, form("choke", &[])).await,
        (500, "engine_unavailable".into())
    );
    let no_form = post("/v1/audio/transcriptions")
        .body(Body::from("{}"))
        .unwrap();
    assert_eq!(refused(&router, no_form).await.0, 415);
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    for (body, code) in [
        (format!("--{BOUNDARY}--\r\n"), "missing_required_parameter"),
        ("nothing of the kind".to_owned(), "invalid_multipart"),
        (
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nhalf"),
            "invalid_multipart",
        ),
    ] {
        let broken = post("/v1/audio/transcriptions").header(header::CONTENT_TYPE, &kind);
        let broken = broken.body(Body::from(body.clone())).unwrap();
        assert_eq!(
            refused(&router, broken).await,
            (400, code.to_owned()),
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_upload_has_a_limit_announced_or_not() {
    let router = with(|doors| {
        doors.room = Room::new(RoomLimits {
            upload: 100_000,
            ..RoomLimits::default()
        });
    });
    for n in [110_000, 3 << 20] {
        let answer = refused(&router, form(&"a".repeat(n), &[])).await;
        assert_eq!(answer, (413, "body_too_large".into()), "{n}");
    }
    let long = "a".repeat(20_000);
    assert_eq!(
        refused(&router, form("a", &[("prompt", &long)])).await.0,
        413
    );
    // Larger than what other bodies may be, within its own limit.
    assert_eq!(
        ask(&router, form(&"a".repeat(99_000), &[])).await.status(),
        200
    );
}

fn say(body: &Value) -> Request<Body> {
    post("/v1/audio/speech")
        .body(Body::from(body.to_string()))
        .unwrap()
}

#[tokio::test]
async fn a_text_is_spoken_in_every_form() {
    let router = with(|_| {});
    for (form, kind, magic) in [
        (None, "audio/mpeg", &[0xff, 0xf3][..]),
        (Some("wav"), "audio/wav", b"RIFF"),
        (Some("flac"), "audio/flac", b"fLaC"),
        (Some("opus"), "audio/ogg", b"OggS"),
        (Some("pcm"), "audio/pcm", &[0x00, 0x20]),
    ] {
        let mut asked = json!({"input": "hello", "model": "any", "voice": "alloy"});
        if let Some(form) = form {
            asked["response_format"] = json!(form);
        }
        let answer = ask(&router, say(&asked)).await;
        assert_eq!(answer.status(), StatusCode::OK, "{form:?}");
        assert_eq!(header_of(&answer, "content-type"), kind);
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20)
            .await
            .unwrap();
        assert!(body.starts_with(magic), "{form:?}: {:?}", &body[..8]);
    }
    let asked =
        json!({"input": "hello", "stream_format": "sse", "response_format": "pcm", "speed": 0.5});
    let body = text(ask(&router, say(&asked)).await).await;
    let events = events(&body);
    assert_eq!(events.len(), 3, "{body}");
    assert_eq!(events[0]["type"], "speech.audio.delta");
    // An eighth of full scale: the speed was passed on.
    assert!(
        events[0]["audio"].as_str().unwrap().starts_with("ABAAEAAQ"),
        "{body}"
    );
    assert_eq!(events[2]["usage"]["input_tokens"], 5);
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_by_name() {
    let router = with(|_| {});
    for (asked, status, code) in [
        (json!({}), 400, "missing_required_parameter"),
        (json!({"input": " "}), 400, "invalid_value"),
        (
            json!({"input": "a".repeat(4_097)}),
            400,
            "string_above_max_length",
        ),
        (
            json!({"input": "a", "response_format": "aac"}),
            400,
            "invalid_value",
        ),
        (
            json!({"input": "a", "voice": "nobody"}),
            400,
            "invalid_value",
        ),
        (json!({"input": "a", "speed": 4}), 400, "invalid_value"),
        (
            json!({"input": "a", "instructions": "sing"}),
            400,
            "unsupported_parameter",
        ),
        (
            json!({"input": "a", "loud": true}),
            400,
            "unknown_parameter",
        ),
        (json!({"input": "busy"}), 503, "server_full"),
    ] {
        let answer = refused(&router, say(&asked)).await;
        assert_eq!(answer, (status, code.to_owned()), "{asked}");
    }
    // A voice that gives up in the middle cuts the body short.
    let answer = ask(
        &router,
        say(&json!({"input": "choke", "response_format": "pcm"})),
    )
    .await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(
        axum::body::to_bytes(answer.into_body(), 1 << 20)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn keys_are_asked_for_and_places_given_back() {
    let router = with(|doors| {
        doors.keys = Keys::new(["sesame"]);
        doors.room = Room::new(RoomLimits {
            transcriptions: 1,
            speeches: 0,
            wait: std::time::Duration::from_millis(20),
            ..RoomLimits::default()
        });
    });
    assert_eq!(refused(&router, form("speech", &[])).await.0, 401);
    assert_eq!(refused(&router, say(&json!({"input": "a"}))).await.0, 401);
    for path in ["/v1/audio/voices", "/v1/models", "/v1/models/voiced"] {
        assert_eq!(refused(&router, empty(get(path))).await.0, 401, "{path}");
    }
    let keyed = |mut request: Request<Body>| {
        let bearer = "Bearer sesame".parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        request
    };
    assert_eq!(
        refused(&router, keyed(say(&json!({"input": "a"})))).await.0,
        404
    );
    {
        // A client that waits for something endless holds the only place until it leaves.
        let endless = ask(&router, keyed(form("endless", &[])));
        tokio::pin!(endless);
        assert!(futures::poll!(&mut endless).is_pending());
        let second = refused(&router, keyed(form("speech", &[]))).await;
        assert_eq!(second, (429, "rate_limit_exceeded".into()));
    }
    assert_eq!(
        ask(&router, keyed(form("speech", &[]))).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn what_can_be_chosen_is_listed() {
    let router = with(|_| {});
    let voices = text(ask(&router, empty(get("/v1/audio/voices"))).await).await;
    let voices: Value = serde_json::from_str(&voices).unwrap();
    assert_eq!(voices["data"][0]["id"], "slt");
    assert_eq!(voices["voices"], voices["data"]);
    let model = text(ask(&router, empty(get("/v1/models/voiced"))).await).await;
    assert!(model.contains("\"object\":\"model\""), "{model}");
    let answer = refused(&router, empty(get("/v1/models/nothing"))).await;
    assert_eq!(answer, (404, "model_not_found".into()));
}

#[tokio::test]
async fn the_description_names_exactly_the_routes_there_are() {
    let router = with(|_| {});
    let served = text(ask(&router, empty(get("/openapi.json"))).await).await;
    let served: Value = serde_json::from_str(&served).unwrap();
    assert_eq!(
        served,
        serde_json::to_value(description::description()).unwrap()
    );
    let paths = served["paths"].as_object().unwrap();
    let described: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
    for needed in [
        "/v1/audio/speech",
        "/v1/audio/transcriptions",
        "/v1/audio/voices",
        "/v1/models",
        "/v1/models/{id}",
        "/v1/realtime",
        "/v1/realtime/calls",
        "/v1/realtime/client_secrets",
    ] {
        assert!(described.contains(needed), "{needed}");
    }
    for (path, methods) in paths {
        // Each is there: what is asked of nothing is told `unknown_url`, of the wrong method 405.
        let path = path.replace("{id}", "voiced");
        for method in methods.as_object().unwrap().keys() {
            let request = Request::builder()
                .method(method.to_uppercase().as_str())
                .uri(&path);
            let request = request
                .header(header::HOST, "127.0.0.1")
                .body(Body::empty())
                .unwrap();
            let answer = ask(&router, request).await;
            assert_ne!(
                answer.status(),
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
            let body = text(answer).await;
            assert!(!body.contains("unknown_url"), "{method} {path}: {body}");
        }
    }
    // And no other route is added beside the described ones, but the page's and this one.
    let source = include_str!("../http.rs");
    let added: Vec<&str> = source
        .lines()
        .filter(|line| line.contains(".route("))
        .collect();
    assert_eq!(added.len(), 1, "describe {added:?} in rest/description.rs");
    // Every reference in it leads somewhere.
    let text = served.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(
            served["components"]["schemas"].get(name).is_some(),
            "{name}"
        );
    }
}
