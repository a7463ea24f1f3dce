//! MP3: MPEG-2 Layer III, 96 kb/s, mono. The encoder hands its frames over at the end only, so
//! this is the one form that does not leave while it is made; 12 kB a second are kept until then.
use oxideav_mp3::{frame::ChannelMode, stream_encoder::Mp3Encoder};
use voiced_core::audio::SampleRate;

use super::SoundFileError;

/// Bits a second, in thousands. At 64 the encoder's noise lies 15 dB below speech, at 96 it lies
/// 37 dB below (measured on the embedded voice, decoded by FFmpeg).
const KBPS: u32 = 96;

/// An MP3 being made.
pub struct Mp3 {
    /// `None` once finished.
    encoder: Option<Mp3Encoder>,
    scratch: Vec<i16>,
}

impl Mp3 {
    /// An empty one.
    pub fn new() -> Result<Self, SoundFileError> {
        let hz = SampleRate::SPEECH.hz();
        let encoder = Mp3Encoder::new(KBPS, hz, ChannelMode::SingleChannel);
        Ok(Self {
            encoder: Some(encoder.map_err(failed)?),
            scratch: Vec::new(),
        })
    }

    /// Takes samples.
    pub fn push(&mut self, samples: &[f32]) -> Result<(), SoundFileError> {
        self.scratch.clear();
        let pcm = samples
            .iter()
            .map(|s| (s.clamp(-1.0, 1.0) * 32_767.0).round() as i16);
        self.scratch.extend(pcm);
        match &mut self.encoder {
            Some(encoder) => encoder.push_samples(&self.scratch).map_err(failed),
            None => Ok(()),
        }
    }

    /// Appends all of it.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), SoundFileError> {
        if let Some(encoder) = self.encoder.take() {
            encoder.finish(out).map_err(failed)?;
        }
        Ok(())
    }
}

fn failed(error: impl std::fmt::Display) -> SoundFileError {
    SoundFileError::Mp3(error.to_string())
}
