//! Codecs at the edge: what a carrier's far end speaks, to and from mono `f32`.
//!
//! Guarantees: any bytes may be decoded without a panic, and nothing here waits or keeps time.
pub mod g711;
pub mod opus_decoder;
pub mod opus_encoder;

/// Samples of 20 ms at `SampleRate::HEARING`: one frame of the microphone.
pub const MIC_FRAME: usize = 320;

/// A codec said no.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The encoder could not be made or refused a frame.
    #[error("the Opus encoder failed: {0}")]
    Encoder(#[from] opus::Error),
    /// The decoder could not be made.
    #[error("the Opus decoder could not be made (libopus error {0})")]
    Decoder(i32),
    /// The bytes are not an Opus packet, or a damaged one. Treat it as lost.
    #[error("not a valid Opus packet (libopus error {0})")]
    Packet(i32),
}
