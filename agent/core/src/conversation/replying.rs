//! How a reply begins, goes on and ends.
use super::{Conversation, Phase, reply::Reply};
use crate::{
    audio::SampleRate,
    engine::ReplyEnd,
    epoch::Epoch,
    history::Ledger,
    time::SessionTime,
    turn::{
        Action, CallEvent, EndReason, ReplyOptions, ReplyOrder, ReplyOutcome, ReplySource,
        ToolEffect, Truncation, TurnTimes,
    },
};

impl Conversation {
    /// Starts a reply by the model.
    pub(super) fn start_reply(
        &mut self,
        now: SessionTime,
        asked_at: SessionTime,
        options: ReplyOptions,
    ) {
        let (truncation, chars) = self.room();
        self.history.make_room(truncation, chars);
        let too_long = truncation == Truncation::Disabled && self.history.outgrows(chars);
        // An item its context names may have gone while it waited for its turn.
        let prompt = self.prompt(&options, 0).unwrap_or_default();
        self.begin(now, asked_at, options, ReplySource::Model(prompt));
        if too_long {
            self.release();
            let reason = "the conversation is longer than the model can be given, and its \
                          truncation is disabled";
            self.stop_reply(ReplyOutcome::Failed(reason.into()));
            self.after_reply(now);
        }
    }

    /// Starts a reply of given words.
    pub(super) fn start_words(&mut self, now: SessionTime, words: String) {
        self.begin(now, now, ReplyOptions::default(), ReplySource::Words(words));
    }

    pub(super) fn begin(
        &mut self,
        now: SessionTime,
        asked_at: SessionTime,
        options: ReplyOptions,
        source: ReplySource,
    ) {
        debug_assert!(self.reply.is_none(), "one reply at a time");
        self.epoch = self.epoch.next();
        let item = self.new_item();
        let spoken = options.spoken.unwrap_or(self.settings.spoken);
        let voice = options
            .voice
            .clone()
            .or_else(|| self.settings.voice.clone());
        let times = TurnTimes {
            epoch: self.epoch,
            final_words: self.last_final.take().map(|at| at.since(asked_at)),
            decided: Some(now.since(asked_at)),
            ..TurnTimes::default()
        };
        self.tell(CallEvent::ReplyStarted {
            epoch: self.epoch,
            item: item.clone(),
            previous: self.history.last().cloned(),
            spoken,
            asked: options.asked,
        });
        let order = ReplyOrder {
            epoch: self.epoch,
            leg: 0,
            goes_on: false,
            written_before: 0,
            source,
            spoken,
            voice,
            speed: self.settings.speed,
        };
        self.reply = Some(Reply {
            epoch: self.epoch,
            item,
            ledger: Ledger::default(),
            samples: 0,
            is_heard: false,
            is_written: false,
            spoken,
            is_given: matches!(order.source, ReplySource::Words(_)),
            end: ReplyEnd::default(),
            leg: 0,
            options,
            calls: Vec::new(),
            begun: Vec::new(),
            is_bridging: false,
            was_bridged: false,
            then: ToolEffect::None,
            times,
            asked_at,
        });
        self.actions.push_back(Action::StartReply(order));
        self.phase = Phase::Thinking;
        self.progressed(now);
    }

    pub(super) fn on_reply_text(&mut self, now: SessionTime, epoch: Epoch, text: String) {
        let Some(reply) = self.current(epoch) else {
            return self.ignore();
        };
        reply.ledger.write(&text);
        let since = now.since(reply.asked_at);
        reply.times.first_text.get_or_insert(since);
        self.tell(CallEvent::ReplyText { epoch, text });
        self.progressed(now);
    }

