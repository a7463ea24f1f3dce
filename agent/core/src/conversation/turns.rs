//! The caller's turn: when a pause ends it, and the item its words become.
use super::{Conversation, Phase};
use crate::{
    history::Content,
    time::SessionTime,
    turn::{Action, CallEvent, ItemId, ReplyOptions, Role, TurnMode},
};

impl Conversation {
    pub(super) fn pause(&mut self, now: SessionTime) {
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

    pub(super) fn assess(&mut self) {
        if matches!(self.settings.policy.mode, TurnMode::Detector { .. })
            && self.hearing.has_words()
        {
            self.actions.push_back(Action::AssessTurn {
                words: self.hearing.text(),
            });
        }
    }

    /// New words in a pause: a verdict given on fewer words no longer counts.
    pub(super) fn reconsider(&mut self, now: SessionTime) {
        let ended = self.hearing.ended.unwrap_or(now);
        let TurnMode::Detector { patience, .. } = self.settings.policy.mode else {
            return;
        };
        self.phase = Phase::Paused {
            decide_at: ended + patience,
        };
    }

    pub(super) fn on_end_of_turn(&mut self, now: SessionTime, probability: f32) {
        if let TurnMode::Detector { sure, at_least, .. } = self.settings.policy.mode
            && sure <= probability
        {
            let ended = self.hearing.ended.unwrap_or(now);
            self.phase = Phase::Paused {
                decide_at: ended + at_least,
            };
        }
    }

    /// The pause was long enough: the turn is over if there is one.
    pub(super) fn decide(&mut self, now: SessionTime) {
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

    pub(super) fn end_turn(&mut self, now: SessionTime) {
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
    pub(super) fn drop_turn(&mut self, now: SessionTime) {
        if self.hearing.is_announced {
            let item = self.take_item();
            self.tell(CallEvent::Discarded { item });
        }
        self.hearing.reset();
        self.after_reply(now);
    }

    /// The words of the caller's turn become an item.
    pub(super) fn remember_turn(&mut self, item: ItemId) {
        let text = self.hearing.text();
        let words = std::mem::take(&mut self.hearing.words);
        let audio = self
            .hearing
            .audio_end
            .saturating_sub(self.hearing.audio_start);
        self.n_reminders = 0;
        self.tell(CallEvent::UserSaid {
            item: item.clone(),
            text: text.clone(),
            audio,
            words,
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
    pub(super) fn take_item(&mut self) -> ItemId {
        let item = self.hearing_item();
        if std::mem::take(&mut self.hearing.is_announced) {
            self.tell(CallEvent::SpeechStopped {
                item: item.clone(),
                at: self.hearing.audio_end,
            });
        }
        item
    }

    pub(super) fn hearing_item(&mut self) -> ItemId {
        if let Some(item) = &self.hearing.item {
            return item.clone();
        }
        let item = self.new_item();
        self.hearing.item = Some(item.clone());
        item
    }

    pub(super) fn announce(&mut self) {
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

    pub(super) fn tell_words(&mut self) {
        if self.hearing.has_words() {
            self.announce();
            let item = self.hearing_item();
            let text = self.hearing.text();
            self.tell(CallEvent::Partial { item, text });
        }
    }
}
