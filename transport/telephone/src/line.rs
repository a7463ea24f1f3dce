//! One call: its legs, their media, and the conversation behind them. A task per call, which ends
//! with it.
mod conversation;
mod dialling;
mod side;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};
use voiced_core::{
    audio::{AudioFrame, SampleRate},
    turn::Command,
};
use voiced_pipeline::{
    call::{CallHandle, CallRefused, CallRequest, MicSender, Speaker},
    calls::Calls,
    drain::Drain,
    metrics::names,
};
use voiced_transport::pacer::{Clock, Pacer};

pub(crate) use self::dialling::{dial, flow_to};
use self::side::Side;
use crate::{
    exchange::Order,
    keypad::Keypad,
    plan::Route,
    ports::Ports,
    random_name,
    record::{CallRecord, Way, ms},
    settings::{NotDialled, TelephoneSettings},
    sip::{
        LegId,
        agent::{Invitation, Told},
        uri::Uri,
    },
    talk::{Talk, blank, file},
};

/// Label of this carrier in logs and metrics.
pub const CARRIER: &str = "sip";
/// Beats that are still sent after the agent's last word: the far end's jitter buffer holds it.
const AFTERGLOW: u32 = 10;
/// After the agent has hung up, so long is waited for the far end to agree.
const GOODBYE: Duration = Duration::from_secs(5);

/// What every call needs.
#[derive(Clone)]
pub(crate) struct LineParts {
    pub settings: Arc<TelephoneSettings>,
    pub ports: Arc<Ports>,
    pub calls: Calls,
    pub orders: mpsc::Sender<Order>,
    pub drain: Drain,
}

/// A call somebody wants made.
pub(crate) struct Dialled {
    pub target: Uri,
    pub persona: Option<String>,
    pub told: oneshot::Sender<Result<String, NotDialled>>,
}

/// A call that comes in: rings, is taken or refused, and carried to its end.
pub(crate) async fn answer(
    parts: LineParts,
    leg: LegId,
    invitation: Invitation,
    route: Route,
    facts: mpsc::Sender<Told>,
    told: mpsc::Receiver<Told>,
) {
    let name = random_name();
    let opened = Side::answer(&parts, leg, &invitation);
    let (side, sdp) = match opened {
        Ok(opened) => opened,
        Err(status) => {
            tracing::info!(name, status, "a call was refused");
            return parts.order(Order::Reject(leg, status)).await;
        }
    };
    parts.order(Order::Ring(leg)).await;
    let call = match parts.begin(&name, route.persona.clone()).await {
        Ok(call) => call,
        Err(refused) => {
            let status = match refused {
                CallRefused::Draining | CallRefused::EngineUnavailable(_) => 503,
                CallRefused::Full | CallRefused::TooManyFromAddress => 486,
                CallRefused::NoSuchPersona(_) => 404,
            };
            tracing::info!(name, status, "a call was refused");
            return parts.order(Order::Reject(leg, status)).await;
        }
    };
    parts.order(Order::Accept(leg, sdp)).await;
    let record = CallRecord {
        from: invitation.from.uri.to_string(),
        to: invitation.to.to_string(),
        ..blank(&name, CARRIER, Way::Inbound, route.persona)
    };
    Line::new(parts, side, call, record, facts).run(told).await;
}

impl LineParts {
    pub async fn order(&self, order: Order) {
        // The exchange outlives its calls; when it is gone, so is everybody.
        let _ = self.orders.send(order).await;
    }

    async fn begin(&self, name: &str, persona: Option<String>) -> Result<CallHandle, CallRefused> {
        let request = CallRequest {
            carrier: CARRIER,
            // A trunk brings everybody's calls from one address.
            address: None,
            persona,
            greet: true,
            name: name.to_owned(),
            ..CallRequest::default()
        };
        self.calls.begin(request).await
    }

    fn from(&self) -> Option<&Uri> {
        self.settings
            .outbound
            .as_ref()
            .map(|outbound| &outbound.from)
    }
}

/// A call that stands.
struct Line {
    parts: LineParts,
    side: Side,
    /// The leg that will take over.
    coming: Option<Side>,
    mic: Option<MicSender>,
    speaker: Speaker,
    talk: Talk,
    keypad: Keypad,
    clock: Clock,
    /// The far end hears us.
    speaks: bool,
    /// Beats until we hang up.
    leaving: Option<u32>,
    /// The far end was asked to call somebody else.
    referring: bool,
    /// Where facts about legs of this call go.
    facts: mpsc::Sender<Told>,
}

/// Whether the call goes on.
#[derive(PartialEq, Eq)]
enum Flowing {
    On,
    Over,
}

impl Line {
    fn new(
        parts: LineParts,
        side: Side,
        call: CallHandle,
        record: CallRecord,
        facts: mpsc::Sender<Told>,
    ) -> Line {
        let CallHandle {
            mic,
            speaker,
            commands,
            events,
        } = call;
        let clock = Clock::start();
        Line {
            keypad: Keypad::new(parts.settings.keypad),
            talk: Talk::new(record, commands, events),
            mic: Some(mic),
            parts,
            side,
            coming: None,
            speaker,
            clock,
            speaks: false,
            leaving: None,
            referring: false,
            facts,
        }
    }

