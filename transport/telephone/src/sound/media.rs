//! The media of one call: packets and beats in, packets, sound and keys out. Pure: no sockets, no
//! clock.
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use voiced_core::playout::PlayoutFrame;
use voiced_transport::{
    codec::{MIC_FRAME, opus_encoder::OpusSettings},
    edge::{Edge, EdgeSettings},
    jitter::Counts,
};

use super::{ear::Ear, mouth::Mouth, tones::ToneFinder};
use crate::{
    rtp::{
        Packet,
        events::{Presser, Presses},
        is_rtcp,
        latch::{Judged, Latch},
        protection::{BadKeys, Srtp},
        quality::{Quality, Reception, Sent, reported_loss},
    },
    sdp::Agreed,
};

/// How often the far end gets a report, in beats: 5 s.
const REPORT_EVERY: u64 = 250;

/// What is done to the sound.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoundSettings {
    /// What is done to what we hear.
    pub edge: EdgeSettings,
    /// How Opus is encoded.
    pub opus: OpusSettings,
}

/// What goes out and what was heard at one beat.
pub struct Beaten {
    /// 20 ms of the far end.
    pub heard: [f32; MIC_FRAME],
    /// A packet, and where it goes.
    pub packet: Option<(SocketAddr, Vec<u8>)>,
    /// A report, and where it goes.
    pub report: Option<(SocketAddr, Vec<u8>)>,
}

/// The media of one call.
pub struct Media {
    agreed: Agreed,
    settings: SoundSettings,
    ear: Ear,
    mouth: Mouth,
    edge: Edge,
    latch: Latch,
    srtp: Option<Srtp>,
    presses: Presses,
    presser: Presser,
    tones: Option<ToneFinder>,
    pressed: Vec<char>,
    reception: Reception,
    far_loss: Option<f64>,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    packets: u32,
    bytes: u32,
    beats: u64,
    speaking: bool,
    heard_at: Option<Duration>,
    undecodable: u64,
}

impl Media {
    /// Media as agreed. `signalling` is where their signalling comes from, `seed` where our stream
    /// begins.
    ///
    /// # Errors
    /// When the agreed keys cannot be used.
    pub fn new(
        agreed: Agreed,
        signalling: IpAddr,
        settings: SoundSettings,
        seed: u64,
    ) -> Result<Media, BadKeys> {
        Ok(Media {
            srtp: agreed.protection.as_ref().map(Srtp::new).transpose()?,
            ear: Ear::new(agreed.receivable.clone(), agreed.comfort_noise),
            mouth: Mouth::new(agreed.codec, settings.opus),
            edge: Edge::new(settings.edge),
            latch: Latch::new(agreed.remote, signalling),
            presses: Presses::default(),
            presser: Presser::default(),
            tones: agreed.events.is_none().then(ToneFinder::default),
            pressed: Vec::new(),
            reception: Reception::default(),
            far_loss: None,
            ssrc: seed as u32,
            sequence: (seed >> 32) as u16,
            timestamp: (seed >> 24) as u32,
            packets: 0,
            bytes: 0,
            beats: 0,
            speaking: false,
            heard_at: None,
            undecodable: 0,
            settings,
            agreed,
        })
    }

    /// What was agreed on is other from now on.
    ///
    /// # Errors
    /// When the agreed keys cannot be used; then everything stays as it was.
    pub fn agree(&mut self, agreed: Agreed) -> Result<(), BadKeys> {
        if agreed.protection != self.agreed.protection {
            self.srtp = agreed.protection.as_ref().map(Srtp::new).transpose()?;
        }
        if agreed.codec != self.mouth.codec() {
            self.mouth = Mouth::new(agreed.codec, self.settings.opus);
        }
        self.ear
            .agree(agreed.receivable.clone(), agreed.comfort_noise);
        self.latch.announced(agreed.remote);
        self.tones = agreed.events.is_none().then(ToneFinder::default);
        self.agreed = agreed;
        Ok(())
    }

    /// What was agreed on.
    pub fn agreed(&self) -> &Agreed {
        &self.agreed
    }

    /// A datagram came to the port of the media.
    pub fn received(&mut self, now: Duration, from: SocketAddr, bytes: &[u8]) {
        if is_rtcp(bytes) {
            return self.reported(from, bytes);
        }
        let opened;
        let bytes = match &mut self.srtp {
            Some(srtp) => match srtp.unprotect(bytes) {
                Some(bytes) => {
                    opened = bytes;
                    &opened[..]
                }
                None => {
                    self.undecodable += 1;
                    return;
                }
            },
            None => bytes,
        };
        let Some(packet) = Packet::parse(bytes) else {
            self.undecodable += 1;
            return;
        };
        let is_event = Some(packet.payload_type) == self.agreed.events;
        let is_noise = Some(packet.payload_type) == self.agreed.comfort_noise;
        let codec = self.ear.codec_of(packet.payload_type);
        if codec.is_none() && !is_event && !is_noise {
            self.undecodable += 1;
            return;
        }
        if self.latch.judge(now, from, packet.ssrc) == Judged::Strangers {
            return;
        }
        self.heard_at = Some(now);
        let clock = codec.unwrap_or(self.agreed.codec).clock();
        self.reception
            .received(now, packet.ssrc, packet.sequence, packet.timestamp, clock);
        if is_event {
            self.pressed.extend(
                self.presses
                    .heard(packet.ssrc, packet.timestamp, packet.payload),
            );
        } else {
            self.ear.packet(now, &packet);
        }
    }

