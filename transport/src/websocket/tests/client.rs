//! A daemon on loopback and a client of it, with another WebSocket library.
use std::{net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{Response, header},
        protocol::WebSocketConfig,
    },
};
use voiced_pipeline::drain::Drain;

use crate::http::{
    Doors, router,
    serve::{ServeLimits, serve as serve_http},
    tests::front_desk::{ANSWER, doors},
};

/// Long enough for a busy machine; nothing waits this long when it works.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Daemon {
    pub(super) address: SocketAddr,
    pub(super) drain: Drain,
    pub(super) tasks: JoinSet<std::io::Result<()>>,
}

pub(super) async fn daemon(change: impl FnOnce(&mut Doors)) -> Daemon {
    let mut doors = doors(2);
    change(&mut doors);
    let (drain, sockets) = (doors.drain.clone(), doors.sockets.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    let limits = ServeLimits::default();
    tasks.spawn(serve_http(
        listener,
        None,
        router(Arc::new(doors)),
        limits,
        sockets,
        drain.clone(),
    ));
    Daemon {
        address,
        drain,
        tasks,
    }
}

impl Daemon {
    /// Waits until no more than `calls` are left.
    pub(super) async fn left(&self, calls: usize) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while self.drain.n_alive() > calls {
                tokio::task::yield_now().await;
            }
        });
        waited.await.expect("the call ends");
    }
}

pub(super) struct Client {
    pub(super) socket: WebSocketStream<TcpStream>,
    pub(super) response: Response<Option<Vec<u8>>>,
}

pub(super) async fn connect_over(
    daemon: &Daemon,
    stream: TcpStream,
    query: &str,
    protocols: &str,
) -> Result<Client, Error> {
    // A query of the usual address, or another address.
    let path = match query.strip_prefix('/') {
        Some(_) => query.to_owned(),
        None => format!("/v1/realtime?{query}"),
    };
    let url = format!("ws://{}{path}", daemon.address);
    let mut request = url.into_client_request().unwrap();
    if !protocols.is_empty() {
        let protocols = protocols.parse().unwrap();
        request
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_PROTOCOL, protocols);
    }
    let config = WebSocketConfig::default()
        .max_frame_size(None)
        .max_message_size(None);
    let (socket, response) = client_async_with_config(request, stream, Some(config)).await?;
    Ok(Client { socket, response })
}

pub(super) async fn connect(daemon: &Daemon, query: &str) -> Client {
    let stream = TcpStream::connect(daemon.address).await.unwrap();
    let mut client = connect_over(daemon, stream, query, "").await.unwrap();
    assert_eq!(client.next().await["type"], "session.created");
    client
}

impl Client {
    pub(super) async fn send(&mut self, event: Value) {
        self.socket
            .send(Message::text(event.to_string()))
            .await
            .unwrap();
    }

    pub(super) async fn message(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(PATIENCE, self.socket.next());
        next.await
            .expect("the daemon says something")
            .map(|message| message.unwrap())
    }

    pub(super) async fn next(&mut self) -> Value {
        loop {
            match self.message().await.expect("the connection is open") {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(close) => panic!("closed: {close:?}"),
                _ => {}
            }
        }
    }

    /// Events up to and including the first of this type.
    pub(super) async fn until(&mut self, wanted: &str) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            seen.push(self.next().await);
            if seen.last().unwrap()["type"] == wanted {
                return seen;
            }
        }
    }

    /// Reads on to the close; its code, and the events before it.
    pub(super) async fn closed(&mut self) -> (u16, Vec<Value>) {
        let mut seen = Vec::new();
        loop {
            match self.message().await {
                Some(Message::Text(text)) => seen.push(serde_json::from_str(&text).unwrap()),
                Some(Message::Close(Some(close))) => return (close.code.into(), seen),
                Some(Message::Close(None)) => return (1005, seen),
                None => panic!("closed without a word: {seen:?}"),
                Some(_) => {}
            }
        }
    }

    pub(super) async fn append(&mut self, level: f32, millis: usize) {
        let pcm = voiced_core::audio::to_pcm16(&vec![level; 24 * millis]);
        let audio = STANDARD.encode(pcm);
        self.send(json!({"type": "input_audio_buffer.append", "audio": audio}))
            .await;
    }

    /// A reply to typed words shows that the call works.
    pub(super) async fn answers(&mut self) -> bool {
        let item = json!({"type": "message", "role": "user",
            "content": [{"type": "input_text", "text": "hi"}]});
        self.send(json!({"type": "conversation.item.create", "item": item}))
            .await;
        self.send(json!({"type": "response.create"})).await;
        let seen = self.until("response.done").await;
        let words: String = deltas(&seen, "response.output_audio_transcript.delta").concat();
        let sound: usize = deltas(&seen, "response.output_audio.delta")
            .iter()
            .map(|delta| STANDARD.decode(delta).unwrap().len())
            .sum();
        words == ANSWER && sound >= 2_400 * 2
    }
}

pub(super) fn deltas<'e>(events: &'e [Value], kind: &str) -> Vec<&'e str> {
    let of_kind = events.iter().filter(|event| event["type"] == kind);
    of_kind
        .map(|event| event["delta"].as_str().unwrap())
        .collect()
}

pub(super) fn position(events: &[Value], kind: &str) -> usize {
    let found = events.iter().position(|event| event["type"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}"))
}
