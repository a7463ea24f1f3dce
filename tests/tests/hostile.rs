//! Strangers at the door: nothing they send costs more than their own call.
#![allow(clippy::unwrap_used)]
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;
use voiced_tests::{
    caller::Caller,
    daemon::{Daemon, SOON},
};

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A call that is being held while strangers knock must go on as if nothing had happened.
async fn still_answers(caller: &mut Caller) {
    caller.type_words("hello").await;
    let done = caller.until("response.done").await;
    assert_eq!(done["response"]["status"], "completed");
}

#[tokio::test]
async fn nonsense_gets_an_error_and_the_call_goes_on() {
    let daemon = Daemon::scripted(3, "").await;
    let mut caller = Caller::connect(&daemon).await;
    let deep = "[".repeat(100_000);
    for nonsense in [
        "not json",
        "{}",
        "[]",
        "{\"type\": 7}",
        "{\"type\": \"no.such.event\"}",
        "{\"type\": \"session.update\"}",
        "{\"type\": \"session.update\", \"session\": {\"type\": \"realtime\", \"audio\": 1}}",
        "{\"type\": \"conversation.item.create\", \"item\": {\"type\": \"message\"}}",
        "{\"type\": \"input_audio_buffer.append\", \"audio\": \"***\"}",
        "{\"type\": \"conversation.item.truncate\", \"item_id\": \"x\"}",
        &deep,
    ] {
        caller.send_text(nonsense.to_owned()).await;
        let error = caller.until("error").await;
        let message = error["error"]["message"].as_str().unwrap();
        assert!(!message.is_empty(), "{error}");
    }
    still_answers(&mut caller).await;
}

#[tokio::test]
async fn odd_pieces_of_audio_are_put_together() {
    let daemon = Daemon::scripted(3, "").await;
    let mut caller = Caller::connect(&daemon).await;
    for size in [1, 3, 0, 5, 1, 959, 961] {
        let audio = BASE64.encode(vec![0_u8; size]);
        let append = json!({"type": "input_audio_buffer.append", "audio": audio});
        caller.send(append).await;
    }
    still_answers(&mut caller).await;
    assert_eq!(caller.of("error").count(), 0, "{:?}", caller.kinds());
}

#[tokio::test]
async fn a_frame_too_large_closes_its_own_socket_only() {
    let daemon = Daemon::scripted(3, "").await;
    let mut other = Caller::connect(&daemon).await;
    let url = daemon.socket_url("model=voiced");
    let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    // The far end may close while this is still being sent.
    let _ = socket.send(Message::text("a".repeat(25 << 20))).await;
    let closed = timeout(SOON, async {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                break;
            }
        }
    });
    closed.await.expect("it closes");
    still_answers(&mut other).await;
}

#[tokio::test]
async fn a_client_that_stops_reading_costs_only_itself() {
    let daemon = Daemon::scripted(2_000, "").await;
    let mut other = Caller::connect(&daemon).await;
    let mut deaf = Caller::connect(&daemon).await;
    for _ in 0..2_000 {
        deaf.send(json!({"type": "response.cancel"})).await;
    }
    other.type_words("hello").await;
    other.until("response.output_audio.delta").await;
}

#[tokio::test]
async fn offers_that_are_none_get_a_clear_refusal() {
    let daemon = Daemon::scripted(3, "").await;
    let mut other = Caller::connect(&daemon).await;
    let without_audio = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
    let long = "v=0\r\n".repeat(40_000);
    for offer in ["", "hello", without_audio, &long] {
        let answer = client()
            .post(format!("{}/v1/realtime/calls", daemon.url))
            .header("content-type", "application/sdp")
            .header("authorization", "Bearer anything")
            .body(offer.to_owned())
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        assert!((400..500).contains(&status), "{status}");
        let error: serde_json::Value = answer.json().await.unwrap();
        assert!(error["error"]["message"].as_str().is_some(), "{error}");
    }
    still_answers(&mut other).await;
}

#[tokio::test]
async fn a_thousand_half_open_connections_hurt_nobody() {
    let daemon = Daemon::scripted(3, "").await;
    let mut other = Caller::connect(&daemon).await;
    let host = daemon.url.trim_start_matches("http://").to_owned();
    let mut half_open = Vec::new();
    for _ in 0..1_000 {
        if let Ok(mut stream) = TcpStream::connect(&host).await {
            // Half a request head. One that was closed already refuses it.
            let _ = stream
                .write_all(b"GET /v1/realtime HTTP/1.1\r\nHost:")
                .await;
            half_open.push(stream);
        }
    }
    still_answers(&mut other).await;
    drop(half_open);
    let health = client().get(format!("{}/healthz", daemon.url)).send();
    let health = timeout(SOON, health).await.unwrap().unwrap();
    assert_eq!(health.status(), 200);
}

#[tokio::test]
async fn a_page_of_another_origin_or_name_is_refused() {
    let daemon = Daemon::scripted(3, "").await;
    let host = daemon.url.trim_start_matches("http://").to_owned();
    for (name, value) in [("Host", "evil.example"), ("Origin", "https://evil.example")] {
        let mut stream = TcpStream::connect(&host).await.unwrap();
        let own = if name == "Host" {
            String::new()
        } else {
            format!("Host: {host}\r\n")
        };
        let head = format!(
            "GET /v1/realtime?model=voiced HTTP/1.1\r\n{own}{name}: {value}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 64];
        let n_bytes = timeout(SOON, stream.read(&mut answer))
            .await
            .unwrap()
            .unwrap();
        let answer = String::from_utf8_lossy(&answer[..n_bytes]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 4"), "{name}: {answer}");
    }
}

#[tokio::test]
async fn silence_on_the_socket_is_no_reason_to_hang() {
    let daemon = Daemon::scripted(3, "").await;
    let mut caller = Caller::connect(&daemon).await;
    caller.attend(Duration::from_secs(2)).await;
    still_answers(&mut caller).await;
}
