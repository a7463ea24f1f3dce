//! Every metric this crate records, by name and meaning.

/// The names, in one place.
pub mod names {
    /// Calls alive now.
    pub const CALLS_ALIVE: &str = "voiced_calls_alive";
    /// Calls taken, by `carrier`.
    pub const CALLS_TAKEN: &str = "voiced_calls_total";
    /// Calls refused, by `reason`.
    pub const CALLS_REFUSED: &str = "voiced_calls_refused_total";
    /// Calls ended, by `reason`.
    pub const CALLS_ENDED: &str = "voiced_calls_ended_total";
    /// Replies ended, by `outcome`.
    pub const REPLIES: &str = "voiced_replies_total";
    /// Seconds from the end of the caller's speech to the first audio heard.
    pub const VOICE_TO_VOICE: &str = "voiced_voice_to_voice_seconds";
    /// Microphone frames dropped because `listen` was a second behind.
    pub const MIC_DROPPED: &str = "voiced_mic_frames_dropped_total";
    /// Seconds one step of an engine takes, by `engine`.
    pub const ENGINE_STEP_SECONDS: &str = "voiced_engine_step_seconds";
    /// Rows that could step, by `engine`.
    pub const ENGINE_ROWS_READY: &str = "voiced_engine_rows_ready";
    /// Rows whose session does not take outputs, by `engine`.
    pub const ENGINE_ROWS_STALLED: &str = "voiced_engine_rows_stalled";
    /// Leases refused for want of a row, by `engine`.
    pub const ENGINE_REFUSED: &str = "voiced_engine_refused_total";
    /// Seconds from when words were heard until their interpretation sounds.
    pub const EAR_VOICE_SPAN: &str = "voiced_ear_voice_span_seconds";
    /// Lines of an interpretation that were shown but came too late to be said.
    pub const LINES_SKIPPED: &str = "voiced_interpreter_lines_skipped_total";
    /// Facts that meant nothing in the phase they came in.
    pub const EVENTS_IGNORED: &str = "voiced_events_ignored_total";
}
