//! What the peer says: RTP in as it comes, 20 ms of 16 kHz out at every beat.
use std::time::Duration;

use rtc::rtp;

use crate::{
    codec::{CodecError, MIC_FRAME, opus_decoder::OpusDecoder, opus_decoder::duration_48k},
    jitter::{Counts, Hurry, JitterBuffer, Packet, Play},
};

/// Frames left out at most in one beat to catch up.
const MOST_LEFT_OUT: usize = 4;
/// Below this mean square (-50 dBFS) a frame may be left out without anybody noticing.
const QUIET: f32 = 1e-5;
/// The RTP clock runs at three times the rate heard.
const TO_HEARING: u32 = 3;

pub(super) struct Ear {
    jitter: JitterBuffer,
    decoder: OpusDecoder,
    /// Decoded and not yet given out.
    pending: Vec<f32>,
}

impl Ear {
    pub(super) fn new() -> Result<Self, CodecError> {
        Ok(Self {
            jitter: JitterBuffer::new(),
            decoder: OpusDecoder::new()?,
            pending: Vec::with_capacity(4 * MIC_FRAME),
        })
    }

    pub(super) fn counts(&self) -> Counts {
        self.jitter.counts()
    }

    /// A packet arrived. What is not Opus is ignored.
    pub(super) fn packet(&mut self, now: Duration, packet: rtp::Packet) {
        if let Some(duration) = duration_48k(&packet.payload) {
            let packet = Packet {
                ssrc: packet.header.ssrc,
                sequence: packet.header.sequence_number,
                timestamp: packet.header.timestamp,
                duration,
                payload: packet.payload,
            };
            self.jitter.insert(now, packet);
        }
    }

    /// The next 20 ms, whatever came.
    pub(super) fn frame(&mut self, now: Duration) -> [f32; MIC_FRAME] {
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
        let done = match play {
            Play::Packet { packet, hurry } => {
                let done = self.decoder.decode(&packet.payload, &mut self.pending);
                let skip = done.is_ok()
                    && match hurry {
                        Hurry::No => false,
                        Hurry::IfQuiet => is_quiet(&self.pending[start..]),
                        Hurry::Now => true,
                    };
                if skip && *left_out < MOST_LEFT_OUT {
                    // Decoded all the same: the decoder must not miss it.
                    *left_out += 1;
                    self.pending.truncate(start);
                    return;
                }
                // A damaged packet is a lost one.
                done.or_else(|_| self.conceal(packet.duration))
            }
            Play::FecFrom { next, duration } => {
                let samples = (duration / TO_HEARING) as usize;
                self.decoder
                    .recover(&next, samples, &mut self.pending)
                    .or_else(|_| self.conceal(duration))
            }
            Play::Conceal { duration } => self.conceal(duration),
            Play::Silence { duration } => {
                self.silence((duration / TO_HEARING) as usize);
                Ok(0)
            }
        };
        if done.is_err() || self.pending.len() == start {
            // Time goes on, whatever happens: never less than the smallest Opus frame.
            self.silence(40);
        }
    }

    fn conceal(&mut self, duration: u32) -> Result<usize, CodecError> {
        self.decoder
            .conceal((duration / TO_HEARING) as usize, &mut self.pending)
    }

    fn silence(&mut self, samples: usize) {
        self.pending.resize(self.pending.len() + samples, 0.0);
    }
}

fn is_quiet(samples: &[f32]) -> bool {
    let energy: f32 = samples.iter().map(|s| s * s).sum();
    energy < QUIET * samples.len() as f32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::codec::opus_encoder::{OpusEncoder, OpusSettings};
    use bytes::Bytes;
    use std::f32::consts::TAU;
    use voiced_core::playout::FRAME;

    fn tone(frames: u16) -> Vec<rtp::Packet> {
        let mut encoder = OpusEncoder::new(OpusSettings::default()).unwrap();
        (0..frames)
            .map(|n| {
                let samples: [f32; FRAME] = std::array::from_fn(|k| {
                    0.3 * ((usize::from(n) * FRAME + k) as f32 * 440.0 * TAU / 24_000.0).sin()
                });
                rtp::Packet {
                    header: rtp::Header {
                        sequence_number: n,
                        timestamp: u32::from(n) * 960,
                        ssrc: 1,
                        ..rtp::Header::default()
                    },
                    payload: encoder.encode(&samples).unwrap(),
                }
            })
            .collect()
    }

    fn level(frame: &[f32]) -> f32 {
        (frame.iter().map(|s| s * s).sum::<f32>() / frame.len() as f32).sqrt()
    }

    fn hear(packets: Vec<rtp::Packet>, beats: u64) -> (Vec<f32>, Counts) {
        let mut ear = Ear::new().unwrap();
        let mut packets = packets.into_iter().peekable();
        let mut levels = Vec::new();
        for beat in 0..beats {
            let now = Duration::from_millis(20 * beat);
            while let Some(packet) =
                packets.next_if(|p| u64::from(p.header.timestamp) / 48 <= 20 * beat)
            {
                ear.packet(now, packet);
            }
            levels.push(level(&ear.frame(now)));
        }
        (levels, ear.counts())
    }

    #[test]
    fn silence_then_the_voice_then_silence() {
        let (levels, counts) = hear(tone(50), 80);
        assert_eq!(levels[0], 0.0);
        assert!(levels[5..50].iter().all(|l| (0.15..0.27).contains(l)));
        assert_eq!(levels[75], 0.0);
        assert_eq!(counts.played, 50);
    }

    #[test]
    fn lost_packets_leave_no_hole() {
        let mut packets = tone(100);
        packets.retain(|p| !p.header.sequence_number.is_multiple_of(10));
        let (levels, counts) = hear(packets, 100);
        // A rebuilt frame is coarser than a whole one, but it is there.
        assert!(levels[8..98].iter().all(|l| *l > 0.05), "{levels:?}");
        assert!(counts.recovered >= 8);
    }

    #[test]
    fn rubbish_is_not_heard_and_does_not_stop_the_clock() {
        let mut packets = tone(40);
        for packet in &mut packets[10..20] {
            packet.payload = Bytes::from_static(&[0xFF; 7]);
        }
        packets[25].payload = Bytes::new();
        let (levels, _) = hear(packets, 60);
        assert_eq!(levels.len(), 60);
        assert!(levels.iter().all(|l| l.is_finite() && *l < 0.6));
        assert!(levels[35] > 0.1, "and it goes on afterwards");
    }

    #[test]
    fn a_backlog_is_worked_off() {
        let mut ear = Ear::new().unwrap();
        for packet in tone(30) {
            let now = Duration::from_millis(u64::from(packet.header.timestamp) / 48);
            ear.packet(now, packet);
        }
        // Nobody listened for 600 ms; four frames too many are left out at every beat.
        for beat in 30..36 {
            ear.frame(Duration::from_millis(beat * 20));
        }
        assert!(ear.jitter.len() <= 8, "{} still wait", ear.jitter.len());
    }
}
