//! What the peer hears: 20 ms of the agent in at every beat, an RTP packet out or none.
//!
//! While the agent is silent the stream is thinned out the way Opus' own discontinuous transmission
//! does it: ten more frames of encoded silence, then one every 400 ms, on a clock that never stops.
//! A browser's jitter buffer knows that pattern: it fades to silence instead of guessing at lost
//! speech, keeps its idea of the delay (nothing in the stream ever jumps), and an idle call costs
//! a fortieth of a talking one. Short gaps between sentences, and a speaker held for a cough, are
//! sent through without any gap.
use bytes::Bytes;
use rtc::rtp;
use voiced_core::playout::{FRAME, PlayoutFrame};

use crate::codec::{
    CodecError,
    opus_encoder::{OpusEncoder, OpusSettings},
};

/// Frames of silence after speech that are sent like speech.
const AFTERGLOW: u32 = 10;
/// Then one in so many.
const SIGN_OF_LIFE: u32 = 20;
/// 20 ms on the RTP clock.
const STEP: u32 = 960;

pub(super) struct Mouth {
    encoder: OpusEncoder,
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    /// Beats of silence so far; `None` before the first word.
    silent: Option<u32>,
    speaking: bool,
}

impl Mouth {
    /// Sequence and timestamp begin anywhere (RFC 3550); `seed` says where.
    pub(super) fn new(
        settings: OpusSettings,
        payload_type: u8,
        ssrc: u32,
        seed: u64,
    ) -> Result<Self, CodecError> {
        Ok(Self {
            encoder: OpusEncoder::new(settings)?,
            ssrc,
            payload_type,
            sequence: seed as u16,
            timestamp: (seed >> 16) as u32,
            silent: None,
            speaking: false,
        })
    }

    /// How many per cent of the packets the peer misses.
    pub(super) fn expect_loss(&mut self, percent: u8) -> Result<(), CodecError> {
        self.encoder.expect_loss(percent)
    }

    /// Beats that were left out: time went on without anything being sent.
    pub(super) fn skip(&mut self, beats: u64) {
        self.timestamp = self.timestamp.wrapping_add(STEP.wrapping_mul(beats as u32));
    }

    /// The packet of this beat, if one is to be sent. `frame`: what the agent says, `None` while
    /// it is silent. Must be called at every beat: it is what moves the RTP clock.
    pub(super) fn frame(
        &mut self,
        frame: Option<&PlayoutFrame>,
    ) -> Result<Option<rtp::Packet>, CodecError> {
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(STEP);
        // The last frame of a reply carries silence.
        let frame = frame.filter(|frame| !frame.is_last);
        // Only at the beginning of a talk spurt: a marker on every packet makes a browser's jitter
        // buffer start over each time.
        let marker = frame.is_some() && !self.speaking;
        self.speaking = frame.is_some();
        let payload = match frame {
            Some(frame) => {
                self.silent = Some(0);
                self.encoder.encode(&frame.samples)?
            }
            None => match self.silence()? {
                Some(payload) => payload,
                None => return Ok(None),
            },
        };
        let sequence_number = self.sequence;
        self.sequence = sequence_number.wrapping_add(1);
        Ok(Some(rtp::Packet {
            header: rtp::Header {
                version: 2,
                marker,
                payload_type: self.payload_type,
                sequence_number,
                timestamp,
                ssrc: self.ssrc,
                ..rtp::Header::default()
            },
            payload,
        }))
    }

    fn silence(&mut self) -> Result<Option<Bytes>, CodecError> {
        let beats = match self.silent {
            Some(beats) => beats.saturating_add(1),
            // Nothing was said yet: begin with a sign of life, so that the peer's audio starts.
            None => AFTERGLOW + SIGN_OF_LIFE,
        };
        let due = beats <= AFTERGLOW || (beats - AFTERGLOW).is_multiple_of(SIGN_OF_LIFE);
        self.silent = Some(if beats > AFTERGLOW && due {
            AFTERGLOW
        } else {
            beats
        });
        due.then(|| self.encoder.encode(&[0.0; FRAME])).transpose()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use voiced_core::epoch::Epoch;

    fn frame(is_last: bool) -> PlayoutFrame {
        PlayoutFrame {
            epoch: Epoch(1),
            samples: std::array::from_fn(|n| (n as f32 * 0.05).sin() * 0.3),
            is_last,
        }
    }

    /// `s` speech, `_` none; out: `M` marked packet, `p` packet, `.` nothing.
    fn sent(beats: &str) -> (String, Vec<rtp::Packet>) {
        let mut mouth = Mouth::new(OpusSettings::default(), 111, 42, u64::MAX).unwrap();
        let mut packets = Vec::new();
        let shown = beats
            .chars()
            .map(|beat| {
                let frame = match beat {
                    's' => Some(frame(false)),
                    'l' => Some(frame(true)),
                    _ => None,
                };
                let packet = mouth.frame(frame.as_ref()).unwrap();
                let shown = match &packet {
                    Some(packet) if packet.header.marker => 'M',
                    Some(_) => 'p',
                    None => '.',
                };
                packets.extend(packet);
                shown
            })
            .collect();
        (shown, packets)
    }

    #[test]
    fn only_the_first_packet_of_a_spurt_is_marked() {
        assert_eq!(sent("_ssss").0, "pMppp");
        assert_eq!(sent("sss__ss").0, "MppppMp", "a short hold is sent through");
        assert_eq!(sent("ssl_s").0, "MpppM");
    }

    #[test]
    fn silence_thins_out_and_goes_on_living() {
        let (shown, _) = sent(&("s".to_owned() + &"_".repeat(55) + "s"));
        let wanted = format!(
            "M{}{}p{}p.....M",
            "p".repeat(10),
            ".".repeat(19),
            ".".repeat(19)
        );
        assert_eq!(shown, wanted);
        let (idle, _) = sent(&"_".repeat(41));
        assert_eq!(idle, format!("p{}p{}p", ".".repeat(19), ".".repeat(19)));
    }

    #[test]
    fn sequence_counts_packets_and_timestamp_counts_time() {
        let (shown, packets) = sent(&("s".to_owned() + &"_".repeat(20) + "s"));
        for pair in packets.windows(2) {
            let step = pair[1]
                .header
                .sequence_number
                .wrapping_sub(pair[0].header.sequence_number);
            assert_eq!(step, 1);
        }
        let first = packets.first().unwrap().header.timestamp;
        let last = packets.last().unwrap().header.timestamp;
        assert_eq!(last.wrapping_sub(first), 21 * 960, "{shown}");
        assert!(
            packets
                .iter()
                .all(|p| p.header.ssrc == 42 && p.header.payload_type == 111)
        );
        assert!(packets[0].payload.len() > 20);
        assert!(packets[5].payload.len() < packets[0].payload.len());
    }

    #[test]
    fn skipped_beats_move_the_clock() {
        let mut mouth = Mouth::new(OpusSettings::default(), 111, 1, 0).unwrap();
        let first = mouth.frame(Some(&frame(false))).unwrap().unwrap();
        mouth.skip(3);
        let second = mouth.frame(Some(&frame(false))).unwrap().unwrap();
        assert_eq!(second.header.timestamp - first.header.timestamp, 4 * 960);
    }
}
