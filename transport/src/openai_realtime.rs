//! The OpenAI Realtime dialect, both ways, for any carrier: client events in, commands and audio
//! out; call events and played audio in, server events out.
//!
//! In reading order: [`session`] is what a client may set, `requests` reads what it sends, `items`
//! are what the conversation consists of, `hearing` and `replies` tell what happens, [`events`]
//! lists the words.
//!
//! Invariant: pure. It reads no clock, waits for nothing and decides nothing about the
//! conversation; the same calls give the same events, ids included.
mod asked;
mod captions;
pub mod events;
pub mod fields;
mod hearing;
mod items;
mod open_call;
mod outbox;
mod outcome;
mod recall;
mod replies;
mod reply;
mod requests;
mod response_params;
pub mod session;
pub mod sound;

#[cfg(test)]
mod tests;

use serde_json::Value;
use voiced_core::{
    playout::PlayoutFrame,
    turn::{CallEvent, Command, CommandId, Settings, ToolCall, ToolRuns},
};

pub use self::captions::Caption;
use self::{
    asked::Asked,
    events::{ServerEvent, WireError},
    fields::Fields,
    items::Items,
    outbox::Outbox,
    recall::Recall,
    replies::Ending,
    reply::Reply,
    session::{NoiseReduction, Session, SessionDefaults},
    sound::SoundIn,
};

/// Most events that wait for a client that is not there yet; then it missed the beginning.
const BACKLOG: usize = 1_024;

/// How the events travel, where that makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Audio is in the events; the client holds what it has not played.
    WebSocket,
    /// Audio is beside the events; the daemon plays it in real time.
    WebRtc,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionKind {
    /// Talking with an agent.
    #[default]
    Conversation,
    /// Having speech written down; nobody answers.
    Transcription,
}

/// What is fixed when a session begins.
#[derive(Clone, Debug)]
pub struct DialectOptions {
    /// How the events travel.
    pub carrier: Carrier,
    /// What it is for.
    pub kind: SessionKind,
    /// Random part of every id of this session, e.g. eight hexadecimal digits.
    pub name: String,
    /// Whether unknown keys are refused.
    pub strict: bool,
    /// Whether the client asked for the daemon's own `voiced.*` events.
    pub extensions: bool,
    /// When the session will be ended at the latest, in Unix seconds.
    pub expires_at: Option<u64>,
}

/// One session of the dialect.
pub struct Dialect {
    carrier: Carrier,
    name: String,
    strict: bool,
    extensions: bool,
    session: Session,
    out: Outbox,
    opened: bool,
    ended: bool,
    items: Items,
    captions: Vec<Caption>,
    reply: Option<(voiced_core::epoch::Epoch, Reply)>,
    /// Those outside the conversation.
    asides: Vec<(CommandId, Reply)>,
    recall: Recall,
    asked: Asked,
    sound_in: SoundIn,
    /// Samples appended since the last commit or clear.
    uncommitted: u64,
    /// Call ids given here.
    named: u64,
    /// Samples of the caller's that came beside the events.
    n_beside: u64,
}

/// What came of one client event. Audio and commands never come together.
#[derive(Debug, Default)]
pub struct Received {
    /// For the session, in this order.
    pub commands: Vec<(CommandId, Command)>,
    /// For the client, at once.
    pub replies: Vec<String>,
    /// What the caller said: 16 kHz, to be followed by later audio. `Command::Commit` and
    /// `Command::Clear` are about the audio received before them.
    pub audio: Vec<f32>,
    /// What is done to the noise in the caller's sound from now on, where that changed.
    pub noise: Option<NoiseReduction>,
}

impl Dialect {
    /// A session nobody has heard of yet.
    pub fn new(options: DialectOptions, mut defaults: SessionDefaults) -> Self {
        if options.extensions && defaults.transcription.is_none() {
            // A client that asks for more than the protocol has wants to see the caller's words.
            defaults.transcription = Some(defaults.model.clone());
        }
        let session = Session::new(defaults, options.kind, &options.name, options.expires_at);
        Self {
            carrier: options.carrier,
            strict: options.strict,
            extensions: options.extensions,
            out: Outbox::new(&options.name),
            name: options.name,
            opened: false,
            ended: false,
            items: Items::default(),
            captions: Vec::new(),
            reply: None,
            asides: Vec::new(),
            recall: Recall::default(),
            asked: Asked::default(),
            sound_in: SoundIn::new(session.input_format),
            uncommitted: 0,
            named: 0,
            n_beside: 0,
            session,
        }
    }

    /// Takes the session object that came with a secret or an offer, before the call begins. The
    /// settings belong into the call's request.
    pub fn configured(&mut self, session: &Value) -> Result<Settings, WireError> {
        let update = Fields::new("session", session, self.strict)?;
        self.take_session(&update)
    }

