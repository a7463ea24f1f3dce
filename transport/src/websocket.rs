//! The WebSocket carrier: the dialect's events as text frames, audio inside them.
//!
//! Guarantees: what the call tells goes out before audio of the same moment; audio is sent at most
//! 200 ms ahead of its time, so that an interruption is heard at once; commands overtake audio that
//! waits, except those that are about that audio; and a client that does not read, or is gone, is
//! disconnected.
mod audio_in;
pub mod beside;
mod wire;

#[cfg(test)]
mod tests;

use std::{ops::ControlFlow, time::Duration};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::sync::mpsc;
use voiced_core::turn::{CallEvent, Command, CommandId, EndReason};
use voiced_pipeline::call::{CallHandle, Speaker, end_reason_text};

use self::audio_in::AudioIn;
pub use self::wire::Wire;
use crate::{
    edge::EdgeSettings,
    openai_realtime::events::WireError,
    pacer::{Clock, FarBuffer, Pacer},
};

/// Label of this carrier in logs and metrics.
pub const CARRIER: &str = "websocket";

/// The longest frame that is read: 15 MiB of audio as base64, and room for its envelope. One that
/// is longer is answered and ends the connection.
pub const LONGEST_FRAME: usize = 21 * 1024 * 1024;
/// Up to this length a frame that is too long is still read to its end, so that the answer arrives
/// instead of a broken connection.
pub const LONGEST_READ: usize = 32 * 1024 * 1024;

/// Frames that wait for the client: about ten seconds of speech and its words.
const OUTGOING: usize = 1_024;
/// Room for what the call tells: a client with less than this is not read on, so that what it asks
/// for cannot push that out.
const ROOM: usize = OUTGOING / 2;

/// Waits of one connection.
#[derive(Clone, Copy, Debug)]
pub struct WebSocketSettings {
    /// A client that takes no frame for this long does not read.
    pub write_within: Duration,
    /// How often an idle client is asked whether it is there.
    pub ping_every: Duration,
    /// A client that sends nothing for this long, not even the answer to a ping, is gone.
    pub silent_at_most: Duration,
    /// What is done to the microphone. Echo is never cancelled here: nobody knows when the far end
    /// plays what.
    pub edge: EdgeSettings,
}

impl Default for WebSocketSettings {
    fn default() -> Self {
        Self {
            write_within: Duration::from_secs(10),
            ping_every: Duration::from_secs(20),
            silent_at_most: Duration::from_secs(60),
            edge: EdgeSettings::default(),
        }
    }
}

/// Why a connection ends, as its close code and reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Close {
    code: u16,
    reason: &'static str,
}

/// The client closed, or is gone: there is nobody to tell.
const GONE: Close = Close {
    code: 1006,
    reason: "the client is gone",
};
/// The client said goodbye.
const LEFT: Close = Close {
    code: 1000,
    reason: "the client closed",
};
const NOT_READING: Close = Close {
    code: 1008,
    reason: "the client does not read its events",
};
const TOO_LONG: Close = Close {
    code: 1009,
    reason: "the frame is too long",
};

/// Carries one call until it ends or the client leaves. Leaving hangs up.
pub async fn serve(
    socket: WebSocket,
    call: CallHandle,
    dialect: Box<dyn Wire>,
    settings: WebSocketSettings,
) {
    let (sink, stream) = socket.split();
    let (outgoing, to_write) = mpsc::channel(OUTGOING);
    let CallHandle {
        mic,
        speaker,
        commands,
        events,
    } = call;
    let edge = settings.edge.with_noise(dialect.noise_reduction());
    let (audio_in, feeder) = audio_in::audio_in(mic, commands.clone(), edge);
    let clock = Clock::start();
    let carrier = Carrier {
        dialect,
        outgoing: outgoing.clone(),
        speaker,
        far: FarBuffer::new(FarBuffer::LEAD),
        clock,
        audio_in,
        commands,
        heard_at: Duration::ZERO,
        settings,
    };
    let mut stream = stream;
    // One task: the writer and the feeder wait while the carrier goes on. When it ends, so does
    // the feeder, and with them the call.
    let mut writing = std::pin::pin!(write(sink, to_write, settings.write_within));
    let close = tokio::select! {
        // The writer first: while the client takes frames, none may be one too many.
        biased;
        close = &mut writing => close,
        close = carrier.run(&mut stream, events) => close,
        never = feeder.run() => match never {},
    };
    tracing::debug!(code = close.code, reason = close.reason, "websocket closes");
    if close != GONE && close != NOT_READING {
        let goodbye = say_goodbye(close, outgoing, stream);
        // Whoever does not answer in time need not be waited for.
        let _ = tokio::time::timeout(settings.write_within, async {
            tokio::select! {
                () = goodbye => {}
                _ = writing => {}
            }
        })
        .await;
    }
}

