//! What the client asked for and may still be refused: pairs a refusal with the event that caused
//! it, and a reply with the settings it was asked for with. Bounded: what is never answered is
//! forgotten, oldest first.
use std::collections::VecDeque;

use serde_json::Value;
use voiced_core::turn::{CommandId, ItemId, Refusal};

use super::{events::WireError, sound::Format};

/// More than the commands that can be under way in a call's queues.
const REMEMBERED: usize = 256;

/// What a command was, for its refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `conversation.item.create`.
    Create,
    /// `conversation.item.delete`.
    Delete,
    /// `conversation.item.truncate`.
    Truncate(ItemId),
    /// `input_audio_buffer.commit`.
    Commit,
    /// `response.create`.
    Respond,
    /// An item that answers an approval request.
    Approve,
    /// `response.cancel`.
    Cancel,
    /// Nothing that could fail, or that the client would want to know of.
    Quiet,
}

/// What a `response.create` asked for beyond what the conversation needs to know.
#[derive(Clone, Debug)]
pub struct Overrides {
    /// Echoed; null when none was given.
    pub metadata: Value,
    /// How its audio is written.
    pub format: Format,
    /// The voice as the response shows it; `None` is the session's.
    pub voice: Option<String>,
    /// The limit as the response shows it.
    pub max_tokens: Option<u32>,
}

/// Commands under way.
#[derive(Debug, Default)]
pub struct Asked {
    last: u64,
    commands: VecDeque<(CommandId, Kind, Option<String>)>,
    replies: VecDeque<(CommandId, Overrides)>,
}

impl Asked {
    /// Remembers a command and names it.
    pub fn note(&mut self, kind: Kind, event_id: Option<&str>) -> CommandId {
        self.last += 1;
        let id = CommandId(self.last);
        if self.commands.len() == REMEMBERED {
            self.commands.pop_front();
        }
        self.commands
            .push_back((id, kind, event_id.map(str::to_owned)));
        id
    }

    /// Remembers what a reply was asked for with.
    pub fn note_reply(&mut self, id: CommandId, overrides: Overrides) {
        if self.replies.len() == REMEMBERED {
            self.replies.pop_front();
        }
        self.replies.push_back((id, overrides));
    }

    /// The settings of the reply that was asked for by `id`. What was asked for before it and has
    /// not begun never will.
    pub fn reply_of(&mut self, id: CommandId) -> Option<Overrides> {
        let at = self.replies.iter().position(|(asked, _)| *asked == id)?;
        self.replies
            .drain(..=at)
            .next_back()
            .map(|(_, overrides)| overrides)
    }

    /// Whether the client asked to cut `item`; forgets it.
    pub fn truncation_of(&mut self, item: &ItemId) -> bool {
        let asked = self
            .commands
            .iter()
            .position(|(_, kind, _)| matches!(kind, Kind::Truncate(cut) if cut == item));
        asked.is_some_and(|at| self.commands.remove(at).is_some())
    }

    /// The error for a refused command, and the event that caused it; `None` when the client need
    /// not know.
    pub fn refused(
        &mut self,
        id: CommandId,
        refusal: Refusal,
    ) -> Option<(WireError, Option<String>)> {
        self.replies.retain(|(asked, _)| *asked != id);
        let at = self.commands.iter().position(|(asked, _, _)| *asked == id);
        let (_, kind, event_id) = at.and_then(|at| self.commands.remove(at))?;
        Some((refusal_error(&kind, refusal)?, event_id))
    }
}

fn refusal_error(kind: &Kind, refusal: Refusal) -> Option<WireError> {
    let (code, message, param) = match (refusal, kind) {
        (_, Kind::Quiet) => return None,
        (Refusal::ReplyActive, _) => (
            "conversation_already_has_active_response",
            "Conversation already has an active response in progress. Wait until it is finished \
             before creating a new one.",
            None,
        ),
        // Clients know this one by its first words.
        (Refusal::NoReply, _) => (
            "response_cancel_not_active",
            "Cancellation failed: no active response found",
            None,
        ),
        (Refusal::NothingToCommit, _) => return Some(commit_empty()),
        (Refusal::NoSuchItem, Kind::Delete) => (
            "item_delete_invalid_item_id",
            "Error deleting item: there is no item with this item_id.",
            Some("item_id"),
        ),
        (Refusal::NoSuchItem, Kind::Truncate(_)) => (
            "item_truncate_invalid_item_id",
            "Error truncating item: there is no item with this item_id.",
            Some("item_id"),
        ),
        (Refusal::NoSuchItem, _) => (
            "invalid_value",
            "Error adding item: there is no item with this previous_item_id.",
            Some("previous_item_id"),
        ),
        (Refusal::DuplicateItem, _) => (
            "item_create_duplicate_item_id",
            "Error adding item: an item with this id already exists.",
            Some("item.id"),
        ),
        (Refusal::NoSuchInput(at), _) => {
            return Some(WireError::new(
                "invalid_value",
                "Error creating response: there is no item with this id.",
                Some(format!("response.input[{at}].id")),
            ));
        }
        (Refusal::NoSuchRequest, _) => (
            "invalid_value",
            "Error adding item: no approval with this approval_request_id is waited for.",
            Some("item.approval_request_id"),
        ),
        (Refusal::TooManyAsides, _) => (
            "rate_limit_exceeded",
            "Too many responses outside the conversation are being made; wait until one is \
             finished.",
            None,
        ),
        (Refusal::NotSpoken, _) => (
            "unsupported_content_type",
            "Only model output audio messages can be truncated",
            Some("item_id"),
        ),
    };
    Some(WireError::new(code, message, param.map(str::to_owned)))
}

/// There is too little audio to make a turn of.
pub fn commit_empty() -> WireError {
    WireError::new(
        "input_audio_buffer_commit_empty",
        "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio.",
        None,
    )
}