    async fn run(mut self, mut told: mpsc::Receiver<Told>) {
        tracing::info!(name = self.talk.record.name, way = ?self.talk.record.way, "a call was taken");
        let mut pacer = Pacer::new(self.clock, CARRIER);
        let mut buffer = vec![0; 2_048];
        let mut incoming = vec![0; 2_048];
        loop {
            let flowing = tokio::select! {
                biased;
                fact = told.recv() => self.learn(fact).await,
                tick = pacer.tick() => {
                    if let (1.., Some(media)) = (tick.skipped, &mut self.side.media) {
                        media.skip(tick.skipped);
                    }
                    self.beat().await
                }
                event = self.talk.event() => self.hear(event).await,
                came = self.side.wire.media.recv_from(&mut buffer) => {
                    self.came(came, &mut buffer);
                    Flowing::On
                }
                came = self.side.wire.reports.recv_from(&mut incoming) => {
                    if let (Ok((count, from)), Some(media)) = (came, &mut self.side.media) {
                        media.reported(from, &incoming[..count]);
                    }
                    Flowing::On
                }
            };
            if flowing == Flowing::Over {
                break;
            }
        }
        self.close(told).await;
    }

    fn came(&mut self, came: std::io::Result<(usize, SocketAddr)>, buffer: &mut [u8]) {
        let now = self.clock.elapsed();
        let (Ok((count, from)), Some(media)) = (came, &mut self.side.media) else {
            return;
        };
        media.received(now, from, &buffer[..count]);
        for _ in 0..16 {
            let Ok((count, from)) = self.side.wire.media.try_recv_from(buffer) else {
                break;
            };
            media.received(now, from, &buffer[..count]);
        }
    }

    async fn beat(&mut self) -> Flowing {
        let now = self.clock.elapsed();
        if let Some(left) = &mut self.leaving {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Flowing::Over;
            }
        }
        let Some(media) = &mut self.side.media else {
            return Flowing::On;
        };
        let may_speak = self.speaks && media.agreed().sends;
        let frame = if may_speak { self.speaker.pull() } else { None };
        let beaten = media.beat(now, frame.as_ref());
        if let Some((to, packet)) = beaten.packet {
            // What cannot be sent now is lost like any other packet.
            let _ = self.side.wire.media.try_send_to(&packet, to);
        }
        if let Some((to, report)) = beaten.report {
            let _ = self.side.wire.reports.try_send_to(&report, to);
        }
        if let Some(mic) = &self.mic
            && mic.push(AudioFrame::new(SampleRate::HEARING, &beaten.heard[..]))
        {
            metrics::counter!(names::MIC_DROPPED).increment(1);
        }
        while let Some(key) = self.side.media.as_mut().and_then(|media| media.pressed()) {
            self.press(key).await;
        }
        if let Some(number) = self.keypad.poll(now) {
            self.typed(number).await;
        }
        self.is_lost(now)
    }

    /// Whether nothing has been heard for too long.
    fn is_lost(&mut self, now: Duration) -> Flowing {
        let lost_after = self.parts.settings.lost_after;
        let Some(media) = self
            .side
            .media
            .as_ref()
            .filter(|media| media.agreed().receives)
        else {
            self.side.silent_since = Some(now);
            return Flowing::On;
        };
        let heard_at = media
            .heard_at()
            .max(self.side.silent_since)
            .unwrap_or(Duration::ZERO);
        if lost_after.is_zero() || now.saturating_sub(heard_at) < lost_after {
            return Flowing::On;
        }
        self.talk.ended("media_lost");
        Flowing::Over
    }

    /// A key was pressed: the agent falls silent at once, whatever the number will be.
    async fn press(&mut self, key: char) {
        self.talk.command(Command::Cancel).await;
        if let Some(number) = self.keypad.press(self.clock.elapsed(), key) {
            self.typed(number).await;
        }
    }

    async fn typed(&mut self, keys: String) {
        self.talk.typed(ms(self.clock.elapsed()), &keys).await;
    }

    /// Hangs up what is still there, waits until it is, and writes the record.
    async fn close(mut self, mut told: mpsc::Receiver<Told>) {
        // The conversation is over first.
        self.mic = None;
        if let Some(coming) = self.coming.take() {
            self.parts.order(Order::HangUp(coming.leg)).await;
        }
        let leg = self.side.leg;
        if !self.side.is_over {
            self.parts.order(Order::HangUp(leg)).await;
            let agreed = async {
                while let Some(fact) = told.recv().await {
                    if matches!(fact, Told::Ended { leg: ended, .. } if ended == leg) {
                        break;
                    }
                }
            };
            // A far end that does not answer is given up by the user agent.
            let _ = tokio::time::timeout(GOODBYE, agreed).await;
        }
        let mut record = self.talk.record;
        record.lasted_ms = ms(self.clock.elapsed());
        if let Some(media) = &self.side.media {
            self.side.describe(media, &mut record);
        }
        file(record, self.parts.settings.records.as_ref());
    }
}
