//! The reply being made: what was written and called, and what is left of it when it is over.
use crate::{
    engine::ReplyEnd,
    epoch::Epoch,
    history::{Content, Ledger},
    time::SessionTime,
    turn::{
        ItemId, Message, ReplyOptions, Role, ToolCall, ToolEffect, ToolRuns, ToolSpec, TurnTimes,
    },
};

/// A model that calls tools this many times in one reply is made to answer.
pub(super) const MOST_LEGS: u32 = 8;

/// The reply being made.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub epoch: Epoch,
    pub item: ItemId,
    pub ledger: Ledger,
    /// Samples of it that were played.
    pub samples: u64,
    /// Whether its first audio has been played.
    pub is_heard: bool,
    /// Whether the model has written its last word.
    pub is_written: bool,
    pub spoken: bool,
    /// Whether it is given words, not the model's.
    pub is_given: bool,
    pub end: ReplyEnd,
    pub leg: u32,
    pub options: ReplyOptions,
    pub calls: Vec<Call>,
    /// Calls being written: their ids and the items they become.
    pub begun: Vec<(String, ItemId)>,
    /// The words that bridge a wait are being written.
    pub is_bridging: bool,
    /// They were said.
    pub was_bridged: bool,
    /// What happens once it has been heard.
    pub then: ToolEffect,
    pub times: TurnTimes,
    /// When the caller stopped speaking, or asked by hand.
    pub asked_at: SessionTime,
}

/// A call made in the reply.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub leg: u32,
    /// Bytes of the reply written before it.
    pub at: usize,
    pub item: ItemId,
    pub call: ToolCall,
    pub runs: ToolRuns,
    pub answer: Option<(ItemId, String)>,
}

/// Who carries out the tool called `name`: the daemon answers for unknown ones.
pub fn tool_runs(tools: &[ToolSpec], name: &str) -> ToolRuns {
    tools
        .iter()
        .find(|tool| tool.name == name)
        .map_or(ToolRuns::Here, |tool| tool.runs)
}

/// Whether a reply goes on after a leg in which tools with these runners were called: it does when
/// all of them run without the client. A client's tool ends the reply; the client asks for the next.
pub fn goes_on(runners: impl IntoIterator<Item = ToolRuns>) -> bool {
    let mut n_calls = 0;
    for runner in runners {
        if matches!(
            runner,
            ToolRuns::AtClient | ToolRuns::AtServer { approval: true }
        ) {
            return false;
        }
        n_calls += 1;
    }
    n_calls > 0
}

impl Reply {
    /// Whether the client may ask for the next reply already: the model is done with this one and
    /// left the client a call to answer. What it said may still be sounding.
    pub fn awaits_client(&self) -> bool {
        self.is_written && self.this_leg().any(|call| call.runs == ToolRuns::AtClient)
    }

    pub fn this_leg(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.leg == self.leg)
    }

    pub fn goes_on(&self) -> bool {
        goes_on(self.this_leg().map(|call| call.runs))
    }

    pub fn is_answered(&self) -> bool {
        self.this_leg().all(|call| call.answer.is_some())
    }

    pub fn open_call(&mut self, id: &str) -> Option<&mut Call> {
        self.calls
            .iter_mut()
            .find(|call| call.call.id == id && call.answer.is_none())
    }

    /// What was written and called so far, for the next leg's prompt.
    pub fn messages(&self) -> Vec<Message> {
        let mut messages: Vec<Message> = Vec::new();
        let mut at = 0;
        for leg in 0..=self.leg {
            let calls: Vec<&Call> = self.calls.iter().filter(|call| call.leg == leg).collect();
            let Some(last) = calls.last() else { continue };
            let mut message =
                Message::new(Role::Assistant, self.ledger.written()[at..last.at].trim());
            at = last.at;
            message.tool_calls = calls.iter().map(|call| call.call.clone()).collect();
            messages.push(message);
            for call in calls {
                let output = call.answer.as_ref().map_or("", |answer| &answer.1);
                let mut answer = Message::new(Role::Tool, output);
                answer.answers = Some(call.call.id.clone());
                messages.push(answer);
            }
        }
        messages
    }

    /// The items it becomes: its text as heard under its own name, and its calls in their places.
    pub fn into_items(self, heard: usize) -> Vec<(ItemId, Content)> {
        let mut items = Vec::new();
        let mut calls_after = Vec::new();
        for call in self.calls {
            let list = if call.at == 0 {
                &mut items
            } else {
                &mut calls_after
            };
            let id = call.call.id.clone();
            list.push((call.item, Content::Call(call.call)));
            if let Some((item, output)) = call.answer {
                list.push((item, Content::Answer { call: id, output }));
            }
        }
        let text = self.ledger.written()[..heard].to_owned();
        if !text.is_empty() {
            items.push((
                self.item,
                Content::Message {
                    role: Role::Assistant,
                    text,
                    spoken: self.spoken.then_some(self.ledger),
                    images: Vec::new(),
                },
            ));
        }
        items.extend(calls_after);
        items
    }
}
