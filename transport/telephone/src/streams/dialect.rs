//! What carriers say over a media stream and how each wants to be spoken to: five dialects of the
//! same few words, behind one trait. Pure.
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use voiced_core::audio::SampleRate;

use super::wire::{Voice, Wire};

/// A message either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// JSON.
    Text(String),
    /// Bare sound.
    Binary(Vec<u8>),
}

/// What a carrier says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    /// Sound at 16 kHz.
    Sound(Vec<f32>),
    /// A key.
    Key(char),
    /// Everything sent before this mark was played, or thrown away.
    Marked(String),
    /// The call is over.
    Stopped,
}

/// How a call began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// The carrier's name.
    pub carrier: &'static str,
    /// Its name for the call.
    pub call: String,
    /// Who calls and who is called, where it says.
    pub from: String,
    pub to: String,
    /// What the application attached to the stream.
    pub parameters: Vec<(String, String)>,
    /// What is spoken, for records.
    pub codec: &'static str,
}

/// One carrier's way of speaking.
pub(super) trait Dialect: Send {
    /// Reads a message.
    fn read(&mut self, frame: &Frame) -> Vec<Heard>;
    /// 20 ms of the agent at 24 kHz.
    fn sound(&mut self, samples: &[f32]) -> Option<Frame>;
    /// Asks to be told when everything before was played.
    fn mark(&self, name: &str) -> Option<Frame>;
    /// Has the far end forget what it has not played.
    fn clear(&self) -> Option<Frame>;
}

/// Finds the dialect by the first messages; `None`: it is none of them, or not yet clear.
pub(super) fn detect(frame: &Frame) -> Option<(Box<dyn Dialect>, Start)> {
    let Frame::Text(text) = frame else {
        return None;
    };
    let message: Value = serde_json::from_str(text).ok()?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if message["event"] == "websocket:connected" {
        return vonage(&message);
    }
    if message["event"] != "start" {
        return None;
    }
    let start = &message["start"];
    let (kind, stream, call, format) = if start["callSid"].is_string() {
        (
            Kind::Twilio,
            &start["streamSid"],
            &start["callSid"],
            &start["mediaFormat"],
        )
    } else if start["call_control_id"].is_string() {
        (
            Kind::Telnyx,
            &message["stream_id"],
            &start["call_control_id"],
            &start["media_format"],
        )
    } else if start["callId"].is_string() {
        (
            Kind::Plivo,
            &start["streamId"],
            &start["callId"],
            &start["mediaFormat"],
        )
    } else if start["call_sid"].is_string() {
        (
            Kind::Exotel,
            &start["stream_sid"],
            &start["call_sid"],
            &start["media_format"],
        )
    } else {
        return None;
    };
    let wire = Wire::of(kind == Kind::Exotel, format)?;
    let parameters = start["customParameters"]
        .as_object()
        .or(start["custom_parameters"].as_object());
    let parameters = parameters.into_iter().flatten().take(32);
    let began = Start {
        carrier: kind.name(),
        call: text(call),
        from: text(&start["from"]),
        to: text(&start["to"]),
        parameters: parameters
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
        codec: wire.name(),
    };
    let stream = text(stream);
    Some((
        Box::new(Json {
            kind,
            stream,
            voice: Voice::new(wire),
            waiting: Vec::new(),
            next: None,
        }),
        began,
    ))
}

fn vonage(message: &Value) -> Option<(Box<dyn Dialect>, Start)> {
    let kind = message["content-type"].as_str()?;
    let rate = kind.split("rate=").nth(1)?.trim().parse().ok()?;
    let rate = SampleRate::new(rate).filter(|rate| [8_000, 16_000, 24_000].contains(&rate.hz()))?;
    let fields = message.as_object()?.iter();
    let own = fields.filter(|(name, _)| !["event", "content-type"].contains(&name.as_str()));
    let start = Start {
        carrier: "vonage",
        parameters: own
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .take(32)
            .collect(),
        codec: "l16",
        ..Start::default()
    };
    Some((Box::new(Vonage(Voice::new(Wire::L16(rate)))), start))
}

/// Carriers that wrap sound in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Twilio,
    Telnyx,
    Plivo,
    Exotel,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Twilio => "twilio",
            Kind::Telnyx => "telnyx",
            Kind::Plivo => "plivo",
            Kind::Exotel => "exotel",
        }
    }
}

/// Telnyx promises no order: so many frames are waited with for one that is missing.
const REORDERED: usize = 4;

struct Json {
    kind: Kind,
    stream: String,
    voice: Voice,
    /// Frames that came too early, by their number.
    waiting: Vec<(u64, Vec<u8>)>,
    next: Option<u64>,
}

