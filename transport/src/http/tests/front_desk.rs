//! A daemon in a box: the real front desk, with an ear that always hears the same words, a mind
//! that always answers the same, and a voice that hums.
use std::{sync::Arc, time::Duration};

use futures::stream::{self, BoxStream, StreamExt};
use tokio_util::task::TaskTracker;
use voiced_core::{
    activity::ActivityPolicy,
    audio::{AudioFrame, SampleRate},
    engine::{
        Heard, Hearing, Line, Prompt, ReplyEnd, ReplyPiece, Speech, SpeechProbability, TurnContext,
        TurnDetector, VoiceActivityDetector,
    },
    turn::TurnPolicy,
};
use voiced_pipeline::{
    calls::{Calls, CallsSettings, Persona},
    drain::Drain,
    lease::Row,
    remote::serve_by_tasks,
    tool_servers::NoToolServers,
    tools::NoTools,
};

use crate::{
    http::{
        Catalogue, Doors, Limits, Trust,
        console::{PersonaEntry, VoiceEntry},
    },
    keys::Keys,
    openai_realtime::session::SessionDefaults,
    rest::{
        EarAbilities, Hearing as Told, Recording, Room, RoomLimits, Studio, StudioError, Text,
        Utterance,
    },
    webrtc::{Peers, WebRtcSettings},
    websocket::WebSocketSettings,
};

/// What is always heard.
pub(crate) const HEARD: &str = "good morning";
/// What is always answered.
pub(crate) const ANSWER: &str = "Hello to you.";

struct Loudness;

impl VoiceActivityDetector for Loudness {
    fn window(&self) -> usize {
        256
    }

    fn push(&mut self, samples: &[f32]) -> SpeechProbability {
        let loud = samples.iter().any(|sample| sample.abs() > 0.1);
        SpeechProbability(f32::from(u8::from(loud)))
    }

    fn reset(&mut self) {}
}

struct Sure;

impl TurnDetector for Sure {
    fn end_of_turn(&mut self, _context: TurnContext<'_>) -> f32 {
        1.0
    }
}

async fn ear(mut row: Row<Hearing, Heard>) {
    let mut said = true;
    while let Some(hearing) = row.inputs.recv().await {
        let heard = match hearing {
            Hearing::Audio(frame) if said && frame.samples.iter().any(|s| s.abs() > 0.1) => {
                said = false;
                Heard::Partial(HEARD.into())
            }
            Hearing::Finalize => {
                let words = if said { "" } else { HEARD };
                said = true;
                Heard::Final(words.into())
            }
            _ => continue,
        };
        if row.outputs.send(heard).await.is_err() {
            return;
        }
    }
}

async fn mind(mut row: Row<Prompt, ReplyPiece>) {
    while row.inputs.recv().await.is_some() {
        let end = ReplyPiece::End(ReplyEnd::default());
        for piece in [ReplyPiece::Text(ANSWER.into()), end] {
            if row.outputs.send(piece).await.is_err() {
                return;
            }
        }
    }
}

async fn voice(mut row: Row<Line, Speech>) {
    while row.inputs.recv().await.is_some() {
        let hum = AudioFrame::new(SampleRate::SPEECH, vec![0.25; 2_400]);
        for speech in [Speech::Audio(hum), Speech::End] {
            if row.outputs.send(speech).await.is_err() {
                return;
            }
        }
    }
}

/// Hears and says always the same.
struct Desk;

impl Studio for Desk {
    fn hear(&self, recording: Recording) -> BoxStream<'static, Result<Told, StudioError>> {
        let second = Duration::from_secs(1);
        let said = |n: u32, text: &str| {
            Ok(Told::Utterance(Utterance {
                from: n * second,
                to: (n + 1) * second,
                text: text.into(),
                words: Vec::new(),
            }))
        };
        let told = match &recording.bytes[..] {
            b"choke" => vec![said(0, "Good"), Err(StudioError::GaveUp("ear"))],
            b"noise" => vec![Err(StudioError::Unreadable("it is noise".into()))],
            b"endless" => return stream::pending().boxed(),
            _ => vec![
                said(0, "Good morning."),
                said(1, "And you?"),
                Ok(Told::End(2 * second)),
            ],
        };
        stream::iter(told).boxed()
    }

    fn speak(&self, text: Text) -> BoxStream<'static, Result<Vec<f32>, StudioError>> {
        let sound = match text.text.as_str() {
            "choke" => vec![Ok(vec![0.25; 240]), Err(StudioError::GaveUp("voice"))],
            "busy" => vec![Err(StudioError::Busy("voice"))],
            _ => vec![Ok(vec![text.speed / 4.0; 240]); 2],
        };
        stream::iter(sound).boxed()
    }

    fn ear(&self) -> EarAbilities {
        EarAbilities {
            languages: vec!["en".into(), "nl".into()],
            words: false,
        }
    }
}

/// A daemon whose doors may still be changed. Must be called inside a tokio runtime.
pub(crate) fn doors(max_calls: usize) -> Doors {
    let drain = Drain::new();
    let persona = |name: &str| Persona {
        name: name.into(),
        instructions: String::new(),
        greeting: Some("Welcome.".into()),
        voice: None,
        mind: serve_by_tasks(16, mind),
        tools: Arc::new(NoTools),
    };
    let calls = Calls::new(CallsSettings {
        ear: serve_by_tasks(16, ear),
        voice: serve_by_tasks(16, voice),
        personas: vec![persona("host"), persona("clerk")],
        activity_detector: Arc::new(|| Box::new(Loudness)),
        activity: ActivityPolicy::default(),
        turn_detector: Arc::new(|| Box::new(Sure)),
        policy: TurnPolicy::default(),
        speed: None,
        max_calls,
        max_calls_per_address: max_calls,
        max_call: Duration::from_secs(600),
        tool_servers: Arc::new(NoToolServers),
        drain: drain.clone(),
    });
    let entry = |name: &str, voice: &str| PersonaEntry {
        name: name.into(),
        description: format!("The {name}."),
        voice: Some(voice.into()),
        instructions: format!("Be the {name}."),
    };
    Doors {
        calls,
        keys: Keys::open(),
        trust: Trust {
            loopback: true,
            ..Trust::default()
        },
        limits: Limits::default(),
        session: SessionDefaults {
            voice: "slt".into(),
            voices: vec!["slt".into(), "rms".into()],
            ..SessionDefaults::default()
        },
        strict: true,
        catalogue: Catalogue {
            model: "voiced".into(),
            personas: vec![entry("host", "slt"), entry("clerk", "rms")],
            voices: vec![VoiceEntry {
                name: "slt".into(),
                language: "en-US".into(),
                description: "calm".into(),
            }],
            ..Catalogue::default()
        },
        studio: Arc::new(Desk),
        room: Room::new(RoomLimits::default()),
        websocket: WebSocketSettings::default(),
        sockets: TaskTracker::new(),
        peers: Some(Peers::open(WebRtcSettings::default()).unwrap()),
        drain,
        metrics: Arc::new(|| "voiced_up 1\n".into()),
        ready: Arc::new(|| Ok(())),
    }
}
