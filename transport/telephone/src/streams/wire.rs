//! How carriers write sound, to and from the daemon's own.
use serde_json::Value;
use voiced_core::{
    audio::{SampleRate, from_pcm16, to_pcm16},
    resample::Resampler,
};
use voiced_transport::codec::g711::{self, Law};

/// How sound is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    G711(Law),
    L16(SampleRate),
}

impl Wire {
    pub(super) fn of(is_exotel: bool, format: &Value) -> Option<Wire> {
        let encoding = format["encoding"]
            .as_str()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let rate = format["sampleRate"]
            .as_u64()
            .or(format["sample_rate"].as_u64());
        let rate = rate.or(format["sample_rate"]
            .as_str()
            .and_then(|rate| rate.parse().ok()));
        let rate = SampleRate::new(u32::try_from(rate.unwrap_or(8_000)).ok()?);
        match encoding.as_str() {
            "audio/x-mulaw" | "audio/mulaw" | "pcmu" | "mulaw" => Some(Wire::G711(Law::Mu)),
            "audio/x-alaw" | "pcma" | "alaw" => Some(Wire::G711(Law::A)),
            "audio/x-l16" | "l16" | "audio/l16" | "base64" | "raw/slin" | "slin" => {
                rate.map(Wire::L16)
            }
            // Exotel's stream is 16-bit PCM whatever it calls it.
            _ if is_exotel => rate.map(Wire::L16),
            "" => Some(Wire::G711(Law::Mu)),
            _ => None,
        }
    }

    pub(super) fn rate(self) -> SampleRate {
        match self {
            Wire::G711(_) => SampleRate::TELEPHONE,
            Wire::L16(rate) => rate,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Wire::G711(Law::Mu) => "pcmu",
            Wire::G711(Law::A) => "pcma",
            Wire::L16(_) => "l16",
        }
    }
}

/// Sound to and from the wire.
pub(super) struct Voice {
    pub(super) wire: Wire,
    hearing: Resampler,
    speaking: Resampler,
}

impl Voice {
    pub(super) fn new(wire: Wire) -> Voice {
        Voice {
            wire,
            hearing: Resampler::new(wire.rate(), SampleRate::HEARING),
            speaking: Resampler::new(SampleRate::SPEECH, wire.rate()),
        }
    }

    pub(super) fn heard(&mut self, bytes: &[u8]) -> Vec<f32> {
        let samples = match self.wire {
            Wire::G711(law) => g711::decode(law, bytes),
            Wire::L16(_) => from_pcm16(bytes),
        };
        let mut out = Vec::new();
        self.hearing.process(&samples, &mut out);
        out
    }

    pub(super) fn said(&mut self, samples: &[f32]) -> Vec<u8> {
        let mut out = Vec::new();
        self.speaking.process(samples, &mut out);
        match self.wire {
            Wire::G711(law) => g711::encode(law, &out),
            Wire::L16(_) => to_pcm16(&out),
        }
    }
}
