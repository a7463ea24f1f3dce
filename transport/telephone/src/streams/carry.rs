//! One call over a media stream: sound both ways, at most 200 ms ahead of its time, so that an
//! interruption is heard at once; keys; marks; the end.
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use voiced_core::{
    audio::{AudioFrame, SampleRate},
    turn::{CallEvent, Command, ReplyOutcome},
};
use voiced_pipeline::call::{CallHandle, CallRequest, MicSender, Speaker};
use voiced_transport::{
    codec::MIC_FRAME,
    pacer::{Clock, FarBuffer, Pacer},
};

use super::{
    dialect::{Dialect, Frame, Heard, Start, detect},
    door::StreamSettings,
};
use crate::{
    keypad::Keypad,
    random_name,
    record::{Way, ms},
    settings::reason_name,
    talk::{Talk, blank, file},
};

/// The first messages come within this time.
const START_WITHIN: Duration = Duration::from_secs(5);
/// A message is taken within this time.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// A mark after every so many frames: 200 ms.
const MARK_EVERY: u64 = 10;
/// After the agent hung up, so long is waited for its last words to be played.
const GOODBYE: Duration = Duration::from_secs(3);

/// Carries one call from its first message to its end. `is_let_in` judges what the application
/// attached to it.
pub(super) async fn carry(
    mut socket: WebSocket,
    settings: &StreamSettings,
    is_let_in: impl Fn(&Start) -> bool,
) {
    let begun = tokio::time::timeout(START_WITHIN, begin(&mut socket)).await;
    let Ok(Some((dialect, start))) = begun else {
        tracing::info!("a media stream said nothing that is understood");
        return;
    };
    if !is_let_in(&start) {
        tracing::warn!(
            carrier = start.carrier,
            "a media stream without a right to it was closed"
        );
        return;
    }
    let name = random_name();
    let parameter = |wanted: &str| {
        let found = start.parameters.iter().find(|(name, _)| name == wanted);
        found
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty())
    };
    let persona = parameter("persona");
    let request = CallRequest {
        carrier: start.carrier,
        persona: persona.clone(),
        greet: true,
        name: name.clone(),
        ..CallRequest::default()
    };
    let call = match settings.calls.begin(request).await {
        Ok(call) => call,
        Err(refused) => {
            tracing::info!(name, %refused, "a media stream was refused");
            return;
        }
    };
    let record = crate::record::CallRecord {
        from: parameter("from").unwrap_or(start.from),
        to: parameter("to").unwrap_or(start.to),
        codec: Some(start.codec.to_owned()),
        encrypted: true,
        ..blank(&name, start.carrier, Way::Inbound, persona)
    };
    let CallHandle {
        mic,
        speaker,
        commands,
        events,
    } = call;
    let stream = Stream {
        socket,
        dialect,
        talk: Talk::new(record, commands, events),
        mic,
        speaker,
        heard: Vec::new(),
        far: FarBuffer::new(FarBuffer::LEAD),
        clock: Clock::start(),
        keypad: Keypad::new(settings.keypad),
        frames: 0,
        marked: (0, 0),
        leaving_at: None,
    };
    let mut record = stream.run(start.carrier).await;
    if record.ended.is_empty() {
        "caller_left".clone_into(&mut record.ended);
    }
    file(record, settings.records.as_ref());
}

async fn begin(socket: &mut WebSocket) -> Option<(Box<dyn Dialect>, Start)> {
    for _ in 0..3 {
        let frame = frame_of(socket.recv().await?.ok()?)?;
        if let Some(found) = detect(&frame) {
            return Some(found);
        }
    }
    None
}

fn frame_of(message: Message) -> Option<Frame> {
    match message {
        Message::Text(text) => Some(Frame::Text(text.to_string())),
        Message::Binary(bytes) => Some(Frame::Binary(bytes.to_vec())),
        Message::Ping(_) | Message::Pong(_) => Some(Frame::Binary(Vec::new())),
        Message::Close(_) => None,
    }
}

struct Stream {
    socket: WebSocket,
    dialect: Box<dyn Dialect>,
    talk: Talk,
    mic: MicSender,
    speaker: Speaker,
    /// At 16 kHz, less than a frame.
    heard: Vec<f32>,
    far: FarBuffer,
    clock: Clock,
    keypad: Keypad,
    frames: u64,
    /// Marks sent, and marks that came back.
    marked: (u64, u64),
    leaving_at: Option<Duration>,
}