/// Sends the close after everything else, and waits until the client has seen it.
async fn say_goodbye(
    close: Close,
    outgoing: mpsc::Sender<Message>,
    mut stream: SplitStream<WebSocket>,
) {
    let frame = Message::Close(Some(CloseFrame {
        code: close.code,
        reason: close.reason.into(),
    }));
    // A client's own close is answered below us, while we read on.
    if close == LEFT || outgoing.send(frame).await.is_ok() {
        // Until the client's own close, or the end of the connection.
        while let Some(Ok(_)) = stream.next().await {}
    }
}

/// Writes what is sent, in order, each frame within `within`. The last one is the close.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut frames: mpsc::Receiver<Message>,
    within: Duration,
) -> Close {
    while let Some(frame) = frames.recv().await {
        let closing = matches!(frame, Message::Close(_));
        match tokio::time::timeout(within, sink.send(frame)).await {
            Err(_) => return NOT_READING,
            Ok(Err(_)) => return GONE,
            Ok(Ok(())) if closing => break,
            Ok(Ok(())) => {}
        }
    }
    // The carrier decides when all is over.
    std::future::pending().await
}

struct Carrier {
    dialect: Box<dyn Wire>,
    outgoing: mpsc::Sender<Message>,
    speaker: Speaker,
    far: FarBuffer,
    clock: Clock,
    audio_in: AudioIn,
    commands: mpsc::Sender<(CommandId, Command)>,
    /// When the client was last heard of.
    heard_at: Duration,
    settings: WebSocketSettings,
}

impl Carrier {
    async fn run(
        mut self,
        stream: &mut SplitStream<WebSocket>,
        mut events: mpsc::Receiver<CallEvent>,
    ) -> Close {
        let opened = self.dialect.opened();
        match self.send_all(opened) {
            ControlFlow::Break(close) => close,
            ControlFlow::Continue(()) => self.converse(stream, &mut events).await,
        }
    }

    async fn converse(
        &mut self,
        stream: &mut SplitStream<WebSocket>,
        events: &mut mpsc::Receiver<CallEvent>,
    ) -> Close {
        let mut pacer = Pacer::new(self.clock, CARRIER);
        let mut pings = tokio::time::interval(self.settings.ping_every);
        // The first tick of an interval is at once.
        pings.tick().await;
        loop {
            // Looked at again with every beat at the latest.
            let has_room = self.outgoing.capacity() >= ROOM;
            let flow = tokio::select! {
                biased;
                event = events.recv() => self.tell(event),
                _ = pacer.tick() => self.play(),
                // Not reading on is how a client that sends faster than it can be heard is slowed.
                frame = stream.next(), if has_room && self.audio_in.has_room() => {
                    self.hear(frame).await
                }
                () = self.audio_in.drained(), if !self.audio_in.has_room() => {
                    // Waiting for us is not the client's silence.
                    self.heard_at = self.clock.elapsed();
                    ControlFlow::Continue(())
                }
                _ = pings.tick() => self.ping(),
            };
            if let ControlFlow::Break(close) = flow {
                return close;
            }
        }
    }

