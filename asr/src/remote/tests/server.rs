//! A fake server for each dialect, strict about the order of what it is sent: it says how much
//! sound it heard.
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
    },
};

use crate::remote::Dialect;

/// What the server does with a connection; the last of a list is followed by sound ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    /// Refuses the handshake.
    Refuse(u16),
    /// Drops the connection once it heard so many milliseconds.
    CutAt(u64),
    /// Drops it when it is asked for the words.
    CutAtCommit,
    /// Tells an error when it is asked for the words.
    Error(u16),
    /// Never says the final words.
    Silent,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    openings: Mutex<Vec<Value>>,
    keys: Mutex<Vec<String>>,
}

/// A running server; ends when dropped.
pub struct Fake {
    pub dialect: Dialect,
    port: u16,
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

impl Fake {
    pub async fn start(dialect: Dialect, acts: Vec<Act>) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        let shared = seen.clone();
        tasks.spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let n = shared.connections.fetch_add(1, Ordering::SeqCst);
                let act = acts.get(n).copied();
                serving.spawn(connection(stream, dialect, act, shared.clone()));
            }
        });
        Fake {
            dialect,
            port,
            seen,
            _tasks: tasks,
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub fn last_opening(&self) -> Value {
        self.seen.openings.lock().unwrap().last().unwrap().clone()
    }

    pub fn expect_key(&self, key: &str) {
        assert!(self.seen.keys.lock().unwrap().iter().all(|k| k == key));
    }

    pub fn expect_language(&self, language: &str) {
        let opening = self.last_opening();
        let at = match self.dialect {
            Dialect::Vllm => "/language",
            Dialect::Mistral => "/session/language",
            Dialect::OpenAi => "/session/audio/input/transcription/language",
        };
        assert_eq!(opening.pointer(at), Some(&json!(language)), "{opening}");
    }
}

#[expect(clippy::result_large_err, reason = "the shape the library asks for")]
async fn connection(stream: TcpStream, dialect: Dialect, act: Option<Act>, seen: Arc<Seen>) {
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let key = request.headers().get("authorization");
        let key = key.map(|k| k.to_str().unwrap().to_owned());
        seen.keys.lock().unwrap().extend(key);
        let want = match dialect {
            Dialect::Vllm => "/v1/realtime",
            Dialect::Mistral => "/v1/audio/transcriptions/realtime?model=the-model",
            Dialect::OpenAi => "/v1/realtime?intent=transcription",
        };
        assert_eq!(request.uri().to_string(), want);
        match act {
            Some(Act::Refuse(status)) => {
                let mut refusal = ErrorResponse::new(Some("no".to_owned()));
                *refusal.status_mut() = status.try_into().unwrap();
                Err(refusal)
            }
            _ => Ok(response),
        }
    };
    let Ok(socket) = accept_hdr_async(stream, check).await else {
        return;
    };
    let mut server = Server {
        socket,
        dialect,
        act,
        begun: dialect != Dialect::Vllm,
        opened: false,
        bytes: 0,
    };
    let created = match dialect {
        Dialect::Vllm => json!({"type": "session.created", "id": "sess-1", "created": 1}),
        _ => json!({"type": "session.created", "session": {"request_id": "1", "model": "m"}}),
    };
    server.say(created).await;
    while let Some(Ok(message)) = server.socket.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        let event: Value = serde_json::from_str(&text).unwrap();
        if event["type"] == "session.update" {
            seen.openings.lock().unwrap().push(event.clone());
        }
        if !server.take(&event).await {
            return;
        }
    }
}

struct Server {
    socket: WebSocketStream<TcpStream>,
    dialect: Dialect,
    act: Option<Act>,
    begun: bool,
    opened: bool,
    bytes: usize,
}

impl Server {
    async fn say(&mut self, event: Value) {
        // Whoever left does not hear it.
        let _ = self.socket.send(Message::text(event.to_string())).await;
    }

    fn heard(&self) -> u64 {
        let per_ms = if self.dialect == Dialect::OpenAi {
            48
        } else {
            32
        };
        (self.bytes / per_ms) as u64
    }

    async fn delta(&mut self, text: &str) {
        let event = match self.dialect {
            Dialect::Vllm => json!({"type": "transcription.delta", "delta": text}),
            Dialect::Mistral => json!({"type": "transcription.text.delta", "text": text}),
            Dialect::OpenAi => json!({
                "type": "conversation.item.input_audio_transcription.delta",
                "item_id": "i", "delta": text,
            }),
        };
        self.say(event).await;
    }

    async fn done(&mut self) {
        let text = format!("heard {} ms", self.heard());
        self.bytes = 0;
        let event = match self.dialect {
            Dialect::Vllm => {
                self.begun = false;
                json!({"type": "transcription.done", "text": text, "usage": {}})
            }
            Dialect::Mistral => json!({
                "type": "transcription.done", "text": text, "language": null, "segments": [],
            }),
            Dialect::OpenAi => json!({
                "type": "conversation.item.input_audio_transcription.completed",
                "item_id": "i", "transcript": text,
            }),
        };
        self.say(event).await;
    }

    async fn fail(&mut self, code: u16) {
        let event = match self.dialect {
            Dialect::Vllm => {
                json!({"type": "error", "error": "it broke", "code": "processing_error"})
            }
            Dialect::Mistral => {
                json!({"type": "error", "error": {"message": "it broke", "code": code}})
            }
            Dialect::OpenAi => {
                json!({"type": "error", "error": {"type": "server_error", "message": "it broke"}})
            }
        };
        self.say(event).await;
    }

    /// False when the connection is to end.
    async fn take(&mut self, event: &Value) -> bool {
        let kind = event["type"].as_str().unwrap();
        match kind {
            "session.update" => {
                assert_eq!(self.bytes, 0, "before any sound");
                self.opened = true;
            }
            "input_audio_buffer.append" | "input_audio.append" => {
                assert_eq!(
                    kind == "input_audio.append",
                    self.dialect == Dialect::Mistral
                );
                assert!(self.opened && self.begun, "sound before its time");
                let bytes = BASE64.decode(event["audio"].as_str().unwrap()).unwrap();
                assert!(bytes.len().is_multiple_of(2) && bytes.len() <= 262_144);
                if self.bytes == 0 {
                    self.delta("heard ").await;
                }
                self.bytes += bytes.len();
                if matches!(self.act, Some(Act::CutAt(ms)) if self.heard() >= ms) {
                    return false;
                }
            }
            "input_audio_buffer.commit" if event["final"] == false => {
                assert!(self.opened && self.dialect == Dialect::Vllm);
                self.begun = true;
            }
            "input_audio.flush" => {}
            "input_audio_buffer.commit" | "input_audio.end" => return self.commit().await,
            other => panic!("{other} is not in the protocol"),
        }
        true
    }

    async fn commit(&mut self) -> bool {
        match self.act {
            Some(Act::CutAtCommit) => return false,
            Some(Act::Error(code)) => self.fail(code).await,
            Some(Act::Silent) => {}
            _ if self.dialect == Dialect::OpenAi && self.heard() < 100 => {
                self.bytes = 0;
                self.say(json!({"type": "error", "error": {
                    "type": "invalid_request_error", "code": "input_audio_buffer_commit_empty",
                }}))
                .await;
            }
            _ => {
                self.done().await;
                // One utterance, then the connection ends.
                return self.dialect != Dialect::Mistral;
            }
        }
        true
    }
}
