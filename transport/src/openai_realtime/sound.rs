//! Audio inside events: base64 text to samples at 16 kHz and samples at 24 kHz to base64 text, in
//! the formats the protocol knows. Streams are cut anywhere, even inside a sample.
use base64::{
    Engine as _, alphabet,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
    },
};
use serde_json::{Value, json};
use voiced_core::{
    audio::{SampleRate, from_pcm16, pcm16, to_pcm16},
    resample::Resampler,
};

use super::{events::WireError, fields::Fields};
use crate::codec::g711::{self, Law};

/// Most audio one append may carry, decoded: the protocol's own limit.
pub const MAX_APPEND_BYTES: usize = 15 * 1024 * 1024;

/// Takes base64 with and without padding, since both are sent.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The bytes of a base64 text, padded or not; `None` when it is none.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text.trim_ascii()).ok()
}

/// How audio is written in events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 16-bit little-endian mono.
    Pcm(SampleRate),
    /// 8 kHz, one byte a sample.
    G711(Law),
}

impl Default for Format {
    fn default() -> Self {
        Format::Pcm(SampleRate::SPEECH)
    }
}

impl Format {
    /// Reads the `format` key of an audio object. Rates other than 24 kHz are an extension.
    pub fn read(audio: &Fields<'_>) -> Result<Option<Format>, WireError> {
        let Some(format) = audio.object("format")? else {
            return Ok(None);
        };
        format.only(&["type", "rate"])?;
        format.required_string("type")?;
        let kinds = ["audio/pcm", "audio/pcmu", "audio/pcma"];
        match format.word("type", &kinds)? {
            Some("audio/pcmu") => Ok(Some(Format::G711(Law::Mu))),
            Some("audio/pcma") => Ok(Some(Format::G711(Law::A))),
            _ => match format.integer("rate", 0..=384_000)? {
                None | Some(24_000) => Ok(Some(Format::default())),
                Some(8_000) => Ok(Some(Format::Pcm(SampleRate::TELEPHONE))),
                Some(16_000) => Ok(Some(Format::Pcm(SampleRate::HEARING))),
                Some(48_000) => Ok(Some(Format::Pcm(SampleRate::WEBRTC))),
                Some(_) => Err(format.invalid(
                    "rate",
                    "Invalid rate. Supported values are: 24000, 8000, 16000 and 48000.",
                )),
            },
        }
    }

    /// As the wire shows it.
    pub fn to_wire(self) -> Value {
        match self {
            Format::Pcm(rate) => json!({"type": "audio/pcm", "rate": rate.hz()}),
            Format::G711(Law::Mu) => json!({"type": "audio/pcmu"}),
            Format::G711(Law::A) => json!({"type": "audio/pcma"}),
        }
    }

    fn rate(self) -> SampleRate {
        match self {
            Format::Pcm(rate) => rate,
            Format::G711(_) => SampleRate::TELEPHONE,
        }
    }
}

/// What the client says: base64 to samples at `SampleRate::HEARING`.
pub struct SoundIn {
    format: Format,
    resampler: Resampler,
    /// Half a sample, kept for the next append.
    odd: Option<u8>,
}

impl SoundIn {
    /// A stream in `format`.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            resampler: Resampler::new(format.rate(), SampleRate::HEARING),
            odd: None,
        }
    }

    /// The stream's format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Decodes one append.
    pub fn take(&mut self, audio: &str) -> Result<Vec<f32>, WireError> {
        let refuse = |message: String| {
            Err(WireError::new(
                "invalid_value",
                message,
                Some("audio".into()),
            ))
        };
        if audio.len() / 4 * 3 > MAX_APPEND_BYTES + 2 {
            return refuse(format!(
                "Invalid 'audio': more than {MAX_APPEND_BYTES} bytes in one append; send less at \
                 a time."
            ));
        }
        let Some(bytes) = decode_base64(audio) else {
            return refuse("Invalid 'audio': expected base64-encoded audio bytes.".into());
        };
        let samples = match self.format {
            Format::G711(law) => g711::decode(law, &bytes),
            Format::Pcm(_) => from_pcm16(&self.whole_samples(bytes)),
        };
        let mut heard = Vec::with_capacity(samples.len());
        self.resampler.process(&samples, &mut heard);
        Ok(heard)
    }

    fn whole_samples(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let mut bytes = match self.odd.take() {
            None => bytes,
            Some(odd) => [&[odd], bytes.as_slice()].concat(),
        };
        if bytes.len() % 2 == 1 {
            self.odd = bytes.pop();
        }
        bytes
    }
}

/// What was sent of one reply's sound, at `SampleRate::SPEECH`, as far as it is kept.
#[derive(Debug, Default)]
pub struct Take(pub Vec<i16>);

impl Take {
    /// Keeps more, up to the longest that is shown.
    pub fn keep(&mut self, samples: &[f32]) {
        let most = SampleRate::SPEECH.samples_in(super::recall::LONGEST);
        let room = usize::try_from(most).unwrap_or(usize::MAX) - self.0.len();
        let kept = samples.iter().take(room).map(|sample| pcm16(*sample));
        self.0.extend(kept);
    }
}

/// What the client hears: samples at `SampleRate::SPEECH` to base64.
pub struct SoundOut {
    format: Format,
    resampler: Resampler,
}

impl SoundOut {
    /// A stream in `format`.
    pub fn new(format: Format) -> Self {
        Self::between(SampleRate::SPEECH, format)
    }

    /// A stream of samples at `rate` in `format`.
    pub fn between(rate: SampleRate, format: Format) -> Self {
        Self {
            format,
            resampler: Resampler::new(rate, format.rate()),
        }
    }

    /// Encodes a whole sound.
    pub fn whole(mut self, samples: &[i16]) -> String {
        let samples: Vec<f32> = samples.iter().map(|s| f32::from(*s) / 32_768.0).collect();
        let mut out = Vec::with_capacity(samples.len() * 3 / 2);
        self.resampler.process(&samples, &mut out);
        self.resampler.flush(&mut out);
        self.encode(&out)
    }

    /// Encodes the next stretch; empty when nothing is ready yet.
    pub fn give(&mut self, samples: &[f32]) -> String {
        let mut out = Vec::with_capacity(samples.len());
        self.resampler.process(samples, &mut out);
        self.encode(&out)
    }

    /// Encodes what was still inside: the last samples of a reply.
    pub fn finish(&mut self) -> String {
        let mut out = Vec::new();
        self.resampler.flush(&mut out);
        self.encode(&out)
    }

    fn encode(&self, samples: &[f32]) -> String {
        STANDARD.encode(match self.format {
            Format::G711(law) => g711::encode(law, samples),
            Format::Pcm(_) => to_pcm16(samples),
        })
    }
}
