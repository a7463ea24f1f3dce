//! The agent's voice into Opus: 20 ms of 24 kHz in, one packet out, with the previous frame's
//! redundancy inside for the loss the far end reports.
use bytes::Bytes;
use opus::{Application, Bitrate, Channels, Encoder, Signal};
use voiced_core::{audio::SampleRate, playout::FRAME};

use super::CodecError;

/// The largest packet Opus makes of one frame.
const LARGEST: usize = 1_275;

/// How hard to try and how much to spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusSettings {
    /// libopus complexity, 0 to 10.
    pub complexity: u8,
    /// Bits per second on average, redundancy included.
    pub bitrate: u32,
    /// Loss to be ready for before the far end has reported any, in per cent.
    pub expected_loss: u8,
}

impl Default for OpusSettings {
    /// Complexity 5: 156 µs a frame where 3 takes 129, 8 takes 190 and 0 takes 43 (two cores of an
    /// EPYC of 2023, shared; `cargo test -p voiced-transport opus_cost -- --ignored --nocapture`).
    /// It is where libopus' pitch analysis and noise shaping are complete, and the whole of a
    /// talking call, cryptography included, then takes 1.2 % of a core (`webrtc_cost`). 32 kb/s is
    /// speech up to 12 kHz with redundancy. At five per cent of expected loss libopus begins to
    /// spend bits on redundancy at that rate.
    fn default() -> Self {
        Self {
            complexity: 5,
            bitrate: 32_000,
            expected_loss: 5,
        }
    }
}

/// One direction of one call.
pub struct OpusEncoder {
    encoder: Encoder,
    expected_loss: u8,
    least_loss: u8,
}

impl OpusEncoder {
    /// An encoder for mono speech at `SampleRate::SPEECH`. Opus' own discontinuous transmission is
    /// off: the carrier knows when the agent is silent and need not guess it from the sound.
    pub fn new(settings: OpusSettings) -> Result<Self, CodecError> {
        let mut encoder = Encoder::new(SampleRate::SPEECH.hz(), Channels::Mono, Application::Voip)?;
        encoder.set_complexity(i32::from(settings.complexity.min(10)))?;
        encoder.set_bitrate(Bitrate::Bits(
            i32::try_from(settings.bitrate.clamp(6_000, 128_000)).unwrap_or(32_000),
        ))?;
        encoder.set_signal(Signal::Voice)?;
        encoder.set_inband_fec(true)?;
        encoder.set_dtx(false)?;
        let mut this = Self {
            encoder,
            expected_loss: u8::MAX,
            least_loss: settings.expected_loss.min(100),
        };
        this.expect_loss(0)?;
        Ok(this)
    }

    /// Tells how many per cent of the packets the far end misses. Never goes below the configured
    /// expectation.
    pub fn expect_loss(&mut self, percent: u8) -> Result<(), CodecError> {
        let percent = percent.clamp(self.least_loss, 100);
        if percent != self.expected_loss {
            self.encoder.set_packet_loss_perc(i32::from(percent))?;
            self.expected_loss = percent;
        }
        Ok(())
    }

    /// One frame to one packet.
    pub fn encode(&mut self, samples: &[f32; FRAME]) -> Result<Bytes, CodecError> {
        let mut packet = [0; LARGEST];
        let length = self.encoder.encode_float(samples, &mut packet)?;
        Ok(Bytes::copy_from_slice(&packet[..length]))
    }
}
