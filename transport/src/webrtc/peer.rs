//! One connected peer: its microphone into the call, the agent's voice and the events out of it.
//! One task, which owns everything it touches.
use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use voiced_core::audio::{AudioFrame, SampleRate};
use voiced_pipeline::call::CallHandle;
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    error::Error as RtcError,
    media_stream::track_remote::{TrackRemote, TrackRemoteEvent},
    peer_connection::{RTCPeerConnectionState, RTCStatsReportEntry, StatsSelector},
};

use super::{
    WebRtcSettings,
    beside::{Company, FromBeside},
    ear::Ear,
    mouth::Mouth,
    stack::{Arrival, LARGEST_MESSAGE, Stack, poll_channel, poll_track},
};
use crate::{
    codec::CodecError,
    edge::{Edge, EdgeSettings},
    jitter::Counts,
    openai_realtime::{Dialect, events::WireError},
    pacer::{Clock, Pacer, Tick},
};

/// How often the peer's reports about loss are looked at: they come every five seconds.
const REPORTS_EVERY: u64 = 250;
/// How long the last words to a peer may take: beats of 20 ms.
const GOODBYE: u32 = 25;
/// Labels the metrics.
const CARRIER: &str = "webrtc";

/// Why a peer is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The call ended on our side.
    CallOver,
    /// Hung up by name, or the daemon goes down.
    HungUp,
    /// The peer closed the connection or the channel of events.
    PeerLeft,
    /// It was never connected.
    NeverCame,
    /// Nothing has come from it for too long.
    Lost,
    /// It does not read its events.
    NotReading,
    /// Carrying it panicked: a bug.
    Broken,
}

pub(super) struct Peer {
    stack: Stack,
    call: CallHandle,
    pub(super) dialect: Dialect,
    beside: mpsc::Receiver<FromBeside>,
    pub(super) company: Company,
    ear: Ear,
    mouth: Mouth,
    edge: Edge,
    /// What is done to the microphone where the client does not say.
    usual_edge: EdgeSettings,
    clock: Clock,
    connect_within: Duration,
    lost_after: Duration,
    microphone: Option<Arc<dyn TrackRemote>>,
    channel: Option<Arc<dyn DataChannel>>,
    /// Since when the connection has been in doubt.
    doubtful_since: Option<Duration>,
}

/// What woke the peer.
enum Woken {
    Beat(Tick),
    Event(Option<voiced_core::turn::CallEvent>),
    State,
    Arrival(Arrival),
    Sound(Option<TrackRemoteEvent>),
    Message(Option<DataChannelEvent>),
    Beside(FromBeside),
    HungUp,
}

impl Peer {
    pub(super) fn new(
        stack: Stack,
        payload_type: u8,
        call: CallHandle,
        dialect: Dialect,
        beside: mpsc::Receiver<FromBeside>,
        settings: &WebRtcSettings,
    ) -> Result<Self, CodecError> {
        let seed = uuid::Uuid::new_v4().as_u128() as u64;
        Ok(Self {
            ear: Ear::new()?,
            mouth: Mouth::new(settings.opus, payload_type, stack.ssrc, seed)?,
            edge: Edge::new(settings.edge.with_noise(dialect.noise_reduction())),
            usual_edge: settings.edge,
            clock: Clock::start(),
            connect_within: settings.connect_within,
            lost_after: settings.lost_after,
            microphone: None,
            channel: None,
            doubtful_since: None,
            stack,
            call,
            dialect,
            beside,
            company: Company::default(),
        })
    }

    pub(super) fn counts(&self) -> Counts {
        self.ear.counts()
    }

    /// Carries the call until one side has enough of it.
    pub(super) async fn run(&mut self, hang_up: &CancellationToken) -> End {
        let end = match self.connect(hang_up).await {
            Some(end) => end,
            None => self.talk(hang_up).await,
        };
        if matches!(end, End::CallOver | End::HungUp) {
            self.say_goodbye().await;
        }
        end
    }

