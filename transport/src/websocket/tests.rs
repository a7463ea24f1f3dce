//! Whole conversations over loopback with another WebSocket library, and clients that misbehave.
#![allow(clippy::unwrap_used)]
mod client;
mod dialects;

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::{Error, Message, http::header};

use self::client::{PATIENCE, connect, connect_over, daemon, position};
use super::*;
use crate::http::tests::front_desk::HEARD;

#[tokio::test]
async fn typed_words_are_answered_in_words_and_sound() {
    let daemon = daemon(|_| {}).await;
    let mut client = connect(&daemon, "model=m").await;
    assert!(client.answers().await);
    client.socket.close(None).await.unwrap();
    let (code, _) = client.closed().await;
    assert_eq!(code, 1005, "our close is answered");
}

#[tokio::test]
async fn spoken_words_are_heard_and_answered() {
    let daemon = daemon(|_| {}).await;
    let mut client = connect(&daemon, "model=m").await;
    client
        .send(
            json!({"type": "session.update", "session": {"type": "realtime", "audio":
            {"input": {"transcription": {"model": "any"}}}}}),
        )
        .await;
    client.append(0.0, 200).await;
    client.append(0.5, 400).await;
    client.append(0.0, 1_000).await;
    let seen = client.until("response.done").await;
    let heard = &seen[position(
        &seen,
        "conversation.item.input_audio_transcription.completed",
    )];
    assert_eq!(heard["transcript"], HEARD);
    let order = [
        "session.updated",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "response.created",
        "response.output_audio.delta",
        "response.done",
    ];
    let positions: Vec<usize> = order.iter().map(|kind| position(&seen, kind)).collect();
    assert!(positions.is_sorted(), "{positions:?}");
    assert_eq!(seen.last().unwrap()["response"]["status"], "completed");
}

#[tokio::test]
async fn a_manual_turn_is_all_audio_before_its_commit() {
    let daemon = daemon(|_| {}).await;
    let mut client = connect(&daemon, "model=m").await;
    client
        .send(
            json!({"type": "session.update", "session": {"type": "realtime", "audio":
            {"input": {"turn_detection": null, "transcription": {"model": "any"}}}}}),
        )
        .await;
    // Five seconds at once, the words at the end: the commit must wait for them.
    client.append(0.0, 4_500).await;
    client.append(0.5, 500).await;
    client
        .send(json!({"type": "input_audio_buffer.commit"}))
        .await;
    let seen = client
        .until("conversation.item.input_audio_transcription.completed")
        .await;
    assert_eq!(seen.last().unwrap()["transcript"], HEARD);
    assert!(
        seen.iter()
            .all(|event| event["type"] != "input_audio_buffer.speech_started")
    );
    client.send(json!({"type": "response.create"})).await;
    client.until("response.done").await;
}

#[tokio::test]
async fn the_protocol_selected_is_realtime() {
    let daemon = daemon(|doors| doors.keys = crate::keys::Keys::new(["sesame"])).await;
    let stream = TcpStream::connect(daemon.address).await.unwrap();
    let protocols = "openai-insecure-api-key.sesame, realtime, other";
    let client = connect_over(&daemon, stream, "model=m", protocols)
        .await
        .unwrap();
    assert_eq!(
        client.response.headers()[header::SEC_WEBSOCKET_PROTOCOL],
        "realtime"
    );
    let stream = TcpStream::connect(daemon.address).await.unwrap();
    let refused = connect_over(&daemon, stream, "model=m", "realtime").await;
    assert!(matches!(refused, Err(Error::Http(response)) if response.status() == 401));
}

#[tokio::test]
async fn a_call_too_many_is_refused_before_the_upgrade() {
    let daemon = daemon(|_| {}).await;
    let mut one = connect(&daemon, "model=m").await;
    let _two = connect(&daemon, "model=m").await;
    let stream = TcpStream::connect(daemon.address).await.unwrap();
    let refused = connect_over(&daemon, stream, "model=m", "").await;
    assert!(matches!(refused, Err(Error::Http(response)) if response.status() == 503));
    assert!(one.answers().await, "the others are not harmed");
}

