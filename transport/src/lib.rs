//! Doors of the daemon: carriers move bytes, dialects say what they mean. In reading order:
//!
//! - [`codec`]: PCM, G.711 and Opus; [`jitter`]: order and concealment for RTP; [`pacer`]: the
//!   20 ms beat; [`edge`]: echo cancellation and noise suppression of one microphone;
//! - [`soundfile`]: speech as WAV, FLAC, Ogg Opus or bare PCM, as it is made;
//! - [`openai_realtime`]: the dialect, whatever carries it; [`websocket`]: carries it by itself;
//! - [`vllm_realtime`] and [`mistral_realtime`]: other words for having speech written down;
//! - [`webrtc`]: browsers and other WebRTC peers; `local`: this machine's own sound card;
//! - [`rest`]: speech without a conversation; [`subtitles`]: transcripts for players;
//! - [`http`]: one listener with every HTTP door and the console page; [`keys`]: who may enter.
//!
//! Invariant: wire formats stop here, and nothing here decides anything about a conversation.
pub mod codec;
pub mod edge;
pub mod http;
pub mod jitter;
pub mod keys;
#[cfg(feature = "local-audio")]
pub mod local;
pub mod mistral_realtime;
pub mod openai_realtime;
pub mod pacer;
pub mod rest;
pub mod soundfile;
pub mod subtitles;
pub mod vllm_realtime;
pub mod webrtc;
pub mod websocket;
