//! A WebSocket that follows a WebRTC call from beside: no audio, only events both ways.
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use tokio::time::{interval, timeout};

use crate::webrtc::Beside;

/// Longest event of one who follows a call.
pub const LONGEST_EVENT: usize = 1024 * 1024;

/// Carries events until the call ends or the client leaves, which does not end the call.
pub async fn follow(mut socket: WebSocket, mut beside: Beside, settings: super::WebSocketSettings) {
    let mut pings = interval(settings.ping_every);
    pings.tick().await;
    // Two pings without any sign of life.
    let mut unanswered = 0;
    let close = loop {
        tokio::select! {
            line = beside.events.recv() => {
                let Some(line) = line else {
                    break Some((1000, "the call is over"));
                };
                if !send(&mut socket, Message::Text(line.into()), settings.write_within).await {
                    break None;
                }
            }
            frame = socket.recv() => {
                unanswered = 0;
                match frame {
                    None | Some(Err(_) | Ok(Message::Close(_))) => break None,
                    Some(Ok(Message::Text(text))) => {
                        if !beside.ask(text.as_str().to_owned()).await {
                            break Some((1000, "the call is over"));
                        }
                    }
                    Some(Ok(Message::Binary(_))) => {
                        break Some((1003, "events are JSON in text frames"));
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                }
            }
            _ = pings.tick() => {
                unanswered += 1;
                let ping = Message::Ping(bytes::Bytes::new());
                if unanswered > 2 || !send(&mut socket, ping, settings.write_within).await {
                    break None;
                }
            }
        }
    };
    if let Some((code, reason)) = close {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        send(
            &mut socket,
            Message::Close(Some(frame)),
            settings.write_within,
        )
        .await;
    }
}

async fn send(socket: &mut WebSocket, message: Message, within: Duration) -> bool {
    matches!(timeout(within, socket.send(message)).await, Ok(Ok(())))
}
