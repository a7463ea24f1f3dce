//! PCM audio and its rate. Inside the daemon samples are mono `f32` in [-1, 1]; every other form
//! stops at the edge.
use std::time::Duration;

/// Samples per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SampleRate(u32);

impl SampleRate {
    /// G.711: 8 kHz.
    pub const TELEPHONE: SampleRate = SampleRate(8_000);
    /// What voice activity and recognisers hear: 16 kHz.
    pub const HEARING: SampleRate = SampleRate(16_000);
    /// What synthesisers produce and the playout ring holds: 24 kHz.
    pub const SPEECH: SampleRate = SampleRate(24_000);
    /// Opus over WebRTC: 48 kHz.
    pub const WEBRTC: SampleRate = SampleRate(48_000);

    /// A rate as found in a file or negotiated with a device; `None` outside 4–384 kHz.
    pub const fn new(hz: u32) -> Option<SampleRate> {
        if hz >= 4_000 && hz <= 384_000 {
            Some(SampleRate(hz))
        } else {
            None
        }
    }

    /// Samples per second.
    pub const fn hz(self) -> u32 {
        self.0
    }

    /// How long `samples` last.
    pub fn duration_of(self, samples: u64) -> Duration {
        Duration::from_nanos(samples.saturating_mul(1_000_000_000) / u64::from(self.0))
    }

    /// How many whole samples fit into `d`.
    pub fn samples_in(self, d: Duration) -> u64 {
        u64::try_from(d.as_nanos() * u128::from(self.0) / 1_000_000_000).unwrap_or(u64::MAX)
    }
}

/// A stretch of mono audio.
#[derive(Clone, Debug)]
pub struct AudioFrame {
    /// Samples per second.
    pub rate: SampleRate,
    /// Mono samples in [-1, 1].
    pub samples: Box<[f32]>,
}

impl AudioFrame {
    /// A frame of `samples` at `rate`.
    pub fn new(rate: SampleRate, samples: impl Into<Box<[f32]>>) -> Self {
        Self {
            rate,
            samples: samples.into(),
        }
    }

    /// How long the frame lasts.
    pub fn duration(&self) -> Duration {
        self.rate.duration_of(self.samples.len() as u64)
    }
}

/// 16-bit little-endian PCM to samples. A last odd byte is ignored: callers that stream keep it.
pub fn from_pcm16(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(2)
        .map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0)
        .collect()
}

/// Samples to 16-bit little-endian PCM, clipped to full scale.
pub fn to_pcm16(samples: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(samples.len() * 2);
    for sample in samples {
        bytes.extend_from_slice(&pcm16(*sample).to_le_bytes());
    }
    bytes
}

/// One sample as 16-bit PCM, clipped to full scale.
pub fn pcm16(sample: f32) -> i16 {
    // `as` saturates and maps NaN to zero, which is what a loudspeaker wants of both.
    (sample * 32_768.0).round() as i16
}
