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
mod commands;
mod hearing;
mod opening;
mod reply;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{
    epoch::Epoch,
    history::{Content, History},
    time::SessionTime,
    turn::{
        Action, CallEvent, EndReason, ItemId, Refusal, ReplyOptions, ReplyOutcome, Role, TurnEvent,
        TurnMode,
    },
};
use hearing::Hearing;
use reply::Reply;

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
            (_, E::Partial(text)) => self.on_words(now, &text, false),
            (_, E::Final(text)) => self.on_words(now, &text, true),
            (Phase::Paused { .. }, E::EndOfTurn(probability)) => {
                self.on_end_of_turn(now, probability);
            }

            (_, E::ReplyText { epoch, text }) => self.on_reply_text(now, epoch, text),
            (_, E::ToolCalled { epoch, call }) => self.on_tool_called(now, epoch, call),
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
        phase.into_iter().chain(commit).min()
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

    fn on_speech_started(&mut self, now: SessionTime, at: Duration) {
        self.hearing.start(now, at);
        match self.phase {
            Phase::Listening { .. } | Phase::Paused { .. } | Phase::UserSpeaking { .. } => {
                self.announce();
                self.phase = Phase::UserSpeaking {
                    give_up_at: now + self.settings.policy.speech_at_most,
                };
            }
            Phase::Thinking | Phase::Speaking if self.settings.policy.interrupt => {
                self.phase = Phase::Overlap {
                    decide_at: now + self.settings.policy.hold_at_most,
                };
                self.is_held = true;
                self.actions.push_back(Action::HoldPlayback);
                self.tell(CallEvent::Held);
            }
            // A second sound while the first is being judged, or one that may not interrupt.
            Phase::Overlap { .. } | Phase::Thinking | Phase::Speaking | Phase::Ended => (),
        }
    }

    fn on_speech_ended(&mut self, now: SessionTime, at: Duration, silence: Duration) {
        self.hearing.stop(now.minus(silence), at);
        match self.phase {
            Phase::UserSpeaking { .. } => self.pause(now),
            Phase::Overlap { decide_at } => {
                let soon = now + FINAL_AFTER_SOUND;
                self.phase = Phase::Overlap {
                    decide_at: decide_at.min(soon),
                };
            }
            _ => (),
        }
    }

    fn on_words(&mut self, now: SessionTime, text: &str, is_final: bool) {
        if is_final && self.hearing.is_late_final() {
            return self.ignore();
        }
        if is_final {
            self.hearing.set_final(now, text);
        } else {
            self.hearing.set_partial(text);
        }
        if self.commit.is_some() {
            if is_final && !self.hearing.awaits_final() {
                self.settle_commit(now);
            }
            return;
        }
        match self.phase {
            Phase::UserSpeaking { .. } => self.tell_words(),
            Phase::Paused { .. } => {
                self.tell_words();
                self.assess();
                if self.hearing.has_words() {
                    self.reconsider(now);
                } else if !self.hearing.awaits_final() {
                    self.drop_turn(now);
                }
            }
            // Words that voice activity missed are words all the same.
            Phase::Listening { .. } if self.hearing.has_words() && self.is_automatic() => {
                self.hearing.ended.get_or_insert(now);
                self.pause(now);
                self.tell_words();
            }
            Phase::Thinking | Phase::Speaking | Phase::Overlap { .. } => {
                self.on_words_over_us(now, is_final);
            }
            Phase::Listening { .. } => self.tell_words(),
            Phase::Ended => (),
        }
    }

    /// Words over a reply: an interruption, agreement, or nothing.
    fn on_words_over_us(&mut self, now: SessionTime, is_final: bool) {
        let policy = &self.settings.policy;
        if !policy.interrupt || !self.is_automatic() {
            return; // they are heard when the reply is over
        }
        if self.hearing.contradicts(policy) {
            if self.hearing.speech_lasted(now) >= policy.interrupt_after {
                self.interrupt(now);
            } else if let Phase::Overlap { decide_at } = self.phase {
                // Too short to believe yet; look again as soon as it is not.
                let again = self.hearing.long_enough_at(policy);
                self.phase = Phase::Overlap {
                    decide_at: decide_at.min(again),
                };
            }
        } else if is_final && !self.hearing.is_loud && !self.hearing.awaits_final() {
            self.carry_on(now);
        }
    }

    /// The sound over the reply was nothing: the agent goes on where it was held.
    fn carry_on(&mut self, now: SessionTime) {
        self.hearing.give_up_finals();
        self.hearing.reset();
        self.release();
        if matches!(self.phase, Phase::Overlap { .. }) {
            self.phase = self.replying_phase();
            self.progressed(now);
        }
    }

    fn replying_phase(&self) -> Phase {
        match &self.reply {
            Some(reply) if reply.is_heard => Phase::Speaking,
            _ => Phase::Thinking,
        }
    }

    /// The caller has the floor: the reply stops, and the words that stopped it begin their turn.
    fn interrupt(&mut self, now: SessionTime) {
        self.announce();
        self.refuse_queued();
        self.stop_reply(ReplyOutcome::Interrupted);
        self.after_reply(now);
        self.tell_words();
    }

    /// A caller who speaks is answered in their own time: what was asked for before is not said
    /// over them.
    fn refuse_queued(&mut self) {
        if let Some(id) = self.queued.take().and_then(|options| options.asked) {
            let refusal = Refusal::ReplyActive;
            self.tell(CallEvent::Refused { id, refusal });
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

    fn pause(&mut self, now: SessionTime) {
        let policy = &self.settings.policy;
        let ended = *self.hearing.ended.get_or_insert(now);
        let decide_at = match policy.mode {
            TurnMode::Silence(silence) => ended + silence,
            TurnMode::Detector { patience, .. } => ended + patience,
            TurnMode::Manual => now + policy.final_within,
        };
        self.phase = Phase::Paused { decide_at };
        self.assess();
    }

    fn assess(&mut self) {
        if matches!(self.settings.policy.mode, TurnMode::Detector { .. })
            && self.hearing.has_words()
        {
            self.actions.push_back(Action::AssessTurn {
                words: self.hearing.text(),
            });
        }
    }

    /// New words in a pause: a verdict given on fewer words no longer counts.
    fn reconsider(&mut self, now: SessionTime) {
        let ended = self.hearing.ended.unwrap_or(now);
        let TurnMode::Detector { patience, .. } = self.settings.policy.mode else {
            return;
        };
        self.phase = Phase::Paused {
            decide_at: ended + patience,
        };
    }

    fn on_end_of_turn(&mut self, now: SessionTime, probability: f32) {
        if let TurnMode::Detector { sure, at_least, .. } = self.settings.policy.mode
            && sure <= probability
        {
            let ended = self.hearing.ended.unwrap_or(now);
            self.phase = Phase::Paused {
                decide_at: ended + at_least,
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
            match self.phase {
                Phase::Listening { .. } => {
                    self.phase = Phase::Listening { remind_at: None };
                    self.n_reminders += 1;
                    let reminder = self.settings.reminder.clone();
                    self.start_words(now, reminder);
                }
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

    /// A sound over the reply has been held for long enough.
    fn judge(&mut self, now: SessionTime) {
        let policy = &self.settings.policy;
        let is_believed = self.hearing.speech_lasted(now) >= policy.interrupt_after;
        if self.hearing.contradicts(policy) && is_believed {
            self.interrupt(now);
        } else if self.hearing.is_loud {
            // A steady noise: words may still come and are looked at in `on_words_over_us`.
            self.release();
            self.phase = self.replying_phase();
            self.progressed(now);
        } else {
            self.carry_on(now);
        }
    }

    /// The pause was long enough: the turn is over if there is one.
    fn decide(&mut self, now: SessionTime) {
        let ended = self.hearing.ended.unwrap_or(now);
        let final_by = ended + self.settings.policy.final_within;
        if self.commit.is_some() {
            self.settle_commit(now);
            if self.reply.is_some() {
                return;
            }
        }
        if self.hearing.awaits_final() && now < final_by {
            self.phase = Phase::Paused {
                decide_at: final_by,
            };
            return;
        }
        self.hearing.give_up_finals();
        if self.hearing.has_words() {
            self.end_turn(now);
        } else {
            self.drop_turn(now);
        }
    }

    fn end_turn(&mut self, now: SessionTime) {
        let asked_at = self.hearing.ended.unwrap_or(now);
        self.last_final = self.hearing.final_at;
        let item = self.take_item();
        self.tell(CallEvent::Committed {
            item: item.clone(),
            previous: self.history.last().cloned(),
        });
        self.remember_turn(item);
        if self.settings.policy.reply {
            self.start_reply(now, asked_at, ReplyOptions::default());
        } else {
            self.phase = Phase::Listening { remind_at: None };
        }
    }

    /// Speech without words: a cough, a door.
    fn drop_turn(&mut self, now: SessionTime) {
        if self.hearing.is_announced {
            let item = self.take_item();
            self.tell(CallEvent::Discarded { item });
        }
        self.hearing.reset();
        self.after_reply(now);
    }

    /// The words of the caller's turn become an item.
    fn remember_turn(&mut self, item: ItemId) {
        let text = self.hearing.text();
        let audio = self
            .hearing
            .audio_end
            .saturating_sub(self.hearing.audio_start);
        self.n_reminders = 0;
        self.tell(CallEvent::UserSaid {
            item: item.clone(),
            text: text.clone(),
            audio,
        });
        let content = Content::Message {
            role: Role::User,
            text,
            spoken: None,
        };
        self.history.push(item, content);
        self.hearing.reset();
    }

    /// The name of the item being heard, with the end of its speech told.
    fn take_item(&mut self) -> ItemId {
        let item = self.hearing_item();
        if std::mem::take(&mut self.hearing.is_announced) {
            self.tell(CallEvent::SpeechStopped {
                item: item.clone(),
                at: self.hearing.audio_end,
            });
        }
        item
    }

    fn hearing_item(&mut self) -> ItemId {
        if let Some(item) = &self.hearing.item {
            return item.clone();
        }
        let item = self.new_item();
        self.hearing.item = Some(item.clone());
        item
    }

    fn announce(&mut self) {
        // A turn being committed keeps its item until its words are there.
        if !self.hearing.is_announced && self.commit.is_none() && self.is_automatic() {
            self.hearing.is_announced = true;
            let item = self.hearing_item();
            self.tell(CallEvent::SpeechStarted {
                item,
                at: self.hearing.audio_start,
            });
        }
    }

    fn tell_words(&mut self) {
        if self.hearing.has_words() {
            self.announce();
            let item = self.hearing_item();
            let text = self.hearing.text();
            self.tell(CallEvent::Partial { item, text });
        }
    }

    fn on_audio_ready(&mut self, now: SessionTime, epoch: Epoch) {
        let Some(reply) = self.current(epoch) else {
            return self.ignore();
        };
        let since = now.since(reply.asked_at);
        reply.times.first_audio.get_or_insert(since);
        self.progressed(now);
    }

    fn on_voiced(&mut self, now: SessionTime, epoch: Epoch, samples: u64, text_end: usize) {
        let Some(reply) = self.current(epoch) else {
            return self.ignore();
        };
        reply.ledger.mark(samples, text_end);
        self.progressed(now);
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
