//! What the caller's side asks for, and how it is answered or refused.
use super::{Commit, Conversation, Phase};
use crate::{
    history::{Content, HistoryError},
    time::SessionTime,
    turn::{
        Action, CallEvent, Character, Command, CommandId, EndReason, ItemId, Message, Place,
        Refusal, ReplyOptions, ReplyOutcome, Role, Settings, ToolRuns,
    },
};

impl From<HistoryError> for Refusal {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::NoSuchItem => Refusal::NoSuchItem,
            HistoryError::Duplicate => Refusal::DuplicateItem,
            HistoryError::NotSpoken => Refusal::NotSpoken,
        }
    }
}

impl Conversation {
    pub(super) fn on_command(&mut self, now: SessionTime, id: CommandId, command: Command) {
        let done = match command {
            Command::Say(text) => {
                self.on_say(now, text);
                Ok(())
            }
            Command::AddItem { id, place, message } => self.on_add_item(id, &place, message),
            Command::Approve {
                id,
                request,
                approve,
                reason,
            } => self.on_approve(now, id, &request, approve, reason),
            Command::CancelAside(id) => self.cancel_aside(id),
            Command::DeleteItem(item) => match self.history.delete(&item) {
                Ok(()) => {
                    self.tell(CallEvent::ItemDeleted { item });
                    Ok(())
                }
                Err(error) => Err(error.into()),
            },
            Command::Truncate { item, audio_end } => self.on_truncate(item, audio_end),
            Command::Commit => self.on_commit(now),
            Command::Clear => {
                self.on_clear(now);
                Ok(())
            }
            Command::Respond(options) if options.aside => self.respond_aside(id, &options),
            Command::Respond(options) => self.on_respond(
                now,
                ReplyOptions {
                    asked: Some(id),
                    ..options
                },
            ),
            Command::Cancel => self.on_cancel(now),
            Command::Configure(settings) => {
                self.on_configure(now, settings);
                Ok(())
            }
            Command::HangUp => {
                self.end_call(EndReason::CallerLeft);
                Ok(())
            }
        };
        if let Err(refusal) = done {
            self.tell(CallEvent::Refused { id, refusal });
        }
    }

    /// Typed words are a turn of their own and may always interrupt.
    fn on_say(&mut self, now: SessionTime, text: String) {
        if self.reply.is_some() {
            self.release();
            self.stop_reply(ReplyOutcome::Interrupted);
        }
        if let Some(commit) = &mut self.commit {
            // One answer to both: the one asked for before would be interrupted at once.
            commit.respond = None;
            self.settle_commit(now);
        }
        let item = self.new_item();
        self.tell(CallEvent::ItemAdded {
            item: item.clone(),
            previous: self.history.last().cloned(),
            message: Message::new(Role::User, text.clone()),
        });
        let content = Content::Message {
            role: Role::User,
            text,
            spoken: None,
            images: Vec::new(),
        };
        self.history.push(item, content);
        self.start_reply(now, now, ReplyOptions::default());
    }

    fn on_add_item(
        &mut self,
        id: Option<ItemId>,
        place: &Place,
        message: Message,
    ) -> Result<(), Refusal> {
        let item = id.unwrap_or_else(|| self.new_item());
        let in_use = |taken: Option<&ItemId>| taken == Some(&item);
        let is_taken = in_use(self.reply.as_ref().map(|reply| &reply.item))
            || in_use(self.hearing.item.as_ref())
            || in_use(self.commit.as_ref().map(|commit| &commit.item));
        if is_taken {
            return Err(Refusal::DuplicateItem);
        }
        let content = Content::of(&message);
        let previous = self.history.insert(item.clone(), place, content)?;
        // The answer to a call of the reply being made will stand behind it.
        let call = self.reply.as_ref().and_then(|reply| {
            let mut calls = reply.calls.iter();
            calls.find(|call| Some(&call.call.id) == message.answers.as_ref())
        });
        let previous = call.map(|call| call.item.clone()).or(previous);
        self.tell(CallEvent::ItemAdded {
            item,
            previous,
            message,
        });
        Ok(())
    }

    fn on_truncate(&mut self, item: ItemId, audio_end: std::time::Duration) -> Result<(), Refusal> {
        // A client that cuts the reply being made wants it to stop there.
        if self.reply.as_ref().is_some_and(|reply| reply.item == item) {
            return Err(Refusal::ReplyActive);
        }
        self.history.truncate(&item, audio_end)?;
        self.tell(CallEvent::ItemTruncated { item, audio_end });
        Ok(())
    }

    fn on_commit(&mut self, now: SessionTime) -> Result<(), Refusal> {
        if self.commit.is_some() {
            return Err(Refusal::NothingToCommit);
        }
        let item = self.take_item();
        self.tell(CallEvent::Committed {
            item: item.clone(),
            previous: self.history.last().cloned(),
        });
        self.hearing.ended = Some(now);
        self.hearing.expect_final();
        self.actions.push_back(Action::FinishHearing);
        self.commit = Some(Commit {
            item,
            by: now + self.settings.policy.final_within,
            respond: None,
        });
        if matches!(
            self.phase,
            Phase::UserSpeaking { .. } | Phase::Paused { .. }
        ) {
            self.phase = Phase::Listening { remind_at: None };
        }
        Ok(())
    }

