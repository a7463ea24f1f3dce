//! What the model is asked: the conversation or a reply's own context, the tools, and the limits.
use super::{Conversation, reply::MOST_LEGS};
use crate::{
    engine::{Prompt, ToolChoice},
    history::{Content, History},
    turn::{Input, ItemId, Refusal, ReplyOptions, ToolRuns, ToolSpec, Truncation},
};

impl Conversation {
    /// How much of the conversation the model is given, and what becomes of the rest.
    pub(super) fn room(&self) -> (Truncation, usize) {
        let truncation = self.settings.truncation;
        let chars = match truncation {
            Truncation::Ratio {
                chars: Some(chars), ..
            } => chars.min(self.settings.context_chars),
            _ => self.settings.context_chars,
        };
        (truncation, chars)
    }

    /// The voice of the reply being made.
    pub(super) fn voice_of(&self) -> Option<String> {
        let own = self
            .reply
            .as_ref()
            .and_then(|reply| reply.options.voice.clone());
        own.or_else(|| self.settings.voice.clone())
    }

    pub(super) fn prompt(&self, options: &ReplyOptions, leg: u32) -> Result<Prompt, Refusal> {
        let instructions = options
            .instructions
            .as_deref()
            .unwrap_or(&self.settings.instructions);
        let tool_choice = match leg {
            0 => (options.tool_choice.clone()).unwrap_or_else(|| self.settings.tool_choice.clone()),
            // A forced tool would be forced for ever.
            1..MOST_LEGS => ToolChoice::Auto,
            _ => ToolChoice::None,
        };
        let messages = match &options.input {
            Some(input) => self.own_context(input)?.messages(instructions, usize::MAX),
            None => self.history.messages(instructions, self.room().1),
        };
        Ok(Prompt {
            messages,
            tools: self.tools_of(options),
            tool_choice,
            max_tokens: options.max_tokens.unwrap_or(self.settings.max_tokens),
            parallel_calls: self.settings.parallel_calls,
            effort: self.settings.effort,
        })
    }

    /// What may be called in a reply with these overrides.
    fn tools_of(&self, options: &ReplyOptions) -> Vec<ToolSpec> {
        let tools = self.settings.tools.iter();
        match &options.tools {
            None => tools.cloned().collect(),
            Some(own) => tools
                .filter(|tool| tool.runs == ToolRuns::Here)
                .chain(own)
                .cloned()
                .collect(),
        }
    }

    /// A reply's own context, as a conversation of its own.
    fn own_context(&self, input: &[Input]) -> Result<History, Refusal> {
        let mut context = History::default();
        for (at, input) in input.iter().enumerate() {
            let content = match input {
                Input::Message(message) => Content::of(message),
                Input::Item(id) => {
                    let known = self.history.of_item(id);
                    known.cloned().ok_or(Refusal::NoSuchInput(at))?
                }
            };
            context.push(ItemId::from(at.to_string().as_str()), content);
        }
        Ok(context)
    }
}
