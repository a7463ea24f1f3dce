//! What the far end hears: 20 ms of the agent in at every beat, one payload out. Packets never stop
//! while the line is open: gateways take silence on the wire for a dead call.
use audio_codec::{Encoder as _, g722::G722Encoder};
use voiced_core::{
    audio::{SampleRate, pcm16},
    playout::{FRAME, PlayoutFrame},
    resample::Resampler,
};
use voiced_transport::codec::{
    g711::{self, Law},
    opus_encoder::{OpusEncoder, OpusSettings},
};

use crate::sdp::Codec;

/// Peaks above this (-3 dBFS) are bent down: what clips in a telephone network sounds broken.
const HEADROOM: f32 = 0.707;
/// Put in front so that a filter's delay never leaves a beat short: 5 ms.
const LEAD_MS: usize = 5;

/// The encoder of one call.
pub struct Mouth {
    codec: Codec,
    encoder: Encoder,
    resampler: Resampler,
    /// At the codec's rate and not yet sent.
    pending: Vec<f32>,
    /// Samples of 20 ms at the codec's rate.
    beat: usize,
}

enum Encoder {
    G711(Law),
    G722(Box<G722Encoder>),
    Opus(Box<OpusEncoder>),
}

impl Mouth {
    /// An encoder for `codec`; µ-law stands in where Opus cannot be made.
    pub fn new(codec: Codec, opus: OpusSettings) -> Mouth {
        let (encoder, rate) = match codec {
            Codec::Pcmu => (Encoder::G711(Law::Mu), SampleRate::TELEPHONE),
            Codec::Pcma => (Encoder::G711(Law::A), SampleRate::TELEPHONE),
            Codec::G722 => (
                Encoder::G722(Box::new(G722Encoder::new())),
                SampleRate::HEARING,
            ),
            Codec::Opus => match OpusEncoder::new(opus) {
                Ok(encoder) => (Encoder::Opus(Box::new(encoder)), SampleRate::SPEECH),
                Err(_) => (Encoder::G711(Law::Mu), SampleRate::TELEPHONE),
            },
        };
        let lead = if rate == SampleRate::SPEECH {
            0
        } else {
            LEAD_MS * rate.hz() as usize / 1_000
        };
        Mouth {
            codec,
            encoder,
            resampler: Resampler::new(SampleRate::SPEECH, rate),
            pending: vec![0.0; lead],
            beat: rate.hz() as usize / 50,
        }
    }

    /// What it speaks.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Ticks of the RTP clock in a beat.
    pub fn step(&self) -> u32 {
        self.codec.clock() / 50
    }

    /// The payload of this beat. `None`: the agent is silent.
    pub fn frame(&mut self, frame: Option<&PlayoutFrame>) -> Vec<u8> {
        const SILENCE: [f32; FRAME] = [0.0; FRAME];
        let samples = frame
            .filter(|frame| !frame.is_last)
            .map_or(&SILENCE, |frame| &frame.samples);
        let from = self.pending.len();
        self.resampler.process(samples, &mut self.pending);
        for sample in &mut self.pending[from..] {
            *sample = limited(*sample);
        }
        if self.pending.len() < self.beat {
            self.pending.resize(self.beat, 0.0);
        }
        let beat: Vec<f32> = self.pending.drain(..self.beat).collect();
        match &mut self.encoder {
            Encoder::G711(law) => g711::encode(*law, &beat),
            Encoder::G722(encoder) => {
                let samples: Vec<i16> = beat.iter().map(|sample| pcm16(*sample)).collect();
                let mut payload = vec![0; self.beat];
                let count = encoder.encode_into(&samples, &mut payload).unwrap_or(0);
                payload.truncate(count);
                payload
            }
            Encoder::Opus(encoder) => {
                let mut whole = [0.0; FRAME];
                whole.copy_from_slice(&beat);
                encoder
                    .encode(&whole)
                    .map(|packet| packet.to_vec())
                    .unwrap_or_default()
            }
        }
    }
}

/// Straight up to the headroom, then ever flatter, never beyond full scale.
fn limited(sample: f32) -> f32 {
    let size = sample.abs();
    if size <= HEADROOM {
        return sample;
    }
    let over = (size - HEADROOM) / (1.0 - HEADROOM);
    let bent = HEADROOM + (1.0 - HEADROOM) * 0.5 * over.tanh();
    bent.copysign(sample)
}
