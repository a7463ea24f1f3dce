//! Tools in a reply: called, answered, and the next leg of the reply when all have answered.
use super::{
    Conversation,
    reply::{Call, Reply, tool_runs},
};
use crate::{
    epoch::Epoch,
    time::SessionTime,
    turn::{Action, CallEvent, ItemId, ReplyOrder, ReplySource, ToolCall, ToolEffect, ToolRuns},
};

impl Conversation {
    pub(super) fn on_tool_called(&mut self, now: SessionTime, epoch: Epoch, call: ToolCall) {
        let runs = self.runs_of(&call.name);
        let fresh = self.new_item();
        let Some(reply) = self.current(epoch) else {
            return self.ignore();
        };
        let begun = reply.begun.iter().position(|(id, _)| *id == call.id);
        let item = begun.map_or(fresh, |at| reply.begun.remove(at).1);
        reply.calls.push(Call {
            leg: reply.leg,
            at: reply.ledger.written().len(),
            item: item.clone(),
            call: call.clone(),
            runs,
            answer: None,
        });
        if let ToolRuns::AtServer { approval } = runs {
            self.on_server_called(epoch, item, call, approval, None);
            return self.progressed(now);
        }
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

    /// Who carries out a tool's calls in the reply being made.
    fn runs_of(&self, name: &str) -> ToolRuns {
        let own = self
            .reply
            .as_ref()
            .and_then(|reply| reply.options.tools.as_deref());
        let own = own
            .unwrap_or_default()
            .iter()
            .find(|tool| tool.name == name);
        own.map_or_else(|| tool_runs(&self.settings.tools, name), |tool| tool.runs)
    }

    /// The model is writing a call.
    pub(super) fn on_tool_arguments(
        &mut self,
        now: SessionTime,
        epoch: Epoch,
        call: String,
        name: String,
        delta: String,
    ) {
        let runs = self.runs_of(&name);
        let fresh = self.new_item();
        let Some(reply) = self.current(epoch) else {
            return self.ignore();
        };
        let begun = reply.begun.iter().find(|(id, _)| *id == call);
        let item = match begun {
            Some((_, item)) => item.clone(),
            None => {
                reply.begun.push((call.clone(), fresh.clone()));
                fresh
            }
        };
        self.tell(CallEvent::ToolArguments {
            epoch,
            item,
            call,
            name,
            runs,
            delta,
        });
        self.progressed(now);
    }

    pub(super) fn on_tool_returned(
        &mut self,
        now: SessionTime,
        epoch: Epoch,
        id: &str,
        output: String,
        effect: ToolEffect,
    ) {
        let known = self.current(epoch).and_then(|reply| reply.open_call(id));
        if known.is_none() {
            return self.ignore();
        }
        let item = self.answered(now, epoch, id, output.clone(), effect);
        self.tell(CallEvent::ToolReturned {
            epoch,
            item,
            call: id.to_owned(),
            output,
        });
        self.next_leg(now);
    }

    /// Notes the answer to a call of the reply; the item it becomes.
    pub(super) fn answered(
        &mut self,
        now: SessionTime,
        epoch: Epoch,
        id: &str,
        output: String,
        effect: ToolEffect,
    ) -> ItemId {
        let item = self.new_item();
        if let Some(call) = self.current(epoch).and_then(|reply| reply.open_call(id)) {
            call.answer = Some((item.clone(), output));
        }
        if let (Some(reply), true) = (&mut self.reply, effect != ToolEffect::None) {
            reply.then = effect;
        }
        if self.reply.as_ref().is_some_and(Reply::is_answered) {
            self.filler_at = None;
        }
        self.progressed(now);
        item
    }

    /// Asks the model again once it is done with this leg and all its tools have answered.
    pub(super) fn next_leg(&mut self, now: SessionTime) {
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
        let mut prompt = self.prompt(&options, leg).unwrap_or_default();
        prompt.messages.extend(so_far);
        self.actions.push_back(Action::StartReply(ReplyOrder {
            epoch,
            leg,
            goes_on: false,
            written_before,
            source: ReplySource::Model(prompt),
            spoken,
            voice: self.voice_of(),
            speed: self.settings.speed,
        }));
        self.progressed(now);
    }
}
