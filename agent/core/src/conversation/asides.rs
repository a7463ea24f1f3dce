//! Replies outside the conversation: prompted from it or from the client's own words, told to the
//! client, remembered by nobody. At most [`MOST`] at once.
use super::Conversation;
use crate::engine::ReplyEnd;
use crate::turn::{
    Action, AsideEvent, AsideOrder, CallEvent, CommandId, Refusal, ReplyOptions, ReplyOutcome,
    ToolRuns,
};

/// How many are made at once for one call: each holds a row of the chat model.
const MOST: usize = 4;

/// Those being made.
#[derive(Clone, Debug, Default)]
pub(super) struct Asides {
    alive: Vec<CommandId>,
}

impl Conversation {
    pub(super) fn respond_aside(
        &mut self,
        id: CommandId,
        options: &ReplyOptions,
    ) -> Result<(), Refusal> {
        if self.asides.alive.len() >= MOST {
            return Err(Refusal::TooManyAsides);
        }
        let mut prompt = self.prompt(options, 0)?;
        // What runs here belongs to the conversation: hanging up, handing over.
        prompt.tools.retain(|tool| tool.runs == ToolRuns::AtClient);
        let spoken = options.spoken.unwrap_or(self.settings.spoken);
        self.asides.alive.push(id);
        let item = self.new_item();
        self.tell(CallEvent::Aside {
            id,
            event: AsideEvent::Started { item, spoken },
        });
        self.actions.push_back(Action::StartAside(AsideOrder {
            id,
            prompt,
            spoken,
            voice: options
                .voice
                .clone()
                .or_else(|| self.settings.voice.clone()),
            speed: self.settings.speed,
        }));
        Ok(())
    }

    pub(super) fn cancel_aside(&mut self, id: CommandId) -> Result<(), Refusal> {
        if !self.asides.alive.contains(&id) {
            return Err(Refusal::NoReply);
        }
        self.actions.push_back(Action::CancelAside(id));
        self.close_aside(id, ReplyOutcome::Cancelled, ReplyEnd::default());
        Ok(())
    }

    pub(super) fn on_aside(&mut self, id: CommandId, event: AsideEvent) {
        if !self.asides.alive.contains(&id) {
            return self.ignore();
        }
        match event {
            AsideEvent::Ended { outcome, end } => self.close_aside(id, outcome, end),
            AsideEvent::Called { call, .. } => {
                let item = self.new_item();
                let event = AsideEvent::Called { item, call };
                self.tell(CallEvent::Aside { id, event });
            }
            AsideEvent::Started { .. } => self.ignore(),
            event => self.tell(CallEvent::Aside { id, event }),
        }
    }

    fn close_aside(&mut self, id: CommandId, outcome: ReplyOutcome, end: ReplyEnd) {
        self.asides.alive.retain(|alive| *alive != id);
        let event = AsideEvent::Ended { outcome, end };
        self.tell(CallEvent::Aside { id, event });
    }

    /// The call is over, and everything with it.
    pub(super) fn end_asides(&mut self) {
        for id in std::mem::take(&mut self.asides.alive) {
            self.actions.push_back(Action::CancelAside(id));
            self.close_aside(id, ReplyOutcome::Cancelled, ReplyEnd::default());
        }
    }
}
