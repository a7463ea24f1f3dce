//! What a carrier and a call share: audio both ways, commands in, events out. Every carrier builds
//! its side from a [`CallHandle`] and nothing else crosses.
use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Notify, mpsc, watch};
use voiced_core::{
    audio::AudioFrame,
    playout::{Playback, PlayoutFrame, PlayoutReader},
    turn::{CallEvent, Command, CommandId, EndReason, Settings},
};

/// How much of the microphone waits for `listen`: 50 frames of 20 ms, one second.
pub const MIC_FRAMES: usize = 50;
/// How many commands wait for the session; then sending awaits.
pub const COMMANDS: usize = 64;
/// How many events wait for the client; a client that lets more wait is disconnected.
pub const EVENTS: usize = 256;

/// Who calls, by which door, and what they asked for at it.
#[derive(Clone, Debug, Default)]
pub struct CallRequest {
    /// The door: `webrtc`, `websocket`, `local`. For logs and metrics.
    pub carrier: &'static str,
    /// Where from, for the limit per address; `None` for the local microphone.
    pub address: Option<IpAddr>,
    /// The persona asked for; `None` is the default one.
    pub persona: Option<String>,
    /// Settings from the first moment on.
    pub settings: Settings,
    /// Whether the persona's greeting is spoken. API clients speak first.
    pub greet: bool,
    /// Random part of this call's item names, e.g. eight hexadecimal digits.
    pub name: String,
}

/// A carrier's side of one call. Dropping `commands` or `mic` hangs up.
pub struct CallHandle {
    /// What the caller says: mono 16 kHz frames of at most 20 ms.
    pub mic: MicSender,
    /// What the caller hears.
    pub speaker: Speaker,
    /// What the caller's side asks for.
    pub commands: mpsc::Sender<(CommandId, Command)>,
    /// What the caller's side is told. Ends after `CallEvent::Ended`.
    pub events: mpsc::Receiver<CallEvent>,
}

/// The microphone's queue, bounded at [`MIC_FRAMES`].
pub struct MicSender(Arc<Mic>);

/// `listen`'s end of it.
pub struct MicReceiver(Arc<Mic>);

#[derive(Default)]
struct Mic {
    state: Mutex<MicState>,
    /// A frame came, or the sender left.
    filled: Notify,
    /// A frame went, or the receiver left.
    drained: Notify,
}

#[derive(Default)]
struct MicState {
    frames: VecDeque<AudioFrame>,
    sender_gone: bool,
    receiver_gone: bool,
}

/// The queue of one microphone.
pub fn mic() -> (MicSender, MicReceiver) {
    let mic = Arc::new(Mic::default());
    (MicSender(mic.clone()), MicReceiver(mic))
}

impl Mic {
    fn state(&self) -> std::sync::MutexGuard<'_, MicState> {
        // No code panics while holding it; a poisoned lock still guards a sound queue.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MicSender {
    /// For carriers that live in real time (RTP, a sound card): never waits. When `listen` is a
    /// second behind, the oldest frame goes. `true` when that happened.
    pub fn push(&self, frame: AudioFrame) -> bool {
        let mut state = self.0.state();
        let dropped = state.frames.len() >= MIC_FRAMES;
        if dropped {
            state.frames.pop_front();
        }
        state.frames.push_back(frame);
        drop(state);
        self.0.filled.notify_one();
        dropped
    }

    /// For carriers whose far end may run ahead of real time (WebSocket): waits for room, which
    /// pushes back on the socket. `false` when the call is over.
    pub async fn send(&self, frame: AudioFrame) -> bool {
        loop {
            {
                let mut state = self.0.state();
                if state.receiver_gone {
                    return false;
                }
                if state.frames.len() < MIC_FRAMES {
                    state.frames.push_back(frame);
                    break;
                }
            }
            self.0.drained.notified().await;
        }
        self.0.filled.notify_one();
        true
    }