impl Stream {
    async fn run(mut self, carrier: &'static str) -> crate::record::CallRecord {
        tracing::info!(name = self.talk.record.name, carrier, "a call was taken");
        let mut pacer = Pacer::new(self.clock, carrier);
        loop {
            let goes_on = tokio::select! {
                biased;
                event = self.talk.event() => self.told(event).await,
                _ = pacer.tick() => self.beat().await,
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.came(message).await,
                    _ => false,
                },
            };
            if !goes_on {
                break;
            }
        }
        let mut record = self.talk.record;
        record.lasted_ms = ms(self.clock.elapsed());
        record
    }

    async fn send(&mut self, frame: Option<Frame>) -> bool {
        let message = match frame {
            None => return true,
            Some(Frame::Text(text)) => Message::Text(text.into()),
            Some(Frame::Binary(bytes)) => Message::Binary(bytes.into()),
        };
        let sent = tokio::time::timeout(WRITE_WITHIN, self.socket.send(message)).await;
        matches!(sent, Ok(Ok(())))
    }

    async fn beat(&mut self) -> bool {
        let now = self.clock.elapsed();
        if let Some(number) = self.keypad.poll(now) {
            self.talk.typed(ms(now), &number).await;
        }
        if let Some(leaving_at) = self.leaving_at {
            let is_played = self.marked.1 >= self.marked.0;
            return !is_played && now < leaving_at;
        }
        for _ in 0..self.far.room(now) {
            let Some(frame) = self.speaker.pull() else {
                break;
            };
            if frame.is_last {
                if !self.mark().await {
                    return false;
                }
                continue;
            }
            self.far.sent_frame(now);
            let sound = self.dialect.sound(&frame.samples);
            self.frames += 1;
            if !self.send(sound).await
                || self.frames.is_multiple_of(MARK_EVERY) && !self.mark().await
            {
                return false;
            }
        }
        true
    }

    async fn mark(&mut self) -> bool {
        self.marked.0 += 1;
        let mark = self.dialect.mark(&format!("m{}", self.marked.0));
        self.send(mark).await
    }

    async fn came(&mut self, message: Message) -> bool {
        let Some(frame) = frame_of(message) else {
            return false;
        };
        for heard in self.dialect.read(&frame) {
            match heard {
                Heard::Sound(samples) => self.hear(&samples),
                Heard::Key(key) => {
                    self.talk.command(Command::Cancel).await;
                    let now = self.clock.elapsed();
                    if let Some(number) = self.keypad.press(now, key) {
                        self.talk.typed(ms(now), &number).await;
                    }
                }
                Heard::Marked(name) => {
                    let number = name
                        .strip_prefix('m')
                        .and_then(|number| number.parse().ok());
                    self.marked.1 = self.marked.1.max(number.unwrap_or(0));
                }
                Heard::Stopped => return false,
            }
        }
        true
    }

    fn hear(&mut self, samples: &[f32]) {
        self.talk.record.quality.packets += 1;
        self.heard.extend_from_slice(samples);
        let whole = self.heard.len() / MIC_FRAME * MIC_FRAME;
        for frame in self.heard[..whole].chunks_exact(MIC_FRAME) {
            if self.mic.push(AudioFrame::new(SampleRate::HEARING, frame)) {
                metrics::counter!(voiced_pipeline::metrics::names::MIC_DROPPED).increment(1);
            }
        }
        self.heard.drain(..whole);
    }

    async fn told(&mut self, event: Option<CallEvent>) -> bool {
        let Some(event) = event else {
            self.talk.ended("failed");
            return false;
        };
        let now = self.clock.elapsed();
        self.talk.note(ms(now), &event);
        match event {
            CallEvent::ReplyEnded {
                outcome: ReplyOutcome::Interrupted | ReplyOutcome::Cancelled,
                ..
            } => {
                self.far.cleared(now);
                let clear = self.dialect.clear();
                self.send(clear).await
            }
            CallEvent::TransferRequested { .. } => {
                let what = "The transfer is not possible on this line. Say so.";
                self.talk.inform(what.to_owned()).await;
                true
            }
            CallEvent::Ended { reason } => {
                self.talk.ended(reason_name(reason));
                self.talk.silence();
                self.leaving_at = Some(now + GOODBYE);
                self.mark().await
            }
            _ => true,
        }
    }
}
