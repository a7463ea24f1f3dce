//! Mistral's realtime speech on loopback: one script per connection, and what each was told.
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{
        Request, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify, task::JoinSet};

/// What a connection gets once its text has ended.
pub enum Script {
    /// This sound and its end.
    Say(Vec<f32>),
    /// This sound and a broken connection.
    Break(Vec<f32>),
    /// This sound and nothing more.
    Hang(Vec<f32>),
    /// An error with this code.
    Error(u16),
    /// A close frame with this reason.
    Close(&'static str),
}

/// What a connection was told.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub target: String,
    pub authorization: Option<String>,
    pub events: Vec<Value>,
}

#[derive(Default)]
struct Shared {
    scripts: Mutex<VecDeque<Script>>,
    told: Mutex<Vec<Told>>,
    hung_up: Notify,
}

/// The running fake.
pub struct Talks {
    pub url: String,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
}

impl Talks {
    pub async fn start(scripts: Vec<Script>) -> Talks {
        let shared = Arc::new(Shared::default());
        shared.scripts.lock().unwrap().extend(scripts);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let router = Router::new().fallback(upgrade).with_state(shared.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Talks {
            url,
            shared,
            _task: task,
        }
    }

    pub fn told(&self) -> Vec<Told> {
        self.shared.told.lock().unwrap().clone()
    }

    /// Waits until a client has left a connection that hangs.
    pub async fn until_hung_up(&self) {
        let waited = tokio::time::timeout(Duration::from_secs(20), self.shared.hung_up.notified());
        waited.await.expect("it hangs up within twenty seconds");
    }
}

async fn upgrade(
    State(shared): State<Arc<Shared>>,
    socket: WebSocketUpgrade,
    request: Request,
) -> Response {
    let told = Told {
        target: request.uri().to_string(),
        authorization: (request.headers().get("authorization"))
            .map(|value| value.to_str().unwrap().to_owned()),
        events: Vec::new(),
    };
    socket.on_upgrade(move |socket| talk(socket, shared, told))
}

async fn send(socket: &mut WebSocket, event: Value) {
    // A client that left is what some tests are about.
    let _ = socket.send(Message::text(event.to_string())).await;
}

async fn talk(mut socket: WebSocket, shared: Arc<Shared>, mut told: Told) {
    let session = json!({"request_id": "r", "model": "m", "is_ref_audio": false});
    send(
        &mut socket,
        json!({"type": "session.created", "session": session}),
    )
    .await;
    while let Some(Ok(Message::Text(text))) = socket.recv().await {
        let event: Value = serde_json::from_str(&text).unwrap();
        let kind = event["type"].clone();
        told.events.push(event);
        if kind == "session.update" {
            send(
                &mut socket,
                json!({"type": "session.updated", "session": session}),
            )
            .await;
        }
        if kind == "input_text.end" {
            break;
        }
    }
    shared.told.lock().unwrap().push(told);
    let script = shared.scripts.lock().unwrap().pop_front().unwrap();
    match script {
        Script::Error(code) => {
            let error = json!({"message": {"detail": "busy"}, "code": code});
            send(&mut socket, json!({"type": "error", "error": error})).await;
        }
        Script::Close(reason) => {
            let close = CloseFrame {
                code: 1008,
                reason: reason.into(),
            };
            let _ = socket.send(Message::Close(Some(close))).await;
        }
        Script::Say(sound) => {
            play(&mut socket, &sound).await;
            let usage = json!({"total_tokens": 3});
            send(
                &mut socket,
                json!({"type": "speech.audio.done", "usage": usage}),
            )
            .await;
            let _ = socket.recv().await;
        }
        Script::Break(sound) => play(&mut socket, &sound).await,
        Script::Hang(sound) => {
            play(&mut socket, &sound).await;
            while let Some(Ok(_)) = socket.recv().await {}
            shared.hung_up.notify_one();
        }
    }
}

/// In pieces that cut samples apart.
async fn play(socket: &mut WebSocket, sound: &[f32]) {
    let bytes: Vec<u8> = sound.iter().flat_map(|s| s.to_le_bytes()).collect();
    for piece in bytes.chunks(1_001) {
        let delta = json!({"type": "speech.audio.delta", "audio_data": BASE64.encode(piece)});
        send(socket, delta).await;
    }
}
