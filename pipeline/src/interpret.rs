//! One interpreted speaker: the microphone into any number of languages at once. The only owner of
//! its [`Interpreter`]; targets come and go while it runs.
//!
//! Invariant: like a call's session it never awaits a send, so nothing downstream can make it deaf.
mod control;
mod say;
mod targets;
mod translate;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet};
use tracing::Instrument;
use voiced_core::{
    activity::ActivityPolicy,
    engine::{Heard, Hearing, Line, Prompt, Speech, VoiceActivityDetector},
    interpret::{
        InterpretAction, InterpretEvent, InterpretSettings, Interpreter, Language, TargetId, Told,
    },
    time::SessionTime,
    turn::{EndReason, TurnEvent},
};

use crate::{
    call::{MicReceiver, MicSender},
    clock::CallClock,
    drain::Drain,
    lease::{EngineClient, Lease},
    listen::{Listen, ListenOrder, listen},
};
use control::InterpretCommand;
pub use control::{
    InterpretControl, InterpretHandle, InterpretTold, Listening, NoTranslator, NoTranslators,
    TargetRefused, TargetRequest, Translators,
};
use say::Order;
use targets::Target;
use translate::translate;

/// How many facts wait for the session. Then the stages wait.
const FACTS: usize = 64;
/// How many orders wait for `listen`.
const LISTEN_ORDERS: usize = 16;
/// How many commands wait for the session; then sending awaits.
const COMMANDS: usize = 16;
/// How many events wait for whoever shows them; who lets more wait is given up.
pub const EVENTS: usize = 512;
/// What is being said when no more will be heard is waited for at most this long.
const FINISH_WITHIN: Duration = Duration::from_secs(60);

/// What a session is made of.
pub struct InterpretParts {
    /// How.
    pub settings: InterpretSettings,
    /// The speaker's audio.
    pub mic: MicReceiver,
    /// The recogniser's row.
    pub ear: Lease<Hearing, Heard>,
    /// Who translates.
    pub translators: Arc<dyn Translators>,
    /// The synthesiser; a lease is a target.
    pub voice: EngineClient<Line, Speech>,
    /// Voice activity.
    pub activity_detector: Box<dyn VoiceActivityDetector>,
    /// How activity becomes speech.
    pub activity: ActivityPolicy,
    /// Shutdown.
    pub drain: Drain,
    /// A session longer than this is ended.
    pub max_call: Duration,
}

/// A session and its handle, both without a microphone: that is the caller's to make.
pub fn interpreting(parts: InterpretParts, mic: MicSender) -> (Interpreting, InterpretHandle) {
    let (facts_tx, facts) = mpsc::channel(FACTS);
    let (listening, orders) = mpsc::channel(LISTEN_ORDERS);
    let (heard_tx, heard) = mpsc::channel(FACTS);
    let (commands_tx, commands) = mpsc::channel(COMMANDS);
    let (events, events_rx) = mpsc::channel(EVENTS);
    let mut stages = JoinSet::new();
    stages.spawn(
        listen(Listen {
            mic: parts.mic,
            detector: parts.activity_detector,
            activity: parts.activity,
            ear: parts.ear,
            orders,
            facts: heard_tx,
        })
        .in_current_span(),
    );
    let session = Interpreting {
        language: parts.settings.language.clone(),
        interpreter: Interpreter::new(parts.settings),
        translators: parts.translators,
        voice: parts.voice,
        drain: parts.drain,
        max_call: parts.max_call,
        clock: CallClock::start(),
        stages,
        targets: BTreeMap::new(),
        n_targets: 0,
        n_asked: 0,
        listening,
        heard,
        facts,
        facts_tx,
        commands,
        events,
        finishing: None,
        over: None,
    };
    let control = InterpretControl {
        commands: commands_tx,
    };
    let handle = InterpretHandle {
        mic,
        control,
        events: events_rx,
    };
    (session, handle)
}

