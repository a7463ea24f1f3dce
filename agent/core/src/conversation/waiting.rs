//! What the agent says while nobody else does: words that bridge a slow tool, and words that break
//! a long silence.
use super::{Conversation, Phase};
use crate::{
    history::Content,
    time::SessionTime,
    turn::{Action, CallEvent, ReplyOptions, ReplyOrder, ReplySource, Role},
};

/// A caller who was just told something waits this many times longer before being told that there
/// is nothing yet.
const PATIENCE_AFTER_WORDS: u32 = 4;

impl Conversation {
    /// The model is done with a leg whose tools have not all answered: words to bridge the wait
    /// become due, once a reply.
    pub(super) fn expect_wait(&mut self, now: SessionTime) {
        let wait = self.settings.policy.filler_after;
        let Some(reply) = &self.reply else { return };
        let waits = reply.spoken && reply.is_written && reply.goes_on() && !reply.is_answered();
        if waits && !reply.was_bridged && !self.settings.filler.is_empty() {
            let patience = if reply.ledger.written().is_empty() {
                1
            } else {
                PATIENCE_AFTER_WORDS
            };
            self.filler_at = Some(now + wait * patience);
        }
    }

    /// A tool takes long: says so in the same reply.
    pub(super) fn bridge(&mut self, now: SessionTime) {
        self.filler_at = None;
        let is_free = matches!(self.phase, Phase::Thinking | Phase::Speaking);
        let words = self.settings.filler.clone();
        let Some(reply) = self.reply.as_mut().filter(|_| is_free) else {
            return;
        };
        if !reply.is_written || !reply.goes_on() || reply.is_answered() {
            return;
        }
        reply.was_bridged = true;
        reply.is_bridging = true;
        reply.is_written = false;
        let written = reply.ledger.written();
        let joint = match written.chars().next_back() {
            Some(last) if !last.is_whitespace() => " ",
            _ => "",
        };
        let order = ReplyOrder {
            epoch: reply.epoch,
            leg: reply.leg,
            goes_on: true,
            written_before: written.len(),
            source: ReplySource::Words(format!("{joint}{words} ")),
            spoken: true,
            voice: self.voice_of(),
            speed: self.settings.speed,
        };
        self.actions.push_back(Action::StartReply(order));
        self.progressed(now);
    }

    /// Nobody has said anything for a while.
    pub(super) fn break_silence(&mut self, now: SessionTime) {
        self.phase = Phase::Listening { remind_at: None };
        self.n_reminders += 1;
        if !self.settings.policy.idle_by_model {
            let reminder = self.settings.reminder.clone();
            return self.start_words(now, reminder);
        }
        let item = self.new_item();
        let idle = self.settings.policy.idle.unwrap_or_default();
        self.tell(CallEvent::IdleTimeout {
            item: item.clone(),
            idle,
        });
        self.tell(CallEvent::Committed {
            item: item.clone(),
            previous: self.history.last().cloned(),
        });
        self.tell(CallEvent::UserSaid {
            item: item.clone(),
            text: String::new(),
            audio: idle,
            words: Vec::new(),
        });
        let content = Content::Message {
            role: Role::User,
            text: String::new(),
            spoken: None,
            images: Vec::new(),
        };
        self.history.push(item, content);
        self.start_reply(now, now, ReplyOptions::default());
    }
}