    /// The final words of a turn ended by hand are there, or will not come.
    pub(super) fn settle_commit(&mut self, now: SessionTime) {
        let Some(commit) = self.commit.take() else {
            return;
        };
        let asked_at = self.hearing.ended.unwrap_or(now);
        self.last_final = self.hearing.final_at;
        self.hearing.give_up_finals();
        self.remember_turn(commit.item);
        if let (Some(options), None) = (commit.respond, &self.reply) {
            self.start_reply(now, asked_at, options);
        }
    }

    fn on_clear(&mut self, now: SessionTime) {
        if self.hearing.is_announced {
            let item = self.take_item();
            self.tell(CallEvent::Discarded { item });
        }
        self.hearing.reset();
        self.hearing.forget_finals();
        self.hearing.is_loud = false;
        self.actions.push_back(Action::ForgetHearing);
        self.tell(CallEvent::InputCleared);
        match self.phase {
            Phase::UserSpeaking { .. } | Phase::Paused { .. } => self.after_reply(now),
            Phase::Overlap { .. } => self.carry_on(now),
            _ => (),
        }
    }

    fn on_respond(&mut self, now: SessionTime, options: ReplyOptions) -> Result<(), Refusal> {
        // What cannot be asked is refused now, not when its turn comes.
        if options.input.is_some() {
            self.prompt(&options, 0)?;
        }
        if let Some(reply) = &self.reply {
            // An answer to the client's tool may come while the agent is still saying that it
            // will use it: the next reply follows at once.
            if !reply.awaits_client() || self.queued.is_some() {
                return Err(Refusal::ReplyActive);
            }
            self.queued = Some(options);
            return Ok(());
        }
        if let Some(commit) = &mut self.commit {
            if commit.respond.is_some() {
                return Err(Refusal::ReplyActive);
            }
            commit.respond = Some(options);
            return Ok(());
        }
        if matches!(
            self.phase,
            Phase::UserSpeaking { .. } | Phase::Paused { .. }
        ) {
            // The client does not wait for the end of the turn: what was said so far is answered.
            self.on_commit(now)?;
            if let Some(commit) = &mut self.commit {
                commit.respond = Some(options);
            }
        } else {
            self.start_reply(now, now, options);
        }
        Ok(())
    }

    fn on_cancel(&mut self, now: SessionTime) -> Result<(), Refusal> {
        if self.reply.is_some() {
            self.queued = None;
            self.release();
            self.stop_reply(ReplyOutcome::Cancelled);
            self.after_reply(now);
            return Ok(());
        }
        match &mut self.commit {
            Some(commit) if commit.respond.is_some() => {
                commit.respond = None;
                Ok(())
            }
            _ => Err(Refusal::NoReply),
        }
    }

    /// Another persona goes on where the one before left off.
    pub(super) fn on_persona_changed(&mut self, now: SessionTime, character: Character) {
        let Character {
            name,
            instructions,
            greeting,
            voice,
            tools,
        } = character;
        self.settings.instructions = instructions;
        self.settings.voice = voice.clone().or_else(|| self.settings.voice.take());
        self.settings
            .tools
            .retain(|tool| tool.runs != ToolRuns::Here);
        self.settings.tools.extend(tools);
        self.tell(CallEvent::HandedOff {
            persona: name,
            voice,
        });
        if self.reply.is_none() && matches!(self.phase, Phase::Listening { .. }) {
            match greeting {
                Some(words) => self.start_words(now, words),
                None => self.start_reply(now, now, ReplyOptions::default()),
            }
        }
    }

    pub(super) fn set_activity(&mut self) {
        let policy = &self.settings.policy;
        let (threshold, prefix) = (policy.threshold, policy.prefix);
        self.actions
            .push_back(Action::SetActivity { threshold, prefix });
    }

    fn on_configure(&mut self, now: SessionTime, settings: Settings) {
        let before = self.settings.policy.clone();
        let heard_so = self.settings.hearing.clone();
        let servers = settings.tool_servers.clone();
        self.settings.apply(settings);
        if let Some(servers) = servers {
            self.settings.tool_servers.clear();
            self.connect_tools(servers);
        }
        if self.settings.hearing != heard_so {
            let hearing = self.settings.hearing.clone();
            self.actions.push_back(Action::TuneHearing(hearing));
        }
        let policy = &self.settings.policy;
        if (policy.threshold, policy.prefix) != (before.threshold, before.prefix) {
            self.set_activity();
        }
        if self.settings.policy.idle != before.idle
            && let Phase::Listening { .. } = self.phase
        {
            // The wait begins with the next reply; one that was switched off ends now.
            self.phase = Phase::Listening { remind_at: None };
        }
        if self.settings.policy.mode == before.mode {
            return;
        }
        let mode = self.settings.policy.mode.clone();
        self.actions.push_back(Action::SetMode(mode));
        self.hearing.is_loud &= self.is_automatic();
        match self.phase {
            Phase::UserSpeaking { .. } | Phase::Paused { .. } if !self.is_automatic() => {
                self.phase = Phase::Listening { remind_at: None };
            }
            Phase::Overlap { .. } if !self.is_automatic() => self.carry_on(now),
            _ => (),
        }
    }
}
