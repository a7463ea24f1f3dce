//! How a reply ended, as the wire says it.
use serde_json::{Value, json};
use voiced_core::{engine::ReplyEnd, turn::ReplyOutcome};

/// Whether what was written was (or would have been) said to its end.
pub(super) fn is_whole(outcome: &ReplyOutcome) -> bool {
    !matches!(outcome, ReplyOutcome::Interrupted | ReplyOutcome::Cancelled)
}

/// The outcome in one word, for `voiced.reply.ended`.
pub(super) fn outcome_word(outcome: &ReplyOutcome) -> &'static str {
    match outcome {
        ReplyOutcome::Completed => "completed",
        ReplyOutcome::CutShort => "cut_short",
        ReplyOutcome::Interrupted => "interrupted",
        ReplyOutcome::Cancelled => "cancelled",
        ReplyOutcome::Failed(_) => "failed",
    }
}

/// A response's `status` and `status_details`.
pub(super) fn status(outcome: &ReplyOutcome) -> (&'static str, Value) {
    match outcome {
        ReplyOutcome::Completed => ("completed", Value::Null),
        ReplyOutcome::CutShort => (
            "incomplete",
            json!({"type": "incomplete", "reason": "max_output_tokens"}),
        ),
        ReplyOutcome::Interrupted => (
            "cancelled",
            json!({"type": "cancelled", "reason": "turn_detected"}),
        ),
        ReplyOutcome::Cancelled => (
            "cancelled",
            json!({"type": "cancelled", "reason": "client_cancelled"}),
        ),
        ReplyOutcome::Failed(reason) => (
            "failed",
            json!({"type": "failed", "error": {
                "type": "server_error", "code": "server_error", "message": reason,
            }}),
        ),
    }
}

/// Token counts where the model reported them; zero where it did not.
pub(super) fn usage(end: &ReplyEnd) -> Value {
    let input = u64::from(end.input_tokens.unwrap_or(0));
    let output = u64::from(end.output_tokens.unwrap_or(0));
    json!({
        "total_tokens": input + output,
        "input_tokens": input,
        "output_tokens": output,
        "input_token_details": {
            "text_tokens": input, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": output, "audio_tokens": 0},
    })
}
