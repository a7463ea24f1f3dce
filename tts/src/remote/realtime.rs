//! A line over Mistral's realtime speech: a WebSocket that is told the voice, given the text and
//! its end, and answers with sound.
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};
use voiced_core::engine::Line;
use voiced_pipeline::server::Failure;

use super::{
    FIRST, NEXT, Sink, SpeechServer,
    http::{malformed, not_bare, sound_of},
    pcm::{Encoding, Samples},
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl SpeechServer {
    /// Asks for a line and hands on its sound.
    pub(super) async fn converse(&self, line: &Line, sink: &mut Sink<'_>) -> Result<(), Failure> {
        let late = |what, within| move |_| Failure::Late { what, within };
        let first = self.settings.first_sound_within;
        let next = self.settings.next_sound_within;
        let mut samples = Samples::new(Encoding::Float32);
        let begun = timeout(first, self.begin_talk(line)).await;
        let (mut socket, mut event) = begun.map_err(late(FIRST, first))??;
        loop {
            match event["type"].as_str() {
                Some("speech.audio.delta") => {
                    let mut out = Vec::new();
                    let bytes = sound_of(&event)?;
                    samples.push(&bytes, &mut out).map_err(not_bare)?;
                    sink.give(&out).await;
                }
                Some("speech.audio.done") => break,
                // Newer servers say more.
                _ => (),
            }
            let read = timeout(next, receive(&mut socket)).await;
            event = read.map_err(late(NEXT, next))??;
        }
        // A goodbye is a courtesy; the socket closes with or without it.
        let _ = timeout(next, socket.close(None)).await;
        Ok(())
    }

    /// Connects, sends everything, and waits for the first sound or its end.
    async fn begin_talk(&self, line: &Line) -> Result<(Socket, Value), Failure> {
        let mut socket = self.connect().await?;
        loop {
            if receive(&mut socket).await?["type"] == "session.created" {
                break;
            }
        }
        let mut session = json!({
            "voice": self.voice(line),
            "response_format": "pcm",
            "streaming_mode": "responsive",
        });
        if let Some(expressiveness) = self.settings.expressiveness {
            session["expressiveness"] = json!(expressiveness);
        }
        for (name, value) in &self.settings.extra {
            session[name.as_str()] = value.clone();
        }
        for event in [
            json!({"type": "session.update", "session": session}),
            json!({"type": "input_text.append", "text": line.text}),
            json!({"type": "input_text.end"}),
        ] {
            let sent = socket.send(Message::text(event.to_string())).await;
            // A server that refuses closes with its reason, which is better told than our loss.
            if sent.is_err() {
                break;
            }
        }
        loop {
            let event = receive(&mut socket).await?;
            let kind = event["type"].as_str().unwrap_or_default();
            if matches!(kind, "speech.audio.delta" | "speech.audio.done") {
                return Ok((socket, event));
            }
        }
    }

    async fn connect(&self) -> Result<Socket, Failure> {
        let mut url = self.place.below(&["audio", "speech", "realtime"]);
        let scheme = if url.scheme() == "http" { "ws" } else { "wss" };
        if url.set_scheme(scheme).is_err() {
            return Err(Failure::Unreachable("its address has no scheme".to_owned()));
        }
        url.query_pairs_mut()
            .append_pair("model", &self.settings.model);
        let request = url.as_str().into_client_request();
        let mut request = request.map_err(|error| Failure::Unreachable(error.to_string()))?;
        request.headers_mut().extend(self.place.headers.clone());
        let connected = timeout(self.settings.connect_within, connect_async(request)).await;
        match connected {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(tungstenite::Error::Http(response))) => {
                let body = response.body().as_deref().unwrap_or_default();
                let status = response.status().as_u16();
                Err(Failure::refused(status, response.headers(), body))
            }
            Ok(Err(error)) => Err(Failure::Unreachable(error.to_string())),
            Err(_) => Err(Failure::Late {
                what: "connection",
                within: self.settings.connect_within,
            }),
        }
    }
}

/// The next event; a refusal is a failure, in an event or as the reason of a close.
async fn receive(socket: &mut Socket) -> Result<Value, Failure> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let event: Value = serde_json::from_str(&text).map_err(|e| malformed(&e))?;
                match Failure::in_stream(&event) {
                    Some(failure) => return Err(failure),
                    None => return Ok(event),
                }
            }
            Some(Ok(Message::Close(Some(close)))) => {
                return Err(Failure::Refused {
                    status: 0,
                    code: u16::from(close.code).to_string(),
                    detail: match close.reason.is_empty() {
                        true => String::new(),
                        // It names the voice, or what else was asked for; never the text.
                        false => {
                            format!(": {}", close.reason.chars().take(200).collect::<String>())
                        }
                    },
                    wait: None,
                });
            }
            Some(Ok(Message::Close(None))) | None => {
                return Err(Failure::Broken("the server hung up".to_owned()));
            }
            // Pings are answered by the library; anything else means nothing.
            Some(Ok(_)) => (),
            Some(Err(error)) => return Err(Failure::Broken(error.to_string())),
        }
    }
}
