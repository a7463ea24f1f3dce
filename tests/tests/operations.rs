//! What an operator relies on: refusals when full, health and readiness, draining, keys, and
//! configuration mistakes told at once.
#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};
use voiced_tests::{
    caller::Caller,
    daemon::{self, Daemon},
};

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn status(daemon: &Daemon, path: &str) -> u16 {
    let answer = client().get(format!("{}{path}", daemon.url)).send().await;
    answer.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_call_too_many_is_refused_and_readiness_says_so() {
    let daemon = Daemon::scripted(3, "[listen]\nmax_calls = 2\n").await;
    assert_eq!(status(&daemon, "/healthz").await, 200);
    assert_eq!(status(&daemon, "/readyz").await, 200);
    let _one = Caller::connect(&daemon).await;
    let two = Caller::connect(&daemon).await;
    assert_eq!(status(&daemon, "/readyz").await, 503);
    let refused = tokio_tungstenite::connect_async(daemon.socket_url("model=voiced")).await;
    let Err(tokio_tungstenite::tungstenite::Error::Http(answer)) = refused else {
        panic!("taken although full");
    };
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    drop(two);
    // The place is free again as soon as the call has ended.
    while status(&daemon, "/readyz").await != 200 {
        tokio::task::yield_now().await;
    }
    let _two = Caller::connect(&daemon).await;
}

#[tokio::test]
async fn a_draining_daemon_finishes_its_calls_and_takes_no_more() {
    let mut daemon = Daemon::scripted(30, "").await;
    let mut caller = Caller::connect(&daemon).await;
    caller.type_words("hello").await;
    caller.until("response.output_audio.delta").await;
    daemon.terminate();
    let done = caller.until("response.done").await;
    assert_eq!(done["response"]["status"], "completed", "said to its end");
    // New callers find a refusal or a closed door.
    let url = daemon.socket_url("model=voiced");
    assert!(tokio_tungstenite::connect_async(&url).await.is_err());
    drop(caller);
    assert_eq!(daemon.ended().await, 0);
}

#[tokio::test]
async fn a_drain_has_a_deadline() {
    let mut daemon = Daemon::scripted(3, "[drain]\ndeadline_s = 1\n").await;
    let mut caller = Caller::connect(&daemon).await;
    daemon.terminate();
    let ended = caller.until("voiced.call.ended").await;
    assert!(ended["reason"].is_string(), "{ended}");
    assert_eq!(daemon.ended().await, 0);
}

#[tokio::test]
async fn metrics_count_calls() {
    let daemon = Daemon::scripted(3, "").await;
    let mut caller = Caller::connect(&daemon).await;
    caller.type_words("hello").await;
    caller.until("response.done").await;
    let text = client()
        .get(format!("{}/metrics", daemon.url))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for line in [
        "voiced_calls_alive 1",
        "voiced_calls_total{carrier=\"websocket\"} 1",
        "voiced_replies_total{outcome=\"completed\"} 1",
    ] {
        assert!(text.contains(line), "no '{line}' in:\n{text}");
    }
}

#[tokio::test]
async fn without_keys_only_loopback_is_served() {
    let args = ["serve", "--listen", "0.0.0.0:0"];
    let (code, _, errors) = daemon::run(&args, b"").await;
    assert_eq!(code, 64, "{errors}");
    assert!(errors.contains("api_keys_env"), "says what to do: {errors}");
}

#[tokio::test]
async fn mistakes_are_told_all_at_once_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(
        &file,
        "[listen]\nadress = \"127.0.0.1:1\"\nmax_calls = 0\n[mind]\nengine = \"guess\"\n",
    )
    .unwrap();
    let args = ["check", "--config", file.to_str().unwrap()];
    let (code, output, errors) = daemon::run(&args, b"").await;
    let said = String::from_utf8_lossy(&output).into_owned() + &errors;
    assert_eq!(code, 64, "{said}");
    for place in ["bad.toml:2", "bad.toml:3", "bad.toml:5"] {
        assert!(said.contains(place), "no {place} in: {said}");
    }
    assert!(said.contains("address"), "suggests the right key: {said}");
}

#[tokio::test]
async fn items_and_errors_carry_the_names_the_client_gave() {
    let daemon = Daemon::scripted(3, "").await;
    let mut caller = Caller::connect(&daemon).await;
    let id = caller.send(json!({"type": "response.cancel"})).await;
    let error = caller.until("error").await;
    assert_eq!(error["error"]["code"], "response_cancel_not_active");
    assert_eq!(error["error"]["event_id"], json!(id));
    caller
        .send(json!({"type": "conversation.item.create", "item": {
            "id": "mine", "type": "message", "role": "user",
            "content": [{"type": "input_text", "text": "hello"}]}}))
        .await;
    let added: Value = caller.until("conversation.item.added").await;
    assert_eq!(added["item"]["id"], "mine");
}
