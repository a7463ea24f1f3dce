//! The conversation as a state machine. Facts and their times go in, orders come out. It never
//! waits, never fails and never reads a clock.
//!
//! How to drive it: after each [`Conversation::handle`], drain [`Conversation::poll_action`] until
//! `None`; then wait for the next fact or for [`Conversation::deadline`], and pass a
//! `TurnEvent::Tick` when that comes first.
//!
//! Invariants (tested on random event orders):
//! - an epoch is one more than the one before it;
//! - every reply that began ends exactly once, and there is at most one at a time;
//! - the speaker is held only while a deadline is set, so nothing holds it for good;
//! - outside `Listening` and `Ended` there is always a deadline, so no order of events leaves the
//!   call silent for good;
//! - a reply that nobody speaks words over, cancels or breaks is said to its end;
//! - what is remembered of a reply is at most what was heard of it.
mod asides;
mod calling;
mod commands;
mod hearing;
mod opening;
mod overlap;
mod prompting;
mod reply;
mod replying;
mod servers;
mod turns;
mod waiting;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    engine::{Heard, HearingOptions},
    epoch::Epoch,
    history::History,
    time::SessionTime,
    turn::{Action, CallEvent, EndReason, ItemId, ReplyOptions, ReplyOutcome, TurnEvent, TurnMode},
};
use asides::Asides;
use hearing::Hearing;
use reply::Reply;
use servers::Servers;

pub use opening::Opening;
pub use reply::{goes_on, tool_runs};

/// How long after a short sound over the agent its final words are waited for before the agent
/// goes on. Longer than the embedded recogniser's last pass, short enough not to be noticed.
const FINAL_AFTER_SOUND: Duration = Duration::from_millis(700);

/// A caller who does not answer is asked this many times.
const MOST_REMINDERS: u32 = 2;

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    /// Nobody speaks. Says something itself at `remind_at`.
    Listening { remind_at: Option<SessionTime> },
    /// The caller speaks; taken as a turn at `give_up_at` even if it never ends.
    UserSpeaking { give_up_at: SessionTime },
    /// The caller paused; the turn ends at `decide_at` unless they go on.
    Paused { decide_at: SessionTime },
    /// A reply is being made.
    Thinking,
    /// A reply is being heard.
    Speaking,
    /// The caller made a sound over a reply: the speaker is held until we know what it was.
    Overlap { decide_at: SessionTime },
    /// The call is over.
    Ended,
}

/// A turn the client ended by hand, waiting for its final words.
#[derive(Clone, Debug)]
struct Commit {
    item: ItemId,
    by: SessionTime,
    /// Asked for meanwhile.
    respond: Option<ReplyOptions>,
}

/// One conversation.
#[derive(Clone, Debug)]
pub struct Conversation {
    settings: Opening,
    phase: Phase,
    epoch: Epoch,
    hearing: Hearing,
    commit: Option<Commit>,
    reply: Option<Reply>,
    /// Asked for while the reply before it is still being said.
    queued: Option<ReplyOptions>,
    /// When the reply, if any, has failed unless it makes progress.
    reply_by: SessionTime,
    /// When a slow tool is bridged by a few words.
    filler_at: Option<SessionTime>,
    asides: Asides,
    servers: Servers,
    is_held: bool,
    /// When the final words of the last committed turn came, for the next reply's times.
    last_final: Option<SessionTime>,
    history: History,
    actions: VecDeque<Action>,
    n_items: u64,
    /// Reminders since the caller last said something.
    n_reminders: u32,
    n_ignored: u64,
}

