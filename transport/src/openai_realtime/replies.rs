//! What the call tells of its replies, as the wire's responses: the one of the conversation, and
//! those outside of it. Nothing follows a response's `response.done`.
use serde_json::Value;
use voiced_core::{
    engine::ReplyEnd,
    epoch::Epoch,
    playout::PlayoutFrame,
    turn::{AsideEvent, CommandId, ItemId, ReplyOutcome, ServerCallError, ToolCall, ToolRuns},
};

use super::{
    Carrier, Dialect,
    asked::Overrides,
    events::ServerEvent,
    items,
    open_call::OpenCall,
    outcome::{is_whole, outcome_word, status, usage},
    reply::Reply,
};

/// How a reply ended, as `CallEvent::ReplyEnded` has it.
pub(super) struct Ending {
    pub outcome: ReplyOutcome,
    pub written: String,
    pub heard: usize,
    pub end: ReplyEnd,
}

impl Dialect {
    /// The response id of a reply; known before and after the reply is open.
    pub(super) fn response_id(&self, epoch: Epoch) -> String {
        format!("resp_{}_{}", self.name, epoch.0)
    }

    /// The response id of a reply outside the conversation.
    pub(super) fn aside_id(&self, id: CommandId) -> String {
        format!("resp_{}_x{}", self.name, id.0)
    }

    fn conversation_id(&self) -> String {
        format!("conv_{}", self.name)
    }

    fn usual(&self) -> Overrides {
        Overrides {
            metadata: Value::Null,
            format: self.session.output_format,
            voice: None,
            max_tokens: self.session.max_output_tokens,
        }
    }

    fn voice_of(&self, overrides: &Overrides) -> String {
        let own = overrides.voice.clone();
        own.unwrap_or_else(|| self.session.voice_shown().to_owned())
    }

    fn created(&mut self, reply: &Reply) {
        let conversation = self.conversation_id();
        let conversation = (!reply.outside).then_some(conversation.as_str());
        let response = reply.to_wire(conversation, "in_progress", &Value::Null, &Value::Null);
        self.out.send(ServerEvent::ResponseCreated {
            response: &response,
        });
    }

    fn done(&mut self, reply: &mut Reply, outcome: &ReplyOutcome, end: &ReplyEnd) {
        reply.close_items(&mut self.out, &mut self.items, outcome);
        let conversation = self.conversation_id();
        let conversation = (!reply.outside).then_some(conversation.as_str());
        let (status, details) = status(outcome);
        let response = reply.to_wire(conversation, status, &details, &usage(end));
        self.out.send(ServerEvent::ResponseDone {
            response: &response,
        });
    }

    pub(super) fn reply_started(
        &mut self,
        epoch: Epoch,
        item: ItemId,
        previous: Option<ItemId>,
        spoken: bool,
        overrides: Option<Overrides>,
    ) {
        // A reply that was never closed would leave its client waiting for ever.
        self.abandon_reply();
        let overrides = overrides.unwrap_or_else(|| self.usual());
        let voice = self.voice_of(&overrides);
        let id = self.response_id(epoch);
        let reply = Reply::new(id, item, previous, spoken, voice, overrides);
        self.created(&reply);
        self.reply = Some((epoch, reply));
    }

    pub(super) fn reply_text(&mut self, epoch: Epoch, text: &str) {
        if let Some((now, reply)) = &mut self.reply
            && *now == epoch
        {
            reply.write(&mut self.out, &mut self.items, text);
        }
    }

    /// The model is writing a call.
    pub(super) fn tool_arguments(
        &mut self,
        epoch: Epoch,
        item: &ItemId,
        call: ToolCall,
        runs: ToolRuns,
        delta: &str,
    ) {
        // The others are only shown once it is known what becomes of them.
        if runs != ToolRuns::AtClient {
            return;
        }
        let Some((_, reply)) = self.reply.as_mut().filter(|(now, _)| *now == epoch) else {
            return;
        };
        if !reply.calls.iter().any(|open| open.item == *item) {
            OpenCall::open(reply, &mut self.out, &mut self.items, item, call, None);
        }
        let open = reply.calls.iter_mut().find(|open| open.item == *item);
        if let Some(open) = open {
            open.write(&reply.id, &mut self.out, delta);
        }
    }

