//! One call. The only owner of its conversation and the only writer of its epoch.
//!
//! Invariant: it never awaits a send, so nothing downstream can make it deaf.
use std::{sync::Arc, time::Duration};

use metrics::{counter, histogram};
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
        Action, CallEvent, Command, CommandId, EndReason, ReplyOrder, ReplyOutcome, ToolCall,
        ToolEffect, TurnEvent,
    },
};

use crate::{
    call::{MicReceiver, end_reason_text},
    clock::CallClock,
    drain::Drain,
    lease::{EngineClient, Lease},
    listen::{Listen, ListenOrder, listen},
    metrics::names,
    speak::{Speak, speak},
    think::{LINES, Think, think},
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
    calls: JoinSet<(Epoch, String, ToolAnswer)>,
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
                mind: parts.mind,
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
            calls: JoinSet::new(),
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
            Some(answer) = self.calls.join_next() => returned(answer),
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

    fn run_tool(&mut self, epoch: Epoch, call: ToolCall) {
        let id = call.id.clone();
        if self.calls.len() >= TOOLS {
            let output = "too many tools are running".to_owned();
            let answer = ToolAnswer {
                output,
                effect: ToolEffect::None,
            };
            self.calls.spawn(async move { (epoch, id, answer) });
            return;
        }
        let answer = self.tools.run(call);
        self.calls
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

/// Counts and logs what is worth it. No words of the caller or the agent.
fn count(event: &CallEvent) {
    match event {
        CallEvent::TurnTimed(times) => {
            if let Some(heard) = times.heard {
                histogram!(names::VOICE_TO_VOICE).record(heard.as_secs_f64());
            }
            let ms = |d: Option<Duration>| d.map(|d| d.as_millis());
            tracing::info!(
                epoch = times.epoch.0,
                final_ms = ms(times.final_words),
                decided_ms = ms(times.decided),
                first_text_ms = ms(times.first_text),
                first_audio_ms = ms(times.first_audio),
                heard_ms = ms(times.heard),
                "turn"
            );
        }
        CallEvent::ReplyEnded { outcome, .. } => {
            let outcome = match outcome {
                ReplyOutcome::Completed => "completed",
                ReplyOutcome::CutShort => "cut_short",
                ReplyOutcome::Interrupted => "interrupted",
                ReplyOutcome::Cancelled => "cancelled",
                ReplyOutcome::Failed(_) => "failed",
            };
            counter!(names::REPLIES, "outcome" => outcome).increment(1);
        }
        CallEvent::Ended { reason } => {
            let reason = end_reason_text(*reason);
            counter!(names::CALLS_ENDED, "reason" => reason).increment(1);
            tracing::info!(reason, "call ended");
        }
        _ => (),
    }
}

#[cfg(test)]
mod tests;
