//! A caller over WebSocket, in the OpenAI Realtime dialect: sends real sound in real time and keeps
//! everything it is told, with the time it came.
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};
use voiced_core::audio::{from_pcm16, to_pcm16};

use crate::daemon::{Daemon, SOON};

/// Samples of 20 ms on the wire.
const FRAME: usize = 480;

/// One connection.
pub struct Caller {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    began: Instant,
    /// What came, oldest first, with the milliseconds since the connection.
    pub events: Vec<(u64, Value)>,
    /// What is said next; silence when empty.
    saying: std::collections::VecDeque<f32>,
    /// Whether the microphone is open: sound or silence is sent in real time.
    is_open: bool,
    next_id: u64,
}

impl Caller {
    /// Connects, and waits until the session is there.
    pub async fn connect(daemon: &Daemon) -> Caller {
        Caller::connect_to(&daemon.socket_url("model=voiced&voiced=1&greet=0")).await
    }

    /// The same, by address.
    pub async fn connect_to(url: &str) -> Caller {
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let mut caller = Caller {
            socket,
            began: Instant::now(),
            events: Vec::new(),
            saying: std::collections::VecDeque::new(),
            is_open: false,
            next_id: 0,
        };
        caller.until("session.created").await;
        caller
    }

    /// Milliseconds since the connection.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    /// Sends one event, with an id of its own.
    pub async fn send(&mut self, mut event: Value) -> String {
        self.next_id += 1;
        let id = format!("client_{}", self.next_id);
        event["event_id"] = json!(id);
        self.send_text(event.to_string()).await;
        id
    }

    /// Sends text as it is.
    pub async fn send_text(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Opens the microphone and says this after what is being said already.
    pub fn say(&mut self, samples: &[f32]) {
        self.is_open = true;
        self.saying.extend(samples);
    }

    /// Waits for the next event of this type.
    pub async fn until(&mut self, kind: &str) -> Value {
        self.until_that(kind, |event| event["type"] == kind).await
    }

    /// Waits for the next event that is `wanted`.
    pub async fn until_that(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        match timeout(SOON, self.listen(wanted)).await {
            Ok(event) => event,
            Err(_) => panic!("no {what} came; got {:#?}", self.kinds()),
        }
    }

    /// Goes on for a while, whatever comes.
    pub async fn attend(&mut self, how_long: Duration) {
        let _ = timeout(how_long, self.listen(|_| false)).await;
    }

    async fn listen(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut beat = interval(Duration::from_millis(20));
        beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            tokio::select! {
                biased;
                _ = beat.tick(), if self.is_open => self.send_frame().await,
                message = self.socket.next() => {
                    let message = message.expect("the daemon hung up").unwrap();
                    let Message::Text(text) = message else { continue };
                    let event: Value = serde_json::from_str(&text).unwrap();
                    self.events.push((self.now(), event.clone()));
                    if wanted(&event) {
                        return event;
                    }
                }
            }
        }
    }

    async fn send_frame(&mut self) {
        let n_samples = FRAME.min(self.saying.len());
        let mut frame: Vec<f32> = self.saying.drain(..n_samples).collect();
        frame.resize(FRAME, 0.0);
        let append = json!({
            "type": "input_audio_buffer.append",
            "audio": BASE64.encode(to_pcm16(&frame)),
        });
        self.send_text(append.to_string()).await;
    }

    /// Types words and asks for a reply.
    pub async fn type_words(&mut self, words: &str) {
        self.send(json!({
            "type": "conversation.item.create",
            "item": {"type": "message", "role": "user",
                     "content": [{"type": "input_text", "text": words}]},
        }))
        .await;
        self.send(json!({"type": "response.create"})).await;
    }

    /// All agent audio received so far.
    pub fn heard(&self) -> Vec<f32> {
        let mut samples = Vec::new();
        for (_, event) in self.of("response.output_audio.delta") {
            let bytes = BASE64.decode(event["delta"].as_str().unwrap()).unwrap();
            samples.extend(from_pcm16(&bytes));
        }
        samples
    }

    /// All events of one type so far, with their times.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a (u64, Value)> {
        self.events
            .iter()
            .filter(move |(_, event)| event["type"] == kind)
    }

    /// All that was transcribed of the caller so far.
    pub fn transcript(&self) -> String {
        let kind = "conversation.item.input_audio_transcription.completed";
        let texts: Vec<&str> = self
            .of(kind)
            .map(|(_, event)| event["transcript"].as_str().unwrap())
            .collect();
        texts.join(" ")
    }

    /// All that the agent wrote so far.
    pub fn reply(&self) -> String {
        self.of("response.output_audio_transcript.delta")
            .map(|(_, event)| event["delta"].as_str().unwrap())
            .collect()
    }

    /// The types of all events so far, audio left out.
    pub fn kinds(&self) -> Vec<String> {
        self.events
            .iter()
            .map(|(at, event)| format!("{at} {}", event["type"].as_str().unwrap_or("?")))
            .filter(|line| !line.ends_with("audio.delta"))
            .collect()
    }
}