/// A session ready to run.
pub struct Interpreting {
    language: Option<Language>,
    interpreter: Interpreter,
    translators: Arc<dyn Translators>,
    voice: EngineClient<Line, Speech>,
    drain: Drain,
    max_call: Duration,
    clock: CallClock,
    stages: JoinSet<()>,
    targets: BTreeMap<TargetId, Target>,
    n_targets: u32,
    n_asked: u64,
    listening: mpsc::Sender<ListenOrder>,
    heard: mpsc::Receiver<TurnEvent>,
    facts: mpsc::Receiver<Fact>,
    facts_tx: mpsc::Sender<Fact>,
    commands: mpsc::Receiver<InterpretCommand>,
    events: mpsc::Sender<InterpretTold>,
    /// No more will be heard since then.
    finishing: Option<SessionTime>,
    over: Option<EndReason>,
}

/// A fact of a stage; a translator's is about one request.
struct Fact {
    asked: Option<u64>,
    event: InterpretEvent,
}

enum Next {
    Heard(Box<TurnEvent>),
    Fact(Fact),
    Command(Option<InterpretCommand>),
    End(EndReason),
    Tick,
}

/// Runs a session to its end.
pub async fn run(mut session: Interpreting) {
    while session.over.is_none() {
        let next = session.next().await;
        session.take(next).await;
        session.look_for_end();
    }
    let reason = session.over.unwrap_or(EndReason::Failed);
    // Whoever is gone needs no farewell; whoever is slow finds the channel closed.
    let _ = session.events.try_send(InterpretTold::Ended(reason));
}

impl Interpreting {
    async fn next(&mut self) -> Next {
        let too_long = Some(SessionTime::from(self.max_call));
        let finish = self.finishing.map(|since| since + FINISH_WITHIN);
        tokio::select! {
            biased;
            command = self.commands.recv() => Next::Command(command),
            () = self.drain.ending() => Next::End(EndReason::Draining),
            event = self.heard.recv() => match event {
                Some(event) => Next::Heard(Box::new(event)),
                None => Next::End(EndReason::Failed),
            },
            Some(fact) = self.facts.recv() => Next::Fact(fact),
            // Requests and voices end all the time; a panic in one shows as its silence.
            Some(_) = self.stages.join_next(), if !self.stages.is_empty() => Next::Tick,
            () = self.clock.until(self.interpreter.deadline()) => Next::Tick,
            () = self.clock.until(finish) => Next::End(EndReason::CallerLeft),
            () = self.clock.until(too_long) => Next::End(EndReason::TooLong),
        }
    }

    async fn take(&mut self, next: Next) {
        let event = match next {
            Next::Heard(event) => match from_listen(*event) {
                FromListen::Event(event) => event,
                FromListen::Ended(reason) => return self.hearing_ended(reason),
                FromListen::Nothing => return,
            },
            Next::Fact(fact) => match self.current(fact) {
                Some(event) => event,
                None => return,
            },
            Next::Command(Some(command)) => return self.obey_command(command).await,
            Next::Command(None) => return self.hearing_ended(EndReason::CallerLeft),
            Next::End(reason) => {
                self.over = Some(reason);
                return;
            }
            Next::Tick => InterpretEvent::Tick,
        };
        self.handle(event);
    }

    /// The fact, unless it is about a request that was given up.
    fn current(&mut self, fact: Fact) -> Option<InterpretEvent> {
        let Some(asked) = fact.asked else {
            return Some(fact.event);
        };
        let (InterpretEvent::Translated { target, .. }
        | InterpretEvent::TranslationEnded { target }
        | InterpretEvent::TranslationFailed { target, .. }) = &fact.event
        else {
            return Some(fact.event);
        };
        let asking = &mut self.targets.get_mut(target)?.asking;
        asking.as_ref().filter(|(now, _)| *now == asked)?;
        if !matches!(fact.event, InterpretEvent::Translated { .. }) {
            *asking = None;
        }
        Some(fact.event)
    }

    fn hearing_ended(&mut self, reason: EndReason) {
        if self.finishing.is_none() {
            self.over = Some(reason);
        }
    }

    fn look_for_end(&mut self) {
        if self.finishing.is_some() && !self.interpreter.is_busy() {
            self.over = Some(EndReason::CallerLeft);
        }
    }

    fn handle(&mut self, event: InterpretEvent) {
        let now = self.clock.now();
        for (target, stages) in &mut self.targets {
            let Some(mouth) = &mut stages.mouth else {
                continue;
            };
            let samples = mouth.playback.playback().samples;
            if std::mem::replace(&mut mouth.played, samples) != samples {
                let target = *target;
                self.interpreter
                    .handle(now, InterpretEvent::Played { target, samples });
            }
        }
        self.interpreter.handle(now, event);
        self.obey();
    }