impl Json {
    fn media(&mut self, media: &Value) -> Option<Heard> {
        let is_ours = media["track"]
            .as_str()
            .is_none_or(|track| track.starts_with("inbound"));
        let payload = media["payload"].as_str().filter(|_| is_ours)?;
        let bytes = BASE64.decode(payload).ok()?;
        if self.kind != Kind::Telnyx {
            return Some(Heard::Sound(self.voice.heard(&bytes)));
        }
        let chunk = media["chunk"].as_str().and_then(|chunk| chunk.parse().ok());
        let chunk: u64 = chunk.or(media["chunk"].as_u64()).or(self.next)?;
        if self.next.is_some_and(|next| chunk < next) {
            // Its time has passed.
            return None;
        }
        self.waiting.push((chunk, bytes));
        self.waiting.sort_by_key(|(chunk, _)| *chunk);
        let mut ready = Vec::new();
        while let Some((first, _)) = self.waiting.first() {
            let is_due =
                self.next.is_none_or(|next| *first == next) || self.waiting.len() > REORDERED;
            if !is_due {
                break;
            }
            let (chunk, bytes) = self.waiting.remove(0);
            self.next = Some(chunk + 1);
            ready.extend(self.voice.heard(&bytes));
        }
        (!ready.is_empty()).then_some(Heard::Sound(ready))
    }
}

impl Dialect for Json {
    fn read(&mut self, frame: &Frame) -> Vec<Heard> {
        let Frame::Text(text) = frame else {
            return Vec::new();
        };
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return Vec::new();
        };
        let name = |value: &Value| value.as_str().map(str::to_owned);
        let heard = match message["event"].as_str().unwrap_or_default() {
            "media" => self.media(&message["media"]),
            "dtmf" => message["dtmf"]["digit"]
                .as_str()
                .and_then(|digit| digit.chars().next())
                .map(Heard::Key),
            "mark" => name(&message["mark"]["name"]).map(Heard::Marked),
            "playedStream" => name(&message["name"]).map(Heard::Marked),
            "stop" => Some(Heard::Stopped),
            _ => None,
        };
        heard.into_iter().collect()
    }

    fn sound(&mut self, samples: &[f32]) -> Option<Frame> {
        let payload = BASE64.encode(self.voice.said(samples));
        if payload.is_empty() {
            return None;
        }
        let message = match self.kind {
            Kind::Twilio => {
                json!({"event": "media", "streamSid": self.stream, "media": {"payload": payload}})
            }
            Kind::Telnyx => json!({"event": "media", "media": {"payload": payload}}),
            Kind::Exotel => {
                json!({"event": "media", "stream_sid": self.stream, "media": {"payload": payload}})
            }
            Kind::Plivo => {
                let kind = if matches!(self.voice.wire, Wire::L16(_)) {
                    "audio/x-l16"
                } else {
                    "audio/x-mulaw"
                };
                let rate = self.voice.wire.rate().hz();
                json!({"event": "playAudio", "media": {"contentType": kind, "sampleRate": rate, "payload": payload}})
            }
        };
        Some(Frame::Text(message.to_string()))
    }

    fn mark(&self, name: &str) -> Option<Frame> {
        let message = match self.kind {
            Kind::Twilio => {
                json!({"event": "mark", "streamSid": self.stream, "mark": {"name": name}})
            }
            Kind::Telnyx => json!({"event": "mark", "mark": {"name": name}}),
            Kind::Exotel => {
                json!({"event": "mark", "stream_sid": self.stream, "mark": {"name": name}})
            }
            Kind::Plivo => json!({"event": "checkpoint", "streamId": self.stream, "name": name}),
        };
        Some(Frame::Text(message.to_string()))
    }

    fn clear(&self) -> Option<Frame> {
        let message = match self.kind {
            Kind::Twilio => json!({"event": "clear", "streamSid": self.stream}),
            Kind::Telnyx => json!({"event": "clear"}),
            Kind::Exotel => json!({"event": "clear", "stream_sid": self.stream}),
            Kind::Plivo => json!({"event": "clearAudio", "streamId": self.stream}),
        };
        Some(Frame::Text(message.to_string()))
    }
}

/// Vonage sends and takes bare sound.
struct Vonage(Voice);

impl Dialect for Vonage {
    fn read(&mut self, frame: &Frame) -> Vec<Heard> {
        let text = match frame {
            Frame::Binary(bytes) => return vec![Heard::Sound(self.0.heard(bytes))],
            Frame::Text(text) => text,
        };
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return Vec::new();
        };
        let heard = match message["event"].as_str().unwrap_or_default() {
            "websocket:dtmf" => message["digit"]
                .as_str()
                .and_then(|digit| digit.chars().next())
                .map(Heard::Key),
            "websocket:notify" => message["payload"]["name"]
                .as_str()
                .map(|name| Heard::Marked(name.to_owned())),
            "websocket:disconnected" => Some(Heard::Stopped),
            _ => None,
        };
        heard.into_iter().collect()
    }

    fn sound(&mut self, samples: &[f32]) -> Option<Frame> {
        Some(Frame::Binary(self.0.said(samples)))
            .filter(|frame| *frame != Frame::Binary(Vec::new()))
    }

    fn mark(&self, name: &str) -> Option<Frame> {
        Some(Frame::Text(
            json!({"action": "notify", "payload": {"name": name}}).to_string(),
        ))
    }

    fn clear(&self) -> Option<Frame> {
        Some(Frame::Text(json!({"action": "clear"}).to_string()))
    }
}
