//! What of a call is counted and logged.
use std::time::Duration;

use metrics::{counter, histogram};
use voiced_core::turn::{AsideEvent, CallEvent, ReplyOutcome};

use crate::{call::end_reason_text, metrics::names};

/// Counts and logs what is worth it. No words of the caller or the agent.
pub(super) fn count(event: &CallEvent) {
    match event {
        CallEvent::TurnTimed(times) => {
            if let Some(heard) = times.heard {
                histogram!(names::VOICE_TO_VOICE).record(heard.as_secs_f64());
            }
            let ms = |d: Option<Duration>| d.map(|d| d.as_millis());
            tracing::info!(
                epoch = times.epoch.0,
                final_ms = ms(times.final_words),
                decided_ms = ms(times.decided),
                first_text_ms = ms(times.first_text),
                first_audio_ms = ms(times.first_audio),
                heard_ms = ms(times.heard),
                "turn"
            );
        }
        CallEvent::ReplyEnded { outcome, .. }
        | CallEvent::Aside {
            event: AsideEvent::Ended { outcome, .. },
            ..
        } => {
            let outcome = match outcome {
                ReplyOutcome::Completed => "completed",
                ReplyOutcome::CutShort => "cut_short",
                ReplyOutcome::Interrupted => "interrupted",
                ReplyOutcome::Cancelled => "cancelled",
                ReplyOutcome::Failed(_) => "failed",
            };
            counter!(names::REPLIES, "outcome" => outcome).increment(1);
        }
        CallEvent::Ended { reason } => {
            let reason = end_reason_text(*reason);
            counter!(names::CALLS_ENDED, "reason" => reason).increment(1);
            tracing::info!(reason, "call ended");
        }
        _ => (),
    }
}