    pub(super) fn on_reply_ended(&mut self, now: SessionTime, epoch: Epoch, end: ReplyEnd) {
        let Some(reply) = self.current(epoch) else {
            return self.ignore();
        };
        if std::mem::take(&mut reply.is_bridging) {
            reply.is_written = true;
            self.progressed(now);
            return self.next_leg(now);
        }
        let sum = |a: Option<u32>, b: Option<u32>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        };
        reply.end = ReplyEnd {
            cut_short: end.cut_short,
            input_tokens: sum(reply.end.input_tokens, end.input_tokens),
            output_tokens: sum(reply.end.output_tokens, end.output_tokens),
        };
        reply.is_written = true;
        let is_done = !reply.spoken && !reply.goes_on();
        if is_done {
            self.finish_reply(now);
        } else {
            self.progressed(now);
            self.next_leg(now);
            self.expect_wait(now);
        }
    }

    pub(super) fn on_audio_ready(&mut self, now: SessionTime, epoch: Epoch) {
        let Some(reply) = self.current(epoch) else {
            return self.ignore();
        };
        let since = now.since(reply.asked_at);
        reply.times.first_audio.get_or_insert(since);
        self.progressed(now);
    }

    pub(super) fn on_voiced(
        &mut self,
        now: SessionTime,
        epoch: Epoch,
        samples: u64,
        text_end: usize,
    ) {
        let Some(reply) = self.current(epoch) else {
            return self.ignore();
        };
        reply.ledger.mark(samples, text_end);
        self.progressed(now);
    }

    pub(super) fn on_played(&mut self, now: SessionTime, epoch: Epoch, samples: u64, last: bool) {
        let Some(reply) = self.current(epoch) else {
            return;
        };
        let has_moved = samples > reply.samples || last;
        reply.samples = reply.samples.max(samples);
        let is_first = !reply.is_heard && reply.samples > 0;
        if is_first {
            reply.is_heard = true;
            let since = now.since(reply.asked_at);
            reply.times.heard = Some(since);
            // The fact that it is in the ring may still be on its way.
            reply.times.first_audio.get_or_insert(since);
            let (times, is_answer) = (reply.times, !reply.is_given);
            if self.phase == Phase::Thinking {
                self.phase = Phase::Speaking;
            }
            self.tell(CallEvent::ReplyHeard { epoch });
            if is_answer {
                self.tell(CallEvent::TurnTimed(times));
            }
        }
        if has_moved {
            self.progressed(now);
        }
        if last {
            self.finish_reply(now);
        }
    }

    /// The reply was said to its end.
    pub(super) fn finish_reply(&mut self, now: SessionTime) {
        let Some(reply) = &self.reply else { return };
        let outcome = if reply.end.cut_short {
            ReplyOutcome::CutShort
        } else {
            ReplyOutcome::Completed
        };
        let heard = reply.ledger.written().len();
        let then = self.close_reply(outcome, heard);
        match then {
            ToolEffect::HangUp => return self.end_call(EndReason::AgentHungUp),
            ToolEffect::Transfer(target) => self.tell(CallEvent::TransferRequested { target }),
            ToolEffect::HandOff(persona) => {
                self.after_reply(now);
                return self.actions.push_back(Action::SwitchPersona(persona));
            }
            ToolEffect::None => (),
        }
        self.after_reply(now);
    }

    /// The reply is over before its end; its output is stale from now on.
    pub(super) fn stop_reply(&mut self, outcome: ReplyOutcome) {
        self.epoch = self.epoch.next();
        self.actions
            .push_back(Action::Interrupt { epoch: self.epoch });
        self.is_held = false;
        let Some(reply) = &self.reply else { return };
        let heard = if reply.spoken {
            reply.ledger.heard(reply.samples)
        } else {
            reply.ledger.written().len()
        };
        self.close_reply(outcome, heard);
    }

    /// Moves the reply into history, as heard, and tells the caller's side.
    fn close_reply(&mut self, outcome: ReplyOutcome, heard: usize) -> ToolEffect {
        let Some(reply) = self.reply.take() else {
            return ToolEffect::None;
        };
        self.filler_at = None;
        let audio = SampleRate::SPEECH.duration_of(reply.samples);
        let was_cut = heard < reply.ledger.written().len() && reply.spoken;
        let then = reply.then.clone();
        self.tell(CallEvent::ReplyEnded {
            epoch: reply.epoch,
            item: reply.item.clone(),
            outcome,
            written: reply.ledger.written().to_owned(),
            heard,
            audio,
            end: reply.end,
        });
        if was_cut && reply.is_heard {
            self.tell(CallEvent::ItemTruncated {
                item: reply.item.clone(),
                audio_end: audio,
            });
        }
        for (id, content) in reply.into_items(heard) {
            self.history.push(id, content);
        }
        then
    }

    /// A stage failed or the reply took too long: say sorry, keep the call.
    pub(super) fn fail_reply(&mut self, now: SessionTime, reason: String) {
        let Some(reply) = &self.reply else { return };
        // An apology that cannot be said is not apologised for.
        let can_apologise = reply.spoken && !reply.is_given;
        self.release();
        self.stop_reply(ReplyOutcome::Failed(reason));
        if can_apologise && !self.hearing.is_loud {
            let apology = self.settings.apology.clone();
            self.start_words(now, apology);
        } else {
            self.after_reply(now);
        }
    }

    pub(super) fn current(&mut self, epoch: Epoch) -> Option<&mut Reply> {
        self.reply.as_mut().filter(|reply| reply.epoch == epoch)
    }
}
