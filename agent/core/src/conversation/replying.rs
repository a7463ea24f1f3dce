//! How a reply begins, goes on and ends.
use super::{
    Conversation, Phase,
    reply::{Call, MOST_LEGS, Reply, tool_runs},
};
use crate::{
    audio::SampleRate,
    engine::{Prompt, ReplyEnd, ToolChoice},
    epoch::Epoch,
    history::Ledger,
    time::SessionTime,
    turn::{
        Action, CallEvent, EndReason, ReplyOptions, ReplyOrder, ReplyOutcome, ReplySource,
        ToolCall, ToolEffect, ToolRuns, TurnTimes,
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
        let prompt = self.prompt(&options, 0);
        self.begin(now, asked_at, options, ReplySource::Model(prompt));
    }

    /// Starts a reply of given words.
    pub(super) fn start_words(&mut self, now: SessionTime, words: String) {
        self.begin(now, now, ReplyOptions::default(), ReplySource::Words(words));
    }

    fn begin(
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
            written_before: 0,
            source,
            spoken,
            voice: self.settings.voice.clone(),
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
            then: ToolEffect::None,
            times,
            asked_at,
        });
        self.actions.push_back(Action::StartReply(order));
        self.phase = Phase::Thinking;
        self.progressed(now);
    }

    fn prompt(&self, options: &ReplyOptions, leg: u32) -> Prompt {
        let instructions = options
            .instructions
            .as_deref()
            .unwrap_or(&self.settings.instructions);
        let tool_choice = match leg {
            0 => self.settings.tool_choice.clone(),
            // A forced tool would be forced for ever.
            1..MOST_LEGS => ToolChoice::Auto,
            _ => ToolChoice::None,
        };
        Prompt {
            messages: self
                .history
                .messages(instructions, self.settings.context_chars),
            tools: self.settings.tools.clone(),
            tool_choice,
            max_tokens: options.max_tokens.or(self.settings.max_tokens),
        }
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

    pub(super) fn on_tool_called(&mut self, now: SessionTime, epoch: Epoch, call: ToolCall) {
        let runs = tool_runs(&self.settings.tools, &call.name);
        let item = self.new_item();
        let Some(reply) = self.current(epoch) else {
            return self.ignore();
        };
        reply.calls.push(Call {
            leg: reply.leg,
            at: reply.ledger.written().len(),
            item: item.clone(),
            call: call.clone(),
            runs,
            answer: None,
        });
        self.tell(CallEvent::ToolCalled {
            epoch,
            item,
            call: call.clone(),
            runs,
        });
        if runs == ToolRuns::Here {
            self.actions.push_back(Action::RunTool { epoch, call });
        }
        self.progressed(now);
    }

    pub(super) fn on_reply_ended(&mut self, now: SessionTime, epoch: Epoch, end: ReplyEnd) {
        let Some(reply) = self.current(epoch) else {
            return self.ignore();
        };
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
        }
    }

    pub(super) fn on_tool_returned(
        &mut self,
        now: SessionTime,
        epoch: Epoch,
        id: &str,
        output: String,
        effect: ToolEffect,
    ) {
        let item = self.new_item();
        let Some(call) = self.current(epoch).and_then(|reply| reply.open_call(id)) else {
            return self.ignore();
        };
        call.answer = Some((item.clone(), output.clone()));
        if let (Some(reply), true) = (&mut self.reply, effect != ToolEffect::None) {
            reply.then = effect;
        }
        self.tell(CallEvent::ToolReturned {
            epoch,
            item,
            call: id.to_owned(),
            output,
        });
        self.progressed(now);
        self.next_leg(now);
    }

    /// Asks the model again once it is done with this leg and all its tools have answered.
    fn next_leg(&mut self, now: SessionTime) {
        let Some(reply) = &mut self.reply else { return };
        let is_complete = reply.is_written && reply.goes_on() && reply.is_answered();
        if !is_complete {
            return;
        }
        reply.leg += 1;
        reply.is_written = false;
        let (leg, epoch, options) = (reply.leg, reply.epoch, reply.options.clone());
        let (spoken, written_before) = (reply.spoken, reply.ledger.written().len());
        let so_far = reply.messages();
        let mut prompt = self.prompt(&options, leg);
        prompt.messages.extend(so_far);
        self.actions.push_back(Action::StartReply(ReplyOrder {
            epoch,
            leg,
            written_before,
            source: ReplySource::Model(prompt),
            spoken,
            voice: self.settings.voice.clone(),
            speed: self.settings.speed,
        }));
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