    /// A datagram came to the port of the reports.
    pub fn reported(&mut self, from: SocketAddr, bytes: &[u8]) {
        if from.ip() != self.latch.remote().ip() {
            return;
        }
        let opened = self.srtp.as_mut().map(|srtp| srtp.unprotect_report(bytes));
        let loss = match &opened {
            Some(Some(opened)) => reported_loss(opened, self.ssrc),
            Some(None) => None,
            None => reported_loss(bytes, self.ssrc),
        };
        self.far_loss = loss.or(self.far_loss);
    }

    /// A key that was pressed over there.
    pub fn pressed(&mut self) -> Option<char> {
        (!self.pressed.is_empty()).then(|| self.pressed.remove(0))
    }

    /// Presses keys over here.
    pub fn press(&mut self, keys: &str) {
        self.presser.press(keys);
    }

    /// The next 20 ms. `frame`: what the agent says.
    pub fn beat(&mut self, now: Duration, frame: Option<&PlayoutFrame>) -> Beaten {
        self.beats += 1;
        self.edge.played(frame);
        let mut heard = self.ear.frame(now);
        if let Some(tones) = &mut self.tones {
            let found = tones.frame(&heard);
            self.pressed.extend(found.pressed);
            if found.is_tone {
                heard = [0.0; MIC_FRAME];
            }
        }
        self.edge.captured(&mut heard);
        if !self.agreed.receives {
            heard = [0.0; MIC_FRAME];
        }
        let packet = self.say(frame);
        let report = self
            .beats
            .is_multiple_of(REPORT_EVERY)
            .then(|| self.report(now))
            .flatten();
        Beaten {
            heard,
            packet,
            report,
        }
    }

    /// Beats were left out: time went on.
    pub fn skip(&mut self, beats: u64) {
        self.timestamp = self
            .timestamp
            .wrapping_add(self.mouth.step().wrapping_mul(beats as u32));
    }

    fn say(&mut self, frame: Option<&PlayoutFrame>) -> Option<(SocketAddr, Vec<u8>)> {
        let step = self.mouth.step();
        // Always encoded: the encoder's filters must not jump when we are let speak again.
        let payload = self.mouth.frame(frame);
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(step);
        if !self.agreed.sends {
            return None;
        }
        let event = match self.agreed.events {
            Some(payload_type) => self
                .presser
                .beat(step as u16)
                .map(|event| (payload_type, event)),
            None => None,
        };
        let is_speech = frame.is_some_and(|frame| !frame.is_last);
        let packet = match &event {
            Some((payload_type, event)) => Packet {
                payload_type: *payload_type,
                marker: event.marker,
                sequence: self.sequence,
                timestamp: timestamp.wrapping_sub(event.since.wrapping_mul(step)),
                ssrc: self.ssrc,
                payload: &event.payload,
            },
            None => Packet {
                payload_type: self.agreed.payload_type,
                marker: is_speech && !self.speaking || self.packets == 0,
                sequence: self.sequence,
                timestamp,
                ssrc: self.ssrc,
                payload: &payload,
            },
        };
        self.speaking = is_speech;
        if packet.payload.is_empty() {
            return None;
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(packet.payload.len() as u32);
        let bytes = packet.to_bytes();
        let bytes = match &mut self.srtp {
            Some(srtp) => srtp.protect(&bytes)?.to_vec(),
            None => bytes,
        };
        Some((self.latch.remote(), bytes))
    }

    fn report(&mut self, now: Duration) -> Option<(SocketAddr, Vec<u8>)> {
        let sent = Sent {
            now,
            timestamp: self.timestamp,
            packets: self.packets,
            bytes: self.bytes,
        };
        let bytes = self
            .reception
            .report(self.ssrc, sent, self.agreed.codec.clock());
        let bytes = match &mut self.srtp {
            Some(srtp) => srtp.protect_report(&bytes)?.to_vec(),
            None => bytes,
        };
        let mut to = self.agreed.remote_rtcp;
        // Where the media come from, their reports are heard too.
        to.set_ip(self.latch.remote().ip());
        Some((to, bytes))
    }

    /// When something of theirs last came.
    pub fn heard_at(&self) -> Option<Duration> {
        self.heard_at
    }

    /// How good the line is to us.
    pub fn quality(&self) -> Quality {
        self.reception.quality()
    }

    /// The share of our packets the far end misses, if it says.
    pub fn far_loss(&self) -> Option<f64> {
        self.far_loss
    }

    /// What a listener on our side would say of it, 1 to 4.4.
    pub fn mos(&self) -> f64 {
        self.quality().mos(self.ear.delay())
    }

    /// What became of their packets.
    pub fn counts(&self) -> Counts {
        self.ear.counts()
    }

    /// Packets of strangers, and packets nobody could read.
    pub fn refused(&self) -> (u64, u64) {
        (self.latch.strangers(), self.undecodable)
    }
}

#[cfg(test)]
mod tests;
