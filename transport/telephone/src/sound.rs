//! The sound of one call between the line and the daemon: decoded, mended, cleaned one way;
//! limited, encoded the other. Pure: time is passed in, nothing waits.
pub mod conceal;
pub mod ear;
pub mod media;
pub mod mouth;
pub mod tones;
