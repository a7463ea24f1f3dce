//! Sounds of the caller, and what they mean: the beginning of a turn, an interruption of the agent,
//! agreement, or nothing.
use std::time::Duration;

use super::{Conversation, FINAL_AFTER_SOUND, Phase};
use crate::{
    engine::Heard,
    time::SessionTime,
    turn::{Action, CallEvent, Refusal, ReplyOutcome},
};

impl Conversation {
    pub(super) fn on_speech_started(&mut self, now: SessionTime, at: Duration) {
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

    pub(super) fn on_speech_ended(&mut self, now: SessionTime, at: Duration, silence: Duration) {
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

    pub(super) fn on_words(&mut self, now: SessionTime, heard: Heard) {
        let is_final = matches!(heard, Heard::Final(_));
        if is_final && self.hearing.is_late_final() {
            return self.ignore();
        }
        match heard {
            Heard::Final(said) => self.hearing.set_final(now, said),
            Heard::Partial(text) => self.hearing.set_partial(&text),
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
    pub(super) fn on_words_over_us(&mut self, now: SessionTime, is_final: bool) {
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
    pub(super) fn carry_on(&mut self, now: SessionTime) {
        self.hearing.give_up_finals();
        self.hearing.reset();
        self.release();
        if matches!(self.phase, Phase::Overlap { .. }) {
            self.phase = self.replying_phase();
            self.progressed(now);
        }
    }

    /// The caller has the floor: the reply stops, and the words that stopped it begin their turn.
    pub(super) fn interrupt(&mut self, now: SessionTime) {
        self.announce();
        self.refuse_queued();
        self.stop_reply(ReplyOutcome::Interrupted);
        self.after_reply(now);
        self.tell_words();
    }

    /// A caller who speaks is answered in their own time: what was asked for before is not said
    /// over them.
    pub(super) fn refuse_queued(&mut self) {
        if let Some(id) = self.queued.take().and_then(|options| options.asked) {
            let refusal = Refusal::ReplyActive;
            self.tell(CallEvent::Refused { id, refusal });
        }
    }

    /// A sound over the reply has been held for long enough.
    pub(super) fn judge(&mut self, now: SessionTime) {
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
}