    /// The whole session as the wire shows it.
    pub fn session(&self) -> Value {
        self.session.to_wire()
    }

    /// What is done to the noise in the caller's sound at the beginning.
    pub fn noise_reduction(&self) -> NoiseReduction {
        self.session.noise_reduction()
    }

    /// What this session's conversation needs from the first moment on, beside what was asked for.
    pub fn settings(&self) -> Settings {
        self.session.first_settings()
    }

    /// The caller's sound that came beside the events, at `SampleRate::HEARING`.
    pub fn heard_beside(&mut self, n_samples: usize) {
        self.n_beside += n_samples as u64;
    }

    /// The client can be told things from now on. `session.created` comes first, then what
    /// happened meanwhile.
    pub fn opened(&mut self) -> Vec<String> {
        if self.opened {
            return Vec::new();
        }
        self.opened = true;
        let meanwhile = self.out.take();
        let session = self.session.to_wire();
        self.out
            .send(ServerEvent::SessionCreated { session: &session });
        let mut lines = self.out.take();
        lines.extend(meanwhile);
        lines
    }

    /// `session.created` for somebody who joins later, or `opened` was for somebody else.
    pub fn introduction(&mut self) -> String {
        let waiting = self.out.take();
        let session = self.session.to_wire();
        self.out
            .send(ServerEvent::SessionCreated { session: &session });
        let line = self.out.take().pop().unwrap_or_default();
        self.out.put_back(waiting);
        line
    }

    /// Takes one client event.
    pub fn received(&mut self, text: &str) -> Received {
        if self.ended {
            return Received::default();
        }
        let mut received = self.request(text);
        received.replies = self.outgoing();
        received
    }

    /// Answers something that is not an event: a frame that is too long or not text.
    pub fn misread(&mut self, error: &WireError) -> Vec<String> {
        if !self.ended {
            self.out.error(error, None);
        }
        self.outgoing()
    }

    /// Takes what the call tells. After `CallEvent::Ended` nothing is sent any more.
    pub fn told(&mut self, event: CallEvent) -> Vec<String> {
        if !self.ended {
            self.translate(event);
        }
        self.outgoing()
    }

    /// Takes 20 ms that were pulled for the client now.
    pub fn played(&mut self, frame: &PlayoutFrame) -> Vec<String> {
        if !self.ended {
            self.frame_played(frame);
        }
        self.outgoing()
    }

    fn outgoing(&mut self) -> Vec<String> {
        if self.opened {
            return self.out.take();
        }
        if self.out.len() > BACKLOG {
            self.out.take();
        }
        Vec::new()
    }

    fn translate(&mut self, event: CallEvent) {
        match event {
            CallEvent::ReplyStarted {
                epoch,
                item,
                previous,
                spoken,
                asked,
            } => {
                let overrides = asked.and_then(|id| self.asked.reply_of(id));
                self.reply_started(epoch, item, previous, spoken, overrides);
            }
            CallEvent::ReplyText { epoch, text } => self.reply_text(epoch, &text),
            CallEvent::ToolArguments {
                epoch,
                item,
                call,
                name,
                runs,
                delta,
            } => {
                let call = ToolCall {
                    id: call,
                    name,
                    arguments: String::new(),
                };
                self.tool_arguments(epoch, &item, call, runs, &delta);
            }
            CallEvent::ServerCalled {
                epoch,
                item,
                server,
                call,
                approval,
                request,
            } => self.server_called(epoch, &item, server, &call, approval, request),
            CallEvent::ServerReturned {
                epoch,
                item,
                output,
            } => self.server_returned(epoch, &item, &output),
            CallEvent::Aside { id, event } => self.aside(id, event),
            CallEvent::ToolCalled {
                epoch,
                item,
                call,
                runs: ToolRuns::AtClient,
            } => self.client_tool_called(epoch, &item, &call),
            CallEvent::ToolCalled { epoch, call, .. } => self.own_tool_called(epoch, &call),
            CallEvent::ToolReturned {
                epoch,
                call,
                output,
                ..
            } => self.own_tool_returned(epoch, &call, &output),
            CallEvent::Held | CallEvent::Resumed if self.extensions => {
                let response_id = self.reply.as_ref().map(|(_, reply)| reply.id.as_str());
                self.out.send(match event {
                    CallEvent::Held => ServerEvent::VoicedHeld { response_id },
                    _ => ServerEvent::VoicedResumed { response_id },
                });
            }
            CallEvent::ReplyEnded {
                epoch,
                outcome,
                written,
                heard,
                end,
                ..
            } => {
                let ending = Ending {
                    outcome,
                    written,
                    heard,
                    end,
                };
                self.reply_ended(epoch, &ending);
            }
            other => self.heard(other),
        }
    }
}