    /// A call that the client is to carry out.
    pub(super) fn client_tool_called(&mut self, epoch: Epoch, item: &ItemId, call: &ToolCall) {
        let Some((_, reply)) = self.reply.as_mut().filter(|(now, _)| *now == epoch) else {
            return;
        };
        let (out, items) = (&mut self.out, &mut self.items);
        if !reply.calls.iter().any(|open| open.item == *item) {
            OpenCall::open(reply, out, items, item, call.clone(), None);
        }
        let at = reply.calls.iter().position(|open| open.item == *item);
        if let Some(mut open) = at.map(|at| reply.calls.remove(at)) {
            open.written(&reply.id, out, &call.arguments);
            open.hand_over(reply, out, items);
        }
    }

    /// A call of a tool server's tool, or the question whether it may be made.
    pub(super) fn server_called(
        &mut self,
        epoch: Epoch,
        item: &ItemId,
        server: String,
        call: &ToolCall,
        approval: bool,
        request: Option<ItemId>,
    ) {
        let Some((_, reply)) = self.reply.as_mut().filter(|(now, _)| *now == epoch) else {
            return;
        };
        let (out, items) = (&mut self.out, &mut self.items);
        if approval {
            let wire = items::approval_request(item, &server, call);
            let index = reply.take_index();
            reply.add_item(out, items, item, index, &wire);
            return reply.finish_item(out, items, item, index, wire);
        }
        OpenCall::open(
            reply,
            out,
            items,
            item,
            call.clone(),
            Some((server, request)),
        );
        if let Some(open) = reply.calls.last_mut() {
            open.written(&reply.id, out, &call.arguments);
        }
    }

    /// The server answered.
    pub(super) fn server_returned(
        &mut self,
        epoch: Epoch,
        item: &ItemId,
        output: &Result<String, ServerCallError>,
    ) {
        let Some((_, reply)) = self.reply.as_mut().filter(|(now, _)| *now == epoch) else {
            return;
        };
        let at = reply.calls.iter().position(|open| open.item == *item);
        if let Some(open) = at.map(|at| reply.calls.remove(at)) {
            open.returned(reply, &mut self.out, &mut self.items, output);
        }
    }

    /// A call that is carried out here: shown as an item, the client would carry it out too.
    pub(super) fn own_tool_called(&mut self, epoch: Epoch, call: &ToolCall) {
        if self.extensions {
            let response_id = self.response_id(epoch);
            self.out.send(ServerEvent::VoicedToolCalled {
                response_id: &response_id,
                call_id: &call.id,
                name: &call.name,
                arguments: &call.arguments,
            });
        }
    }

    /// The answer to such a call.
    pub(super) fn own_tool_returned(&mut self, epoch: Epoch, call: &str, output: &str) {
        if self.extensions {
            let response_id = self.response_id(epoch);
            self.out.send(ServerEvent::VoicedToolReturned {
                response_id: &response_id,
                call_id: call,
                output,
            });
        }
    }

    /// The next 20 ms that left for the client.
    pub(super) fn frame_played(&mut self, frame: &PlayoutFrame) {
        let carrier = self.carrier;
        let (out, items) = (&mut self.out, &mut self.items);
        let Some((epoch, reply)) = &mut self.reply else {
            return;
        };
        if *epoch != frame.epoch || !reply.spoken {
            return;
        }
        if !frame.is_last {
            reply.open_message(out, items);
        }
        if frame.is_last {
            reply.sounded = true;
        } else if !reply.sounding {
            reply.sounding = true;
            if carrier == Carrier::WebRtc {
                out.send(ServerEvent::OutputStarted {
                    response_id: &reply.id,
                });
            }
        }
        if carrier == Carrier::WebSocket {
            let samples = (!frame.is_last).then_some(frame.samples.as_slice());
            reply.sound(out, samples);
        }
    }

