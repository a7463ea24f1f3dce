//! What the far end says: packets in as they come, 20 ms of 16 kHz out at every beat, whatever
//! came. Codecs may change in the middle of a stream; each packet is decoded as what it is.
use std::time::Duration;

use audio_codec::{Decoder as _, g722::G722Decoder};
use bytes::Bytes;
use voiced_core::{audio::SampleRate, resample::Resampler};
use voiced_transport::{
    codec::{
        MIC_FRAME,
        g711::{self, Law},
        opus_decoder::{OpusDecoder, duration_48k},
    },
    jitter::{Counts, Hurry, JitterBuffer, Packet as Waiting, Play},
};

use super::conceal::Concealer;
use crate::{rtp::Packet, sdp::Codec};

/// The jitter buffer counts on Opus' clock.
const CLOCK: u32 = 48_000;
/// Below this mean square (-50 dBFS) a frame may be left out without anybody noticing.
const QUIET: f32 = 1e-5;
/// Frames left out at most in one beat to catch up.
const MOST_LEFT_OUT: usize = 4;
/// Stands for comfort noise where a codec's payload type stands otherwise. Two bytes in all are
/// what the jitter buffer takes for "a pause follows".
const NOISE: u8 = 255;
/// The longest packet that is decoded: 120 ms.
const LONGEST_MS: usize = 120;

/// The ear of one call.
pub struct Ear {
    jitter: JitterBuffer,
    /// What each payload type is.
    codecs: Vec<(u8, Codec)>,
    comfort_noise: Option<u8>,
    decoding: Decoding,
    /// Decoded at 16 kHz and not yet given out.
    pending: Vec<f32>,
    noise: Noise,
}

/// The decoder in use.
enum Decoding {
    None,
    /// Sound at the codec's own rate is mended, then brought to 16 kHz.
    Waveform(Box<Waveform>),
    Opus(Box<OpusDecoder>),
}

struct Waveform {
    codec: Codec,
    g722: Option<G722Decoder>,
    concealer: Concealer,
    resampler: Resampler,
    decoded: Vec<f32>,
    mended: Vec<f32>,
}

/// Comfort noise (RFC 3389): the level of theirs, our own colour.
#[derive(Default)]
struct Noise {
    amplitude: f32,
    seed: u32,
}

impl Noise {
    fn set(&mut self, level: u8) {
        // In -dBov.
        self.amplitude = 10_f32.powf(-f32::from(level & 0x7F) / 20.0) * 1.7;
    }

    fn fill(&mut self, count: usize, out: &mut Vec<f32>) {
        for _ in 0..count {
            self.seed = self
                .seed
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            out.push(self.amplitude * (self.seed as f32 / u32::MAX as f32 - 0.5));
        }
    }
}

impl Ear {
    /// An ear for these payload types.
    pub fn new(codecs: Vec<(u8, Codec)>, comfort_noise: Option<u8>) -> Ear {
        Ear {
            jitter: JitterBuffer::new(),
            codecs,
            comfort_noise,
            decoding: Decoding::None,
            pending: Vec::with_capacity(4 * MIC_FRAME),
            noise: Noise::default(),
        }
    }

    /// The payload types are others from now on.
    pub fn agree(&mut self, codecs: Vec<(u8, Codec)>, comfort_noise: Option<u8>) {
        self.codecs = codecs;
        self.comfort_noise = comfort_noise;
    }

    /// What became of the packets so far.
    pub fn counts(&self) -> Counts {
        self.jitter.counts()
    }

    /// How long packets wait for others.
    pub fn delay(&self) -> Duration {
        self.jitter.target()
    }

    /// The codec a payload type stands for.
    pub fn codec_of(&self, payload_type: u8) -> Option<Codec> {
        let known = self.codecs.iter().find(|(known, _)| *known == payload_type);
        known.map(|(_, codec)| *codec)
    }

    /// A packet arrived. What was not agreed on is ignored.
    pub fn packet(&mut self, now: Duration, packet: &Packet<'_>) {
        let (kind, duration, clock, payload) = if Some(packet.payload_type) == self.comfort_noise {
            (
                NOISE,
                CLOCK / 50,
                8_000,
                packet.payload.get(..1).unwrap_or(&[70]),
            )
        } else {
            let Some(codec) = self.codec_of(packet.payload_type) else {
                return;
            };
            let duration = match codec {
                Codec::Opus => duration_48k(packet.payload),
                // One byte is 125 µs of any of them.
                _ => u32::try_from(packet.payload.len() * 6).ok(),
            };
            let longest = LONGEST_MS as u32 * (CLOCK / 1_000);
            let Some(duration) = duration.filter(|duration| *duration > 0 && *duration <= longest)
            else {
                return;
            };
            (packet.payload_type, duration, codec.clock(), packet.payload)
        };
        let mut kept = Vec::with_capacity(payload.len() + 1);
        kept.push(kind);
        kept.extend_from_slice(payload);
        self.jitter.insert(
            now,
            Waiting {
                ssrc: packet.ssrc,
                sequence: packet.sequence,
                // Differences on the circle of 2^32 stay right when multiplied.
                timestamp: packet.timestamp.wrapping_mul(CLOCK / clock),
                duration,
                payload: Bytes::from(kept),
            },
        );
    }