impl Conversation {
    /// A conversation at its beginning; greets if it has a greeting.
    pub fn new(settings: Opening) -> Self {
        let greeting = settings.greeting.clone();
        let mut conversation = Self {
            phase: Phase::Listening { remind_at: None },
            epoch: Epoch::default(),
            hearing: Hearing::default(),
            commit: None,
            reply: None,
            queued: None,
            reply_by: SessionTime::default(),
            filler_at: None,
            asides: Asides::default(),
            servers: Servers::default(),
            is_held: false,
            last_final: None,
            history: History::default(),
            actions: VecDeque::new(),
            n_items: 0,
            n_reminders: 0,
            n_ignored: 0,
            settings,
        };
        let mode = conversation.settings.policy.mode.clone();
        conversation.actions.push_back(Action::SetMode(mode));
        conversation.set_activity();
        let servers = std::mem::take(&mut conversation.settings.tool_servers);
        conversation.connect_tools(servers);
        let hearing = conversation.settings.hearing.clone();
        if hearing != HearingOptions::default() {
            conversation.actions.push_back(Action::TuneHearing(hearing));
        }
        if let Some(words) = greeting {
            conversation.start_words(SessionTime::default(), words);
        }
        conversation
    }

    /// Takes one fact. Call it with times that do not go back.
    pub fn handle(&mut self, now: SessionTime, event: TurnEvent) {
        use TurnEvent as E;
        match (&self.phase, event) {
            (Phase::Ended, _) => self.ignore(),
            (_, E::CallEnded(reason)) => self.end_call(reason),
            (_, E::Command { id, command }) => self.on_command(now, id, command),
            (_, E::Tick) => (), // deadlines are looked at below

            (_, E::SpeechStarted { at }) if self.is_automatic() => self.on_speech_started(now, at),
            (_, E::SpeechEnded { at, silence }) if self.is_automatic() => {
                self.on_speech_ended(now, at, silence);
            }
            (_, E::Partial(text)) => self.on_words(now, Heard::Partial(text)),
            (_, E::Final(said)) => self.on_words(now, Heard::Final(said)),
            (Phase::Paused { .. }, E::EndOfTurn(probability)) => {
                self.on_end_of_turn(now, probability);
            }

            (_, E::ReplyText { epoch, text }) => self.on_reply_text(now, epoch, text),
            (
                _,
                E::ToolArguments {
                    epoch,
                    call,
                    name,
                    delta,
                },
            ) => self.on_tool_arguments(now, epoch, call, name, delta),
            (_, E::ToolCalled { epoch, call }) => self.on_tool_called(now, epoch, call),
            (_, E::ToolsListed { server, tools }) => self.on_tools_listed(server, tools),
            (
                _,
                E::ServerReturned {
                    epoch,
                    call,
                    output,
                },
            ) => self.on_server_returned(now, epoch, &call, output),
            (_, E::PersonaChanged(character)) => self.on_persona_changed(now, character),
            (_, E::Aside { id, event }) => self.on_aside(id, event),
            (_, E::ReplyEnded { epoch, end }) => self.on_reply_ended(now, epoch, end),
            (
                _,
                E::ToolReturned {
                    epoch,
                    call,
                    output,
                    effect,
                },
            ) => {
                self.on_tool_returned(now, epoch, &call, output, effect);
            }
            (_, E::AudioReady { epoch }) => self.on_audio_ready(now, epoch),
            (
                _,
                E::Voiced {
                    epoch,
                    samples,
                    text_end,
                },
            ) => {
                self.on_voiced(now, epoch, samples, text_end);
            }
            (
                _,
                E::Played {
                    epoch,
                    samples,
                    last,
                },
            ) => self.on_played(now, epoch, samples, last),
            (_, E::EngineFailed { epoch, reason }) if self.replying() == Some(epoch) => {
                self.fail_reply(now, reason);
            }
            // Late, stale or meaningless in this phase.
            (
                _,
                E::SpeechStarted { .. }
                | E::SpeechEnded { .. }
                | E::EndOfTurn(_)
                | E::EngineFailed { .. },
            ) => self.ignore(),
        }
        self.meet_deadlines(now);
    }

    /// The next order, if any.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When it next wants a `Tick`.
    pub fn deadline(&self) -> Option<SessionTime> {
        let phase = match self.phase {
            Phase::Listening { remind_at } => remind_at,
            Phase::UserSpeaking { give_up_at } => Some(give_up_at),
            Phase::Paused { decide_at } | Phase::Overlap { decide_at } => Some(decide_at),
            Phase::Thinking | Phase::Speaking => Some(self.reply_by),
            Phase::Ended => return None,
        };
        let commit = self.commit.as_ref().map(|commit| commit.by);
        let others = commit.into_iter().chain(self.filler_at);
        phase.into_iter().chain(others).min()
    }

