//! One call. The only owner of its conversation and the only writer of its epoch.
//!
//! Invariant: it never awaits a send, so nothing downstream can make it deaf.
mod beside;
mod counted;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tracing::Instrument;
use voiced_core::{
    activity::ActivityPolicy,
    conversation::Conversation,
    engine::{
        Heard, Hearing, Line, Prompt, ReplyPiece, Speech, TurnContext, TurnDetector,
        VoiceActivityDetector,
    },
    epoch::{Epoch, EpochWriter},
    playout::{Playback, PlayoutControl, PlayoutWriter},
    record::Recorder,
    time::SessionTime,
    turn::{
        Action, CallEvent, Character, Command, CommandId, EndReason, ReplyOrder, ToolCall,
        ToolEffect, TurnEvent,
    },
};

use self::{beside::Beside, counted::count};
use crate::{
    call::MicReceiver,
    calls::Calls,
    clock::CallClock,
    drain::Drain,
    lease::{EngineClient, Lease},
    listen::{Listen, ListenOrder, listen},
    speak::{Speak, speak},
    think::{LINES, Think, think},
    tool_servers::ToolServers,
    tools::{ToolAnswer, ToolRunner},
};

/// How many facts wait for the session. Then the stages wait.
const FACTS: usize = 64;
/// How many orders wait for `listen`, which takes them before audio.
const LISTEN_ORDERS: usize = 16;
/// How many tools of one call run at once.
const TOOLS: usize = 16;

/// What a session is made of.
pub struct SessionParts {
    /// The brain.
    pub conversation: Conversation,
    /// The caller's audio.
    pub mic: MicReceiver,
    /// Towards the loudspeaker.
    pub ring: PlayoutWriter,
    /// Holds the loudspeaker and sees how far it is.
    pub playback: PlayoutControl,
    /// Told when a reply begins and ends to sound.
    pub played: watch::Receiver<Playback>,
    /// Moves the epoch.
    pub epoch: EpochWriter,
    /// What the caller's side asks for.
    pub commands: mpsc::Receiver<(CommandId, Command)>,
    /// What it is told.
    pub events: mpsc::Sender<CallEvent>,
    /// The recogniser's row.
    pub ear: Lease<Hearing, Heard>,
    /// The chat model.
    pub mind: EngineClient<Prompt, ReplyPiece>,
    /// The synthesiser.
    pub voice: EngineClient<Line, Speech>,
    /// What the model may call.
    pub tools: Arc<dyn ToolRunner>,
    /// Reaches the tool servers a client names.
    pub tool_servers: Arc<dyn ToolServers>,
    /// Knows who else could go on.
    pub calls: Calls,
    /// Voice activity.
    pub activity_detector: Box<dyn VoiceActivityDetector>,
    /// How activity becomes speech.
    pub activity: ActivityPolicy,
    /// End of turn.
    pub turn_detector: Box<dyn TurnDetector>,
    /// Shutdown.
    pub drain: Drain,
    /// A call longer than this is ended.
    pub max_call: Duration,
}

/// A session ready to run.
pub struct Session {
    conversation: Conversation,
    recorder: Recorder,
    clock: CallClock,
    playback: PlayoutControl,
    played: watch::Receiver<Playback>,
    /// What of it the conversation knows.
    known: Playback,
    epoch: EpochWriter,
    epochs: watch::Sender<Epoch>,
    replies: watch::Sender<Option<ReplyOrder>>,
    listening: mpsc::Sender<ListenOrder>,
    commands: mpsc::Receiver<(CommandId, Command)>,
    events: mpsc::Sender<CallEvent>,
    facts: mpsc::Receiver<TurnEvent>,
    stages: JoinSet<()>,
    tools: Arc<dyn ToolRunner>,
    running: JoinSet<(Epoch, String, ToolAnswer)>,
    beside: Beside,
    calls: Calls,
    turn_detector: Box<dyn TurnDetector>,
    drain: Drain,
    max_call: Duration,
    is_over: bool,
}