#[tokio::test]
async fn bad_input_is_answered_and_the_session_goes_on() {
    let daemon = daemon(|_| {}).await;
    let mut client = connect(&daemon, "model=m").await;
    for bad in ["{", "[]", "\u{0}", r#"{"type":"nonsense"}"#] {
        client.socket.send(Message::text(bad)).await.unwrap();
        assert_eq!(client.next().await["type"], "error", "{bad:?}");
    }
    client
        .socket
        .send(Message::binary(vec![0; 100]))
        .await
        .unwrap();
    assert_eq!(client.next().await["error"]["code"], "invalid_event");
    client
        .socket
        .send(Message::Ping(vec![7].into()))
        .await
        .unwrap();
    assert!(matches!(client.message().await, Some(Message::Pong(body)) if body[..] == [7]));
    assert!(client.answers().await);
}

#[tokio::test]
async fn a_frame_too_long_is_answered_and_closed() {
    let daemon = daemon(|_| {}).await;
    let mut other = connect(&daemon, "model=m").await;
    let mut client = connect(&daemon, "model=m").await;
    let huge = "A".repeat(25 * 1024 * 1024);
    client.socket.send(Message::text(huge)).await.unwrap();
    let (code, seen) = client.closed().await;
    assert_eq!(code, 1009);
    // The call is over although the client still holds its end of the connection.
    daemon.left(1).await;
    assert_eq!(seen[0]["error"]["code"], "event_too_large");
    assert!(other.answers().await, "the others are not harmed");

    // One that is not even read to its end breaks the connection, and nothing else.
    let mut client = connect(&daemon, "model=m").await;
    let huge = "A".repeat(LONGEST_READ + 1024 * 1024);
    let _ = client.socket.send(Message::text(huge)).await;
    while let Some(Ok(_)) = client.socket.next().await {}
    assert!(other.answers().await, "the others are not harmed");
}

#[tokio::test]
async fn a_client_that_asks_much_at_once_is_answered() {
    let daemon = daemon(|_| {}).await;
    let mut client = connect(&daemon, "model=m").await;
    let ask = json!({"type": "conversation.item.retrieve", "item_id": "x"}).to_string();
    for _ in 0..2_000 {
        client
            .socket
            .feed(Message::text(ask.clone()))
            .await
            .unwrap();
    }
    client.socket.flush().await.unwrap();
    for _ in 0..2_000 {
        let answer = client.next().await;
        assert_eq!(answer["error"]["code"], "item_retrieve_invalid_item_id");
    }
    assert!(client.answers().await);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected() {
    let daemon = daemon(|doors| doors.websocket.write_within = Duration::from_millis(200)).await;
    let mut other = connect(&daemon, "model=m").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(daemon.address).await.unwrap();
    let mut client = connect_over(&daemon, stream, "model=m", "").await.unwrap();
    // Every one of these is answered with two kilobytes, which nobody takes.
    let update = json!({"type": "session.update", "session": {"type": "realtime"}}).to_string();
    let flood = async {
        while client
            .socket
            .send(Message::text(update.clone()))
            .await
            .is_ok()
        {}
    };
    tokio::time::timeout(PATIENCE, flood)
        .await
        .expect("the daemon hangs up");
    assert!(other.answers().await, "the others are not harmed");
}

#[tokio::test]
async fn a_client_that_is_gone_is_noticed() {
    let daemon = daemon(|doors| {
        doors.websocket.ping_every = Duration::from_millis(20);
        doors.websocket.silent_at_most = Duration::from_millis(200);
    })
    .await;
    // Reading is what answers pings: whoever reads stays, whoever does not is gone.
    let silent = connect(&daemon, "model=m").await;
    let mut client = connect(&daemon, "model=m").await;
    while daemon.drain.n_alive() > 1 {
        let read = tokio::time::timeout(Duration::from_millis(10), client.socket.next()).await;
        assert!(
            !matches!(read, Ok(None | Some(Err(_)))),
            "who answers pings stays"
        );
    }
    drop(silent);
    assert!(client.answers().await);
}

#[tokio::test]
async fn going_down_closes_every_call_with_a_word() {
    let mut daemon = daemon(|_| {}).await;
    let mut client = connect(&daemon, "model=m&voiced=1&greet=0").await;
    daemon.drain.start();
    assert!(client.answers().await, "a call that is alive goes on");
    daemon.drain.end_calls();
    let (code, seen) = client.closed().await;
    assert_eq!(code, 1001);
    let kinds: Vec<&str> = seen
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"voiced.call.ended"), "{kinds:?}");
    daemon.tasks.join_next().await.unwrap().unwrap().unwrap();
}