    /// The epoch now.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The reply being made, if any.
    pub fn replying(&self) -> Option<Epoch> {
        self.reply.as_ref().map(|reply| reply.epoch)
    }

    /// What was said so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// How many facts meant nothing when they came.
    pub fn n_ignored(&self) -> u64 {
        self.n_ignored
    }

    fn replying_phase(&self) -> Phase {
        match &self.reply {
            Some(reply) if reply.is_heard => Phase::Speaking,
            _ => Phase::Thinking,
        }
    }

    /// Where the conversation stands once no reply is being made.
    fn after_reply(&mut self, now: SessionTime) {
        self.release();
        if self.hearing.is_loud {
            self.refuse_queued();
        }
        if let Some(options) = self.queued.take() {
            return self.start_reply(now, now, options);
        }
        if !self.hearing.is_loud && self.start_approved(now) {
            return;
        }
        if self.hearing.is_loud && self.is_automatic() {
            self.announce();
            self.phase = Phase::UserSpeaking {
                give_up_at: now + self.settings.policy.speech_at_most,
            };
        } else if self.is_automatic() && (self.hearing.has_words() || self.hearing.awaits_final()) {
            if self.hearing.has_words() {
                self.announce();
            }
            self.pause(now);
        } else {
            let idle = self.settings.policy.idle;
            self.phase = Phase::Listening {
                remind_at: idle
                    .filter(|_| self.n_reminders < MOST_REMINDERS)
                    .map(|idle| now + idle),
            };
        }
    }

    /// Acts on every deadline that has passed. Each pass leaves a phase with a later deadline or
    /// none, so it ends.
    fn meet_deadlines(&mut self, now: SessionTime) {
        while self.deadline().is_some_and(|due| due <= now) {
            if self.commit.as_ref().is_some_and(|commit| commit.by <= now) {
                self.settle_commit(now);
                continue;
            }
            if self.filler_at.is_some_and(|at| at <= now) {
                self.bridge(now);
                continue;
            }
            match self.phase {
                Phase::Listening { .. } => self.break_silence(now),
                Phase::UserSpeaking { .. } => {
                    // Endless speech: have the words said so far, and go on listening after.
                    self.hearing.expect_final();
                    self.hearing.ended = Some(now);
                    self.actions.push_back(Action::FinishHearing);
                    self.pause(now);
                }
                Phase::Paused { .. } => self.decide(now),
                Phase::Overlap { .. } => self.judge(now),
                Phase::Thinking | Phase::Speaking => {
                    self.fail_reply(now, "the reply took too long".into());
                }
                Phase::Ended => return,
            }
        }
    }

    fn progressed(&mut self, now: SessionTime) {
        self.reply_by = now + self.settings.policy.reply_within;
    }

    fn release(&mut self) {
        if std::mem::take(&mut self.is_held) {
            self.actions.push_back(Action::ResumePlayback);
            self.tell(CallEvent::Resumed);
        }
    }

    fn end_call(&mut self, reason: EndReason) {
        self.queued = None;
        self.stop_reply(ReplyOutcome::Interrupted);
        self.end_asides();
        self.phase = Phase::Ended;
        self.commit = None;
        self.tell(CallEvent::Ended { reason });
        self.actions.push_back(Action::EndCall);
    }

    fn is_automatic(&self) -> bool {
        self.settings.policy.mode != TurnMode::Manual
    }

    fn new_item(&mut self) -> ItemId {
        self.n_items += 1;
        ItemId(Arc::from(format!(
            "item_{}{:04}",
            self.settings.name, self.n_items
        )))
    }

    fn tell(&mut self, event: CallEvent) {
        self.actions.push_back(Action::Tell(event));
    }

    fn ignore(&mut self) {
        self.n_ignored += 1;
    }
}

#[cfg(test)]
mod tests;