    fn send(&self, frame: Message) -> ControlFlow<Close> {
        match self.outgoing.try_send(frame) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(NOT_READING),
        }
    }

    fn send_all(&self, lines: Vec<String>) -> ControlFlow<Close> {
        lines
            .into_iter()
            .try_for_each(|line| self.send(Message::Text(line.into())))
    }

    fn tell(&mut self, event: Option<CallEvent>) -> ControlFlow<Close> {
        let Some(event) = event else {
            return ControlFlow::Break(closed_by(EndReason::Failed));
        };
        match event {
            CallEvent::Ended { reason } => {
                let lines = self.dialect.told(CallEvent::Ended { reason });
                self.send_all(lines)?;
                ControlFlow::Break(closed_by(reason))
            }
            event => {
                // The protocol has the client stop what it holds, so there is room at once.
                if matches!(event, CallEvent::SpeechStarted { .. }) {
                    self.far.cleared(self.clock.elapsed());
                }
                let lines = self.dialect.told(event);
                self.send_all(lines)?;
                if self.dialect.is_done() {
                    return ControlFlow::Break(closed_by(EndReason::CallerLeft));
                }
                ControlFlow::Continue(())
            }
        }
    }

    /// Sends what may be sent now without running further ahead than the lead.
    fn play(&mut self) -> ControlFlow<Close> {
        let now = self.clock.elapsed();
        for _ in 0..self.far.room(now) {
            let Some(frame) = self.speaker.pull() else {
                break;
            };
            if !frame.is_last {
                self.far.sent_frame(now);
            }
            let lines = self.dialect.played(&frame);
            self.send_all(lines)?;
        }
        ControlFlow::Continue(())
    }

    async fn hear(&mut self, frame: Option<Result<Message, axum::Error>>) -> ControlFlow<Close> {
        self.heard_at = self.clock.elapsed();
        match frame {
            None => ControlFlow::Break(GONE),
            Some(Ok(Message::Close(_))) => ControlFlow::Break(LEFT),
            Some(Err(error)) => {
                if !is_too_long(&error) {
                    return ControlFlow::Break(GONE);
                }
                self.refuse_long()
            }
            Some(Ok(Message::Text(text))) => {
                if text.len() > LONGEST_FRAME {
                    return self.refuse_long();
                }
                self.take(&text).await
            }
            Some(Ok(Message::Binary(_))) => {
                let error = WireError::new(
                    "invalid_event",
                    "Binary frames are not understood; send JSON in text frames.",
                    None,
                );
                let lines = self.dialect.misread(&error);
                self.send_all(lines)
            }
            // Pings are answered below us.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => ControlFlow::Continue(()),
        }
    }

    async fn take(&mut self, text: &Utf8Bytes) -> ControlFlow<Close> {
        let received = self.dialect.received(text);
        self.send_all(received.replies)?;
        self.audio_in.push(received.audio);
        if let Some(noise) = received.noise {
            self.audio_in.clean(self.settings.edge.with_noise(noise));
        }
        for (id, command) in received.commands {
            // The session never waits, so there is room or the call is over.
            if let Some(command) = self.audio_in.order(id, command)
                && self.commands.send(command).await.is_err()
            {
                // The call is over; the reason is on its way.
                break;
            }
        }
        ControlFlow::Continue(())
    }

    fn refuse_long(&mut self) -> ControlFlow<Close> {
        let error = WireError::new(
            "event_too_large",
            format!("The event is longer than {LONGEST_FRAME} bytes; send less at a time."),
            None,
        );
        let lines = self.dialect.misread(&error);
        self.send_all(lines)?;
        ControlFlow::Break(TOO_LONG)
    }

    fn ping(&mut self) -> ControlFlow<Close> {
        let silent = self.clock.elapsed().saturating_sub(self.heard_at);
        if silent >= self.settings.silent_at_most {
            return ControlFlow::Break(GONE);
        }
        self.send(Message::Ping(bytes::Bytes::new()))
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        // The type is that of the WebSocket library's own crate, which axum does not show.
        if error.to_string().contains("Message too long") {
            return true;
        }
        cause = error.source();
    }
    false
}

fn closed_by(reason: EndReason) -> Close {
    let code = match reason {
        EndReason::CallerLeft | EndReason::AgentHungUp => 1000,
        EndReason::Draining | EndReason::TooLong => 1001,
        EndReason::NotReading => NOT_READING.code,
        EndReason::Failed => 1011,
    };
    Close {
        code,
        reason: end_reason_text(reason),
    }
}