impl Session {
    /// Wires the stages of one call. Must be called inside a tokio runtime.
    pub fn new(parts: SessionParts) -> Self {
        let (facts_tx, facts) = mpsc::channel(FACTS);
        let (replies, orders) = watch::channel(None);
        let (lines_tx, lines) = mpsc::channel(LINES);
        let (epochs, epochs_rx) = watch::channel(parts.conversation.epoch());
        let (listening, listen_orders) = mpsc::channel(LISTEN_ORDERS);
        let (mind, minds) = watch::channel(parts.mind);
        let beside = Beside::new(
            mind,
            parts.voice.clone(),
            facts_tx.clone(),
            parts.tool_servers,
        );
        let mut stages = JoinSet::new();
        stages.spawn(
            listen(Listen {
                mic: parts.mic,
                detector: parts.activity_detector,
                activity: parts.activity,
                ear: parts.ear,
                orders: listen_orders,
                facts: facts_tx.clone(),
            })
            .in_current_span(),
        );
        stages.spawn(
            think(Think {
                orders,
                mind: minds,
                epochs: epochs_rx.clone(),
                lines: lines_tx,
                facts: facts_tx.clone(),
            })
            .in_current_span(),
        );
        stages.spawn(
            speak(Speak {
                lines,
                voice: parts.voice,
                epochs: epochs_rx,
                ring: parts.ring,
                facts: facts_tx,
            })
            .in_current_span(),
        );
        Self {
            conversation: parts.conversation,
            recorder: Recorder::default(),
            clock: CallClock::start(),
            playback: parts.playback,
            played: parts.played,
            known: Playback::default(),
            epoch: parts.epoch,
            epochs,
            replies,
            listening,
            commands: parts.commands,
            events: parts.events,
            facts,
            stages,
            tools: parts.tools,
            running: JoinSet::new(),
            beside,
            calls: parts.calls,
            turn_detector: parts.turn_detector,
            drain: parts.drain,
            max_call: parts.max_call,
            is_over: false,
        }
    }

    async fn next_fact(&mut self) -> TurnEvent {
        let too_long = SessionTime::from(self.max_call);
        tokio::select! {
            // Commands first: they are few and somebody waits for them.
            biased;
            command = self.commands.recv() => match command {
                Some((id, command)) => TurnEvent::Command { id, command },
                None => TurnEvent::CallEnded(EndReason::CallerLeft),
            },
            () = self.drain.ending() => TurnEvent::CallEnded(EndReason::Draining),
            // How far the loudspeaker is, is looked at before every fact.
            Ok(()) = self.played.changed() => TurnEvent::Tick,
            fact = self.facts.recv() => fact.unwrap_or(TurnEvent::CallEnded(EndReason::Failed)),
            Some(answer) = self.running.join_next() => returned(answer),
            fact = self.beside.next() => fact,
            // A stage ends only when its neighbours are gone or it panicked.
            _ = self.stages.join_next() => TurnEvent::CallEnded(EndReason::Failed),
            () = self.clock.until(self.conversation.deadline()) => TurnEvent::Tick,
            () = self.clock.until(Some(too_long)) => TurnEvent::CallEnded(EndReason::TooLong),
        }
    }

    fn handle(&mut self, fact: TurnEvent) {
        let now = self.clock.now();
        let playback = self.playback.playback();
        if playback != self.known && self.conversation.replying() == Some(playback.epoch) {
            self.known = playback;
            self.take(
                now,
                TurnEvent::Played {
                    epoch: playback.epoch,
                    samples: playback.samples,
                    last: playback.last,
                },
            );
        }
        self.take(now, fact);
    }

    fn take(&mut self, now: SessionTime, fact: TurnEvent) {
        self.recorder.fact(now, &fact);
        self.conversation.handle(now, fact);
        while let Some(order) = self.conversation.poll_action() {
            self.recorder.order(now, &order);
            self.obey(now, order);
        }
    }