    /// The next 20 ms.
    pub fn frame(&mut self, now: Duration) -> [f32; MIC_FRAME] {
        let mut left_out = 0;
        while self.pending.len() < MIC_FRAME {
            let play = self.jitter.pull(now);
            self.play(play, &mut left_out);
        }
        let mut frame = [0.0; MIC_FRAME];
        frame.copy_from_slice(&self.pending[..MIC_FRAME]);
        self.pending.drain(..MIC_FRAME);
        frame
    }

    fn play(&mut self, play: Play, left_out: &mut usize) {
        let start = self.pending.len();
        match play {
            Play::Packet { packet, hurry } => {
                let (kind, payload) = (packet.payload[0], &packet.payload[1..]);
                if kind == NOISE {
                    self.noise.set(payload.first().copied().unwrap_or(70));
                    self.noise.fill(MIC_FRAME, &mut self.pending);
                    return;
                }
                self.noise.amplitude = 0.0;
                self.decode(kind, payload, packet.duration);
                let skip = match hurry {
                    Hurry::No => false,
                    Hurry::IfQuiet => is_quiet(&self.pending[start..]),
                    Hurry::Now => true,
                };
                if skip && *left_out < MOST_LEFT_OUT && self.pending.len() > start {
                    *left_out += 1;
                    self.pending.truncate(start);
                    return;
                }
            }
            Play::FecFrom { next, duration } => {
                let rebuilt = match (&mut self.decoding, next.split_first()) {
                    (Decoding::Opus(decoder), Some((_, payload))) => {
                        let samples = (duration / 3) as usize;
                        decoder.recover(payload, samples, &mut self.pending).is_ok()
                    }
                    _ => false,
                };
                if !rebuilt {
                    self.conceal(duration);
                }
            }
            Play::Conceal { duration } => self.conceal(duration),
            Play::Silence { duration } => {
                self.noise.fill((duration / 3) as usize, &mut self.pending);
            }
        }
        if self.pending.len() == start {
            // Time goes on, whatever happens.
            self.pending.resize(start + 40, 0.0);
        }
    }

    fn decode(&mut self, payload_type: u8, payload: &[u8], duration: u32) {
        let Some(codec) = self.codec_of(payload_type) else {
            return self.conceal(duration);
        };
        self.decoding.switch_to(codec);
        let is_damaged = match &mut self.decoding {
            Decoding::None => true,
            Decoding::Opus(decoder) => decoder.decode(payload, &mut self.pending).is_err(),
            Decoding::Waveform(waveform) => {
                waveform.decode(payload, &mut self.pending);
                false
            }
        };
        if is_damaged {
            self.conceal(duration);
        }
    }

    fn conceal(&mut self, duration: u32) {
        let samples = (duration / 3) as usize;
        match &mut self.decoding {
            Decoding::Opus(decoder) => {
                // What cannot even be guessed is silence.
                if decoder.conceal(samples, &mut self.pending).is_err() {
                    self.pending.resize(self.pending.len() + samples, 0.0);
                }
            }
            Decoding::Waveform(waveform) => waveform.conceal(duration, &mut self.pending),
            Decoding::None => self.pending.resize(self.pending.len() + samples, 0.0),
        }
    }
}

impl Decoding {
    fn switch_to(&mut self, codec: Codec) {
        let is_it = match self {
            Decoding::None => false,
            Decoding::Waveform(waveform) => waveform.codec == codec,
            Decoding::Opus(_) => codec == Codec::Opus,
        };
        if !is_it {
            *self = match codec {
                Codec::Opus => OpusDecoder::new()
                    .map_or(Decoding::None, |decoder| Decoding::Opus(Box::new(decoder))),
                codec => Decoding::Waveform(Box::new(Waveform::new(codec))),
            };
        }
    }
}

impl Waveform {
    fn new(codec: Codec) -> Waveform {
        let rate = if codec == Codec::G722 {
            SampleRate::HEARING
        } else {
            SampleRate::TELEPHONE
        };
        Waveform {
            codec,
            g722: (codec == Codec::G722).then(G722Decoder::new),
            concealer: Concealer::new(rate.hz()),
            resampler: Resampler::new(rate, SampleRate::HEARING),
            decoded: Vec::new(),
            mended: Vec::new(),
        }
    }

    fn decode(&mut self, payload: &[u8], out: &mut Vec<f32>) {
        self.decoded.clear();
        match (self.codec, &mut self.g722) {
            (Codec::Pcma, _) => self.decoded = g711::decode(Law::A, payload),
            (Codec::G722, Some(decoder)) => {
                let mut samples = [0_i16; LONGEST_MS * 16];
                let count = decoder.decode_into(payload, &mut samples).unwrap_or(0);
                self.decoded
                    .extend(samples[..count].iter().map(|s| f32::from(*s) / 32_768.0));
            }
            _ => self.decoded = g711::decode(Law::Mu, payload),
        }
        self.mended.clear();
        self.concealer.real(&self.decoded, &mut self.mended);
        self.resampler.process(&self.mended, out);
    }

    fn conceal(&mut self, duration: u32, out: &mut Vec<f32>) {
        let per_tick = if self.codec == Codec::G722 { 3 } else { 6 };
        self.mended.clear();
        self.concealer
            .lost((duration / per_tick) as usize, &mut self.mended);
        self.resampler.process(&self.mended, out);
    }
}

fn is_quiet(samples: &[f32]) -> bool {
    let energy: f32 = samples.iter().map(|s| s * s).sum();
    energy < QUIET * samples.len() as f32
}