    fn obey(&mut self) {
        while let Some(action) = self.interpreter.poll_action() {
            match action {
                InterpretAction::Translate { target, prompt } => self.ask(target, prompt),
                InterpretAction::StopTranslating { target } => {
                    let stages = self.targets.get_mut(&target);
                    if let Some((_, task)) = stages.and_then(|stages| stages.asking.take()) {
                        task.abort();
                    }
                }
                InterpretAction::Say {
                    target,
                    line,
                    start,
                    end,
                } => self.say(target, Order { line, start, end }),
                InterpretAction::FinishHearing => self.order_listening(ListenOrder::Finish),
                InterpretAction::ForgetHearing => self.order_listening(ListenOrder::Forget),
                InterpretAction::Tell(told) => self.tell(told),
            }
        }
    }

    fn ask(&mut self, target: TargetId, prompt: Prompt) {
        let Some(stages) = self.targets.get_mut(&target) else {
            return;
        };
        self.n_asked += 1;
        let asked = self.n_asked;
        let translator = stages.translator.clone();
        let facts = self.facts_tx.clone();
        let task = self
            .stages
            .spawn(translate(translator, prompt, target, asked, facts).in_current_span());
        stages.asking = Some((asked, task));
    }

    fn say(&mut self, target: TargetId, order: Order) {
        let stages = self.targets.get_mut(&target);
        let Some(mouth) = stages.and_then(|stages| stages.mouth.as_ref()) else {
            return;
        };
        // The interpreter hands over fewer lines than fit.
        if mouth.lines.try_send(order).is_err() {
            let reason = "the voice gave up".to_owned();
            let event = InterpretEvent::VoiceFailed { target, reason };
            self.interpreter.handle(self.clock.now(), event);
        }
    }

    fn order_listening(&mut self, order: ListenOrder) {
        if self.listening.try_send(order).is_err() {
            tracing::debug!("an order to listen was dropped");
        }
    }

    fn tell(&mut self, told: Told) {
        match &told {
            Told::Sounding { span, .. } => {
                metrics::histogram!(crate::metrics::names::EAR_VOICE_SPAN)
                    .record(span.as_secs_f64());
            }
            Told::Skipped { .. } => {
                metrics::counter!(crate::metrics::names::LINES_SKIPPED).increment(1);
            }
            Told::TranslationFailed { reason, .. } => {
                tracing::warn!(reason, "a piece was not translated");
            }
            _ => (),
        }
        if let Err(mpsc::error::TrySendError::Full(_)) =
            self.events.try_send(InterpretTold::Told(told))
        {
            self.over = Some(EndReason::NotReading);
        }
    }

    async fn obey_command(&mut self, command: InterpretCommand) {
        match command {
            InterpretCommand::Add { request, answer } => {
                let added = self.add(request).await;
                // Who does not wait for the answer does not listen either.
                if let Err(Ok(unwanted)) = answer.send(added) {
                    self.remove(unwanted.target);
                }
            }
            InterpretCommand::Remove(target) => self.remove(target),
            InterpretCommand::Overhear(note) => self.interpreter.overhear(&note),
            InterpretCommand::Finish => {
                let now = self.clock.now();
                self.finishing.get_or_insert(now);
                self.interpreter.finish(now);
                self.obey();
            }
        }
    }
}

/// What a fact of `listen` means to an interpreter.
enum FromListen {
    Event(InterpretEvent),
    Ended(EndReason),
    Nothing,
}

fn from_listen(event: TurnEvent) -> FromListen {
    FromListen::Event(match event {
        TurnEvent::SpeechStarted { .. } => InterpretEvent::SpeechStarted,
        TurnEvent::SpeechEnded { silence, .. } => InterpretEvent::SpeechEnded { silence },
        TurnEvent::Partial(text) => InterpretEvent::Partial(text),
        TurnEvent::Final(heard) => InterpretEvent::Final(heard.text),
        TurnEvent::CallEnded(reason) => return FromListen::Ended(reason),
        _ => return FromListen::Nothing,
    })
}

#[cfg(test)]
mod tests;