    /// Waits until `listen` has taken everything sent so far, so that a command about that audio
    /// does not overtake it; or until the call is over.
    pub async fn settled(&self) {
        loop {
            {
                let state = self.0.state();
                if state.frames.is_empty() || state.receiver_gone {
                    return;
                }
            }
            self.0.drained.notified().await;
        }
    }
}

impl Drop for MicSender {
    fn drop(&mut self) {
        self.0.state().sender_gone = true;
        self.0.filled.notify_one();
    }
}

impl MicReceiver {
    /// The next frame; `None` when the carrier is gone and all was heard.
    pub async fn recv(&mut self) -> Option<AudioFrame> {
        loop {
            {
                let mut state = self.0.state();
                if let Some(frame) = state.frames.pop_front() {
                    drop(state);
                    self.0.drained.notify_one();
                    return Some(frame);
                }
                if state.sender_gone {
                    return None;
                }
            }
            self.0.filled.notified().await;
        }
    }
}

impl Drop for MicReceiver {
    fn drop(&mut self) {
        self.0.state().receiver_gone = true;
        self.0.drained.notify_one();
    }
}

/// The loudspeaker's side of the playout ring, which reports what was played.
pub struct Speaker {
    ring: PlayoutReader,
    reports: watch::Sender<Playback>,
}

impl Speaker {
    /// The reader of `ring`, reporting to `reports`.
    pub fn new(ring: PlayoutReader, reports: watch::Sender<Playback>) -> Self {
        Self { ring, reports }
    }

    /// The next 20 ms at 24 kHz, or `None` for silence. Called once per 20 ms by whoever paces
    /// the carrier.
    pub fn pull(&mut self) -> Option<PlayoutFrame> {
        let frame = self.ring.pull()?;
        let playback = self.ring.playback();
        // The session needs the first frame and the last; between them it reads the ring itself.
        if frame.is_last || self.reports.borrow().epoch != frame.epoch {
            self.reports.send_replace(playback);
        }
        Some(frame)
    }

    /// Whether the speaker has nothing to play now, held or not.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// For an audio callback, which must not touch a `watch`: the bare ring, and a reporter to be
    /// called about every 20 ms from a task.
    pub fn split(self) -> (PlayoutReader, PlaybackReporter) {
        let reporter = PlaybackReporter {
            reports: self.reports,
        };
        (self.ring, reporter)
    }
}

/// Reports playback for a ring that is read in an audio callback.
pub struct PlaybackReporter {
    reports: watch::Sender<Playback>,
}

impl PlaybackReporter {
    /// Tells the session how far the loudspeaker is, if that is news.
    pub fn report(&self, playback: Playback) {
        self.reports.send_if_modified(|last| {
            let news = last.epoch != playback.epoch || last.last != playback.last;
            *last = playback;
            news
        });
    }
}

/// Why a call was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallRefused {
    /// The engines carry no more calls: HTTP 503, close code 1013, SIP 486.
    Full,
    /// Too many calls from this address.
    TooManyFromAddress,
    /// The daemon is going down.
    Draining,
    /// There is no such persona.
    NoSuchPersona(String),
    /// An engine did not answer.
    EngineUnavailable(String),
}

impl std::fmt::Display for CallRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CallRefused::Full => f.write_str("all lines are busy, try again shortly"),
            CallRefused::TooManyFromAddress => {
                f.write_str("too many calls from this address, end one first")
            }
            CallRefused::Draining => f.write_str("the server is going down for maintenance"),
            CallRefused::NoSuchPersona(name) => write!(f, "there is no persona '{name}'"),
            CallRefused::EngineUnavailable(what) => write!(f, "the {what} is not available"),
        }
    }
}

impl std::error::Error for CallRefused {}

/// The reason as carriers log it.
pub fn end_reason_text(reason: EndReason) -> &'static str {
    match reason {
        EndReason::CallerLeft => "the caller left",
        EndReason::AgentHungUp => "the agent hung up",
        EndReason::Draining => "the server is going down",
        EndReason::Failed => "a part of the call failed",
        EndReason::NotReading => "the client does not read its events",
        EndReason::TooLong => "the call reached its longest allowed length",
    }
}