    pub(super) fn reply_ended(&mut self, epoch: Epoch, ending: &Ending) {
        let Some((_, open)) = self.reply.as_ref().filter(|(now, _)| *now == epoch) else {
            return;
        };
        // Words that were written and not told one by one: an apology, a late piece.
        let rest = ending.written.strip_prefix(open.text.as_str());
        if let Some(rest) = rest.filter(|_| is_whole(&ending.outcome)) {
            self.reply_text(epoch, rest);
        }
        let Some((_, mut reply)) = self.reply.take() else {
            return;
        };
        self.done(&mut reply, &ending.outcome, &ending.end);
        if self.carrier == Carrier::WebRtc && reply.sounding {
            let response_id = reply.id.as_str();
            self.out
                .send(if reply.sounded || is_whole(&ending.outcome) {
                    ServerEvent::OutputStopped { response_id }
                } else {
                    ServerEvent::OutputCleared { response_id }
                });
        }
        self.recall
            .said(&reply.item, std::mem::take(&mut reply.take));
        let heard = ending.written.get(..ending.heard);
        if !is_whole(&ending.outcome) && reply.spoken {
            // From now on only what was heard is shown.
            self.items
                .set_transcript(&reply.item, heard.unwrap_or_default());
        }
        if let Some(audio_end) = reply.cut {
            self.item_truncated(&reply.item, audio_end);
        }
        if self.extensions {
            self.out.send(ServerEvent::VoicedEnded {
                response_id: &reply.id,
                item_id: &reply.item.0,
                outcome: outcome_word(&ending.outcome),
                text: &ending.written,
                heard_text: heard.unwrap_or(&ending.written),
            });
        }
    }

    /// Closes every response whose end was never told.
    pub(super) fn abandon_reply(&mut self) {
        let Some((epoch, reply)) = &self.reply else {
            return;
        };
        let epoch = *epoch;
        let ending = Ending {
            outcome: ReplyOutcome::Failed("the reply was abandoned".into()),
            written: reply.text.clone(),
            heard: 0,
            end: ReplyEnd::default(),
        };
        self.reply_ended(epoch, &ending);
    }

    /// What happens to a reply outside the conversation.
    pub(super) fn aside(&mut self, id: CommandId, event: AsideEvent) {
        if let AsideEvent::Started { item, spoken } = event {
            let overrides = self.asked.reply_of(id).unwrap_or_else(|| self.usual());
            let voice = self.voice_of(&overrides);
            let mut reply = Reply::new(self.aside_id(id), item, None, spoken, voice, overrides);
            reply.outside = true;
            self.created(&reply);
            self.asides.push((id, reply));
            return;
        }
        let Some(at) = self.asides.iter().position(|(known, _)| *known == id) else {
            return;
        };
        let (out, items) = (&mut self.out, &mut self.items);
        let reply = &mut self.asides[at].1;
        match event {
            AsideEvent::Started { .. } => {}
            AsideEvent::Text(text) => reply.write(out, items, &text),
            AsideEvent::Called { item, call } => {
                OpenCall::open(reply, out, items, &item, call.clone(), None);
                if let Some(mut open) = reply.calls.pop() {
                    open.written(&reply.id, out, &call.arguments);
                    open.hand_over(reply, out, items);
                }
            }
            AsideEvent::Audio(samples) => {
                reply.open_message(out, items);
                reply.sound(out, Some(&samples));
            }
            AsideEvent::Ended { outcome, end } => {
                if reply.spoken {
                    reply.sound(out, None);
                }
                let (_, mut reply) = self.asides.remove(at);
                self.done(&mut reply, &outcome, &end);
            }
        }
    }
}
