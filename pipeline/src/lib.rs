//! Tokio actors that move audio and words. They wait so that the core need not.
//!
//! One call, in reading order: [`call`] is what a carrier hands over; `listen` hears, `session`
//! decides, `think` words, `speak` sounds. All calls share the engines behind [`lease`]s, served by
//! the `worker` loop or by [`remote`] tasks.
//!
//! Invariant: nothing here knows a model or a protocol.
pub mod call;
pub mod lease;
pub mod remote;
