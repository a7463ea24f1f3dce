//! Audio as Mistral's clients send it: integers, floats or G.711 in base64, at any rate.
use serde_json::{Value, json};
use voiced_core::{audio::SampleRate, resample::Resampler};

use super::LONGEST_APPEND;
use crate::{
    codec::g711::{self, Law},
    openai_realtime::{events::WireError, fields::Fields, sound::decode_base64},
};

const ENCODINGS: [&str; 6] = [
    "pcm_s16le",
    "pcm_s32le",
    "pcm_f16le",
    "pcm_f32le",
    "pcm_mulaw",
    "pcm_alaw",
];

/// How a client writes its audio; always one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioFormat {
    /// Position in [`ENCODINGS`].
    encoding: usize,
    rate: SampleRate,
}

impl Default for AudioFormat {
    fn default() -> Self {
        Self {
            encoding: 0,
            rate: SampleRate::HEARING,
        }
    }
}

impl AudioFormat {
    /// Reads the `audio_format` object.
    ///
    /// # Errors
    /// When it is of no kind that is known.
    pub fn read(fields: &Fields<'_>) -> Result<Self, WireError> {
        fields.only(&["encoding", "sample_rate"])?;
        let word = fields.word("encoding", &ENCODINGS)?;
        let encoding = ENCODINGS.iter().position(|known| Some(*known) == word);
        let rate = fields
            .integer("sample_rate", 8_000..=48_000)?
            .unwrap_or(16_000);
        let rate = u32::try_from(rate).ok().and_then(SampleRate::new);
        let Some(rate) = rate else {
            return Err(fields.invalid("sample_rate", "Audio at this rate is not understood."));
        };
        Ok(Self {
            encoding: encoding.unwrap_or(0),
            rate,
        })
    }

    /// As the wire shows it.
    pub fn to_wire(self) -> Value {
        json!({"encoding": ENCODINGS[self.encoding], "sample_rate": self.rate.hz()})
    }

    /// Bytes of one sample.
    fn width(self) -> usize {
        [2, 4, 2, 4, 1, 1][self.encoding]
    }
}

/// Decodes one client's stream, cut anywhere.
pub(super) struct AudioDecoder {
    format: AudioFormat,
    resampler: Resampler,
    /// Bytes that do not make a sample yet.
    rest: Vec<u8>,
}

impl AudioDecoder {
    pub fn new(format: AudioFormat) -> Self {
        Self {
            format,
            resampler: Resampler::new(format.rate, SampleRate::HEARING),
            rest: Vec::new(),
        }
    }

    /// Decodes one append to samples at `SampleRate::HEARING`.
    pub fn take(&mut self, audio: &str) -> Result<Vec<f32>, WireError> {
        let refuse = |message: String| {
            Err(WireError::new(
                "invalid_audio",
                message,
                Some("audio".into()),
            ))
        };
        if audio.len() / 4 * 3 > LONGEST_APPEND + 2 {
            return refuse(format!("More than {LONGEST_APPEND} bytes in one append."));
        }
        let Some(bytes) = decode_base64(audio) else {
            return refuse("Expected base64-encoded audio bytes.".into());
        };
        self.rest.extend(bytes);
        let whole = self.rest.len() / self.format.width() * self.format.width();
        let bytes: Vec<u8> = self.rest.drain(..whole).collect();
        let samples = decode(self.format.encoding, &bytes);
        let mut heard = Vec::with_capacity(samples.len());
        self.resampler.process(&samples, &mut heard);
        Ok(heard)
    }
}

fn decode(encoding: usize, bytes: &[u8]) -> Vec<f32> {
    let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    let fours = || bytes.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
    // What is no number is silence.
    let number = |sample: f32| {
        if sample.is_finite() {
            sample.clamp(-1.0, 1.0)
        } else {
            0.0
        }
    };
    match encoding {
        0 => pairs()
            .map(|b| f32::from(i16::from_le_bytes(b)) / 32_768.0)
            .collect(),
        1 => fours()
            .map(|b| (f64::from(i32::from_le_bytes(b)) / 2_147_483_648.0) as f32)
            .collect(),
        2 => pairs()
            .map(|b| number(half(u16::from_le_bytes(b))))
            .collect(),
        3 => fours().map(|b| number(f32::from_le_bytes(b))).collect(),
        4 => g711::decode(Law::Mu, bytes),
        _ => g711::decode(Law::A, bytes),
    }
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1F);
    let fraction = f32::from(bits & 0x3FF) / 1_024.0;
    sign * match exponent {
        0 => fraction * 2.0_f32.powi(-14),
        31 => f32::NAN,
        _ => (1.0 + fraction) * 2.0_f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    #[test]
    fn every_encoding_says_the_same_half() {
        let cases: [(usize, Vec<u8>); 4] = [
            (0, 16_384_i16.to_le_bytes().to_vec()),
            (1, 1_073_741_824_i32.to_le_bytes().to_vec()),
            (2, 0x3800_u16.to_le_bytes().to_vec()),
            (3, 0.5_f32.to_le_bytes().to_vec()),
        ];
        for (encoding, bytes) in cases {
            assert_eq!(decode(encoding, &bytes), [0.5], "{}", ENCODINGS[encoding]);
        }
        assert_eq!(decode(2, &[0x00, 0x7C]), [0.0], "infinity is silence");
        assert_eq!(half(0x0001), 2.0_f32.powi(-24), "the smallest there is");
        assert_eq!(decode(4, &[0xFF]).len(), 1);
        assert_eq!(decode(5, &[0xD5]).len(), 1);
    }

    #[test]
    fn a_stream_may_be_cut_inside_a_sample() {
        let mut decoder = AudioDecoder::new(AudioFormat {
            encoding: 3,
            rate: SampleRate::HEARING,
        });
        let bytes: Vec<u8> = [0.25_f32, -0.25]
            .iter()
            .flat_map(|s| s.to_le_bytes())
            .collect();
        let mut heard = Vec::new();
        for part in bytes.chunks(3) {
            heard.extend(decoder.take(&STANDARD.encode(part)).unwrap());
        }
        assert_eq!(heard, [0.25, -0.25]);
        assert!(decoder.take("%").is_err());
        assert!(decoder.take(&"A".repeat(400_000)).is_err());
    }
}