    fn obey(&mut self, now: SessionTime, order: Action) {
        match order {
            Action::Interrupt { epoch } => {
                self.move_epoch(epoch);
                self.playback.hold(false);
            }
            Action::StartReply(order) => {
                self.move_epoch(order.epoch);
                self.replies.send_replace(Some(order));
            }
            Action::HoldPlayback => self.playback.hold(true),
            Action::ResumePlayback => self.playback.hold(false),
            Action::AssessTurn { words } => {
                let question = self.conversation.history().last_said();
                let probability = self.turn_detector.end_of_turn(TurnContext {
                    words: &words,
                    question,
                });
                self.take(now, TurnEvent::EndOfTurn(probability));
            }
            Action::FinishHearing => self.order_listening(ListenOrder::Finish),
            Action::ForgetHearing => self.order_listening(ListenOrder::Forget),
            Action::SetMode(mode) => self.order_listening(ListenOrder::SetMode(mode)),
            Action::SetActivity { threshold, prefix } => {
                self.order_listening(ListenOrder::SetActivity { threshold, prefix });
            }
            Action::ConnectTools(server) => self.beside.connect(server),
            Action::ForgetTools { server } => self.beside.forget(&server),
            Action::CallServer {
                epoch,
                server,
                call,
            } => self.beside.call(epoch, &server, call),
            Action::SwitchPersona(name) => self.switch_persona(now, &name),
            Action::StartAside(order) => self.beside.start_aside(order),
            Action::CancelAside(id) => self.beside.cancel_aside(id),
            Action::TuneHearing(options) => self.order_listening(ListenOrder::Tune(options)),
            Action::RunTool { epoch, call } => self.run_tool(epoch, call),
            Action::Tell(event) => self.tell(event),
            Action::EndCall => self.is_over = true,
        }
    }

    fn move_epoch(&mut self, epoch: Epoch) {
        self.epoch.advance_to(epoch);
        self.epochs
            .send_if_modified(|now| std::mem::replace(now, epoch) != epoch);
    }

    fn order_listening(&mut self, order: ListenOrder) {
        // A client that commits faster than it sends audio loses commits, nothing else: each
        // waits for its words for a limited time only.
        if self.listening.try_send(order).is_err() {
            tracing::debug!("an order to listen was dropped");
        }
    }

    /// Lets another persona go on: its model, its tools, its character.
    fn switch_persona(&mut self, now: SessionTime, name: &str) {
        let known = self.calls.personas().iter();
        let Some(persona) = known.into_iter().find(|persona| persona.name == name) else {
            tracing::warn!(persona = name, "there is no such persona to hand over to");
            return;
        };
        let character = Character {
            name: persona.name.clone(),
            instructions: persona.instructions.clone(),
            greeting: persona.greeting.clone(),
            voice: persona.voice.clone(),
            tools: persona.tools.specs(),
        };
        self.tools = persona.tools.clone();
        let mind = persona.mind.clone();
        self.beside.mind.send_replace(mind);
        self.take(now, TurnEvent::PersonaChanged(character));
    }

    fn run_tool(&mut self, epoch: Epoch, call: ToolCall) {
        let id = call.id.clone();
        if self.running.len() >= TOOLS {
            let output = "too many tools are running".to_owned();
            let answer = ToolAnswer {
                output,
                effect: ToolEffect::None,
            };
            self.running.spawn(async move { (epoch, id, answer) });
            return;
        }
        let answer = self.tools.run(call);
        self.running
            .spawn(async move { (epoch, id, answer.await) }.in_current_span());
    }

    fn tell(&mut self, event: CallEvent) {
        count(&event);
        match self.events.try_send(event) {
            Ok(()) => (),
            // The carrier is gone; its commands end the call.
            Err(mpsc::error::TrySendError::Closed(_)) => (),
            Err(mpsc::error::TrySendError::Full(_)) if self.is_over => (),
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.is_over = true;
                let now = self.clock.now();
                self.take(now, TurnEvent::CallEnded(EndReason::NotReading));
            }
        }
    }
}

fn returned(answer: Result<(Epoch, String, ToolAnswer), tokio::task::JoinError>) -> TurnEvent {
    match answer {
        Ok((epoch, call, ToolAnswer { output, effect })) => TurnEvent::ToolReturned {
            epoch,
            call,
            output,
            effect,
        },
        // A panicking tool is noticed by the reply's own time limit.
        Err(_) => TurnEvent::Tick,
    }
}

/// Runs a call to its end.
pub async fn run(mut session: Session) {
    session.take(session.clock.now(), TurnEvent::Tick);
    while !session.is_over {
        let fact = session.next_fact().await;
        session.handle(fact);
    }
    tracing::debug!(ignored = session.conversation.n_ignored(), record = %session.recorder, "call over");
}

#[cfg(test)]
mod tests;
