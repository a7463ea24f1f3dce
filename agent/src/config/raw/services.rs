//! The settings of speech without a call as they are written.
use crate::config::keys::{Kind, section};

section! {
    /// Speech without a conversation: `/v1/audio/transcriptions` and `/v1/audio/speech`. They have
    /// rows of the engines to themselves, beside those of the calls, and never take a call's.
    Services at "services" {
        /// Recordings heard at once; 0 switches the service off.
        transcriptions: u32 = 2, Kind::Whole(0, 1_000);
        /// Texts spoken at once; 0 switches the service off.
        speeches: u32 = 4, Kind::Whole(0, 1_000);
        /// How long a request waits for its turn before it is told to come back later.
        wait_ms: u32 = 5_000, Kind::Whole(0, 60_000);
        /// Largest recording that may be sent.
        max_upload_mib: u32 = 25, Kind::Whole(1, 1_024);
        /// A recording that has not been sent whole by then is refused.
        upload_within_ms: u32 = 120_000, Kind::Whole(1_000, 3_600_000);
        /// Longest recording. A minute takes 4 MB of memory while it is heard.
        max_recording_minutes: u32 = 60, Kind::Whole(1, 1_440);
    }
}