    /// Waits for the peer to come. Nothing is played and nothing heard before; the greeting waits.
    async fn connect(&mut self, hang_up: &CancellationToken) -> Option<End> {
        let deadline = tokio::time::sleep(self.connect_within);
        tokio::pin!(deadline);
        loop {
            match *self.stack.reports.state.borrow_and_update() {
                RTCPeerConnectionState::Connected => return None,
                RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed => {
                    return Some(End::NeverCame);
                }
                _ => {}
            }
            tokio::select! {
                changed = self.stack.reports.state.changed() => {
                    if changed.is_err() {
                        return Some(End::NeverCame);
                    }
                }
                event = self.call.events.recv() => match event {
                    // Kept by the dialect until the channel opens.
                    Some(event) => drop(self.dialect.told(event)),
                    None => return Some(End::CallOver),
                },
                () = hang_up.cancelled() => return Some(End::HungUp),
                () = &mut deadline => return Some(End::NeverCame),
            }
        }
    }

    async fn talk(&mut self, hang_up: &CancellationToken) -> End {
        let mut pacer = Pacer::new(self.clock, CARRIER);
        loop {
            let woken = self.wait(&mut pacer, hang_up).await;
            let end = match woken {
                Woken::Beat(tick) => self.beat(tick).await,
                Woken::Event(Some(event)) => {
                    let lines = self.dialect.told(event);
                    self.tell(lines).await
                }
                Woken::Event(None) => Some(End::CallOver),
                Woken::State => self.state_changed(),
                Woken::Arrival(arrival) => {
                    self.arrived(arrival).await;
                    None
                }
                Woken::Sound(event) => {
                    self.sound(event);
                    None
                }
                Woken::Message(event) => self.message(event).await,
                Woken::Beside(event) => self.take_beside(event).await,
                Woken::HungUp => Some(End::HungUp),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// The beat goes first: nothing else may make it late. Everything here may be dropped while
    /// waiting without losing what was waited for.
    async fn wait(&mut self, pacer: &mut Pacer, hang_up: &CancellationToken) -> Woken {
        tokio::select! {
            biased;
            tick = pacer.tick() => Woken::Beat(tick),
            () = hang_up.cancelled() => Woken::HungUp,
            changed = self.stack.reports.state.changed() => match changed {
                Ok(()) => Woken::State,
                Err(_) => Woken::HungUp,
            },
            Some(arrival) = self.stack.reports.arrivals.recv() => Woken::Arrival(arrival),
            event = poll_track(self.microphone.as_ref()) => Woken::Sound(event),
            event = self.call.events.recv() => Woken::Event(event),
            event = poll_channel(self.channel.as_ref()) => Woken::Message(event),
            Some(event) = self.beside.recv() => Woken::Beside(event),
        }
    }

    async fn beat(&mut self, tick: Tick) -> Option<End> {
        self.mouth.skip(tick.skipped);
        let frame = self.call.speaker.pull();
        self.edge.played(frame.as_ref());
        match self.mouth.frame(frame.as_ref()) {
            Ok(Some(packet)) => {
                // Fails only when the connection is gone, which its state tells as well.
                let _ = self.stack.outgoing.write_rtp(packet).await;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a frame was not sent"),
        }
        let now = self.clock.elapsed();
        let mut heard = self.ear.frame(now);
        self.edge.captured(&mut heard);
        self.dialect.heard_beside(heard.len());
        if self
            .call
            .mic
            .push(AudioFrame::new(SampleRate::HEARING, heard))
        {
            metrics::counter!(voiced_pipeline::metrics::names::MIC_DROPPED).increment(1);
        }
        if tick.number.is_multiple_of(REPORTS_EVERY) {
            self.look_at_reports().await;
        }
        if let Some(frame) = frame {
            let lines = self.dialect.played(&frame);
            if let Some(end) = self.tell(lines).await {
                return Some(end);
            }
        }
        let doubtful = self.doubtful_since.map(|since| now.saturating_sub(since));
        // The stack notices half of the time earlier.
        (doubtful? >= self.lost_after / 2).then_some(End::Lost)
    }

    /// The more the peer misses, the more redundancy it is sent.
    async fn look_at_reports(&mut self) {
        let now = self.clock.now();
        let report = self
            .stack
            .connection
            .get_stats(now, StatsSelector::None)
            .await;
        for entry in report.iter() {
            if let RTCStatsReportEntry::RemoteInboundRtp(stream) = entry {
                let percent = (stream.fraction_lost * 100.0).ceil().clamp(0.0, 100.0);
                if let Err(error) = self.mouth.expect_loss(percent as u8) {
                    tracing::warn!(%error, "the expected loss was not set");
                }
            }
        }
    }

    fn state_changed(&mut self) -> Option<End> {
        match *self.stack.reports.state.borrow_and_update() {
            RTCPeerConnectionState::Failed => Some(End::Lost),
            RTCPeerConnectionState::Closed => Some(End::PeerLeft),
            RTCPeerConnectionState::Disconnected => {
                self.doubtful_since.get_or_insert(self.clock.elapsed());
                None
            }
            _ => {
                self.doubtful_since = None;
                None
            }
        }
    }

    async fn arrived(&mut self, arrival: Arrival) {
        match arrival {
            // A later track takes over: browsers replace a microphone that way.
            Arrival::Track(track) => self.microphone = Some(track),
            Arrival::Channel(channel) if self.channel.is_none() => self.channel = Some(channel),
            Arrival::Channel(channel) => {
                let _ = channel.close().await;
            }
        }
    }

    fn sound(&mut self, event: Option<TrackRemoteEvent>) {
        match event {
            Some(TrackRemoteEvent::OnRtpPacket(packet)) => {
                self.ear.packet(self.clock.elapsed(), packet);
            }
            Some(_) => {}
            None => self.microphone = None,
        }
    }

    async fn message(&mut self, event: Option<DataChannelEvent>) -> Option<End> {
        match event {
            Some(DataChannelEvent::OnOpen) => {
                let lines = self.dialect.opened();
                if lines.is_empty() {
                    // Somebody beside opened it before.
                    let line = self.dialect.introduction();
                    return self.tell_peer(vec![line]).await;
                }
                self.tell(lines).await
            }
            Some(DataChannelEvent::OnMessage(message)) => {
                let lines = match std::str::from_utf8(&message.data) {
                    Ok(text) if message.is_string => self.take(text).await,
                    _ => self.dialect.misread(&WireError::new(
                        "invalid_event",
                        "Events are JSON in text messages.",
                        None,
                    )),
                };
                self.tell(lines).await
            }
            Some(DataChannelEvent::OnClose) | None => Some(End::PeerLeft),
            Some(_) => None,
        }
    }

    /// Takes one event, of the peer's or of somebody beside; what it is answered at once.
    pub(super) async fn take(&mut self, text: &str) -> Vec<String> {
        let received = self.dialect.received(text);
        if let Some(noise) = received.noise {
            self.edge = Edge::new(self.usual_edge.with_noise(noise));
        }
        for command in received.commands {
            // The session takes commands quickly or is gone, and then its events end as well.
            let _ = self.call.commands.send(command).await;
        }
        received.replies
    }

    pub(super) async fn tell(&mut self, lines: Vec<String>) -> Option<End> {
        for line in &lines {
            self.company.tell(line);
        }
        self.tell_peer(lines).await
    }

    async fn tell_peer(&mut self, lines: Vec<String>) -> Option<End> {
        let channel = self.channel.as_ref()?;
        for line in lines {
            if line.len() > LARGEST_MESSAGE as usize {
                tracing::warn!(
                    bytes = line.len(),
                    "an event was too long for a data channel"
                );
                continue;
            }
            match channel.try_send_text(&line).await {
                Ok(()) => {}
                Err(RtcError::ErrSendBufferFull) => return Some(End::NotReading),
                Err(RtcError::ErrDataChannelClosed) => return Some(End::PeerLeft),
                Err(error) => tracing::warn!(%error, "an event was not sent"),
            }
        }
        None
    }

    /// What was told last is given a moment to arrive before the connection is closed.
    async fn say_goodbye(&mut self) {
        while let Ok(event) = self.call.events.try_recv() {
            let lines = self.dialect.told(event);
            if self.tell(lines).await.is_some() {
                return;
            }
        }
        let Some(channel) = &self.channel else {
            return;
        };
        let mut pacer = Pacer::new(self.clock, CARRIER);
        for _ in 0..GOODBYE {
            if channel.outstanding_bytes().await.unwrap_or(0) == 0 {
                return;
            }
            pacer.tick().await;
        }
    }
}
