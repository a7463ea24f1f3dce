//! How good the line is: loss and jitter as RFC 3550 counts them, reports both ways, and what a
//! listener would say of it (ITU-T G.107, simplified).
use std::time::Duration;

/// What is known of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// Packets that came.
    pub received: u64,
    /// Packets that should have come and did not.
    pub lost: u64,
    /// Inter-arrival jitter.
    pub jitter: Duration,
}

impl Quality {
    /// Share of packets lost.
    pub fn loss(&self) -> f64 {
        let sent = self.received + self.lost;
        if sent == 0 {
            0.0
        } else {
            self.lost as f64 / sent as f64
        }
    }

    /// Mean opinion score, 1 to 4.4, of narrow-band speech over a line of this loss whose buffer
    /// waits for `delay`. The E-model with G.711's robustness against random loss (Bpl 25.1, with
    /// concealment).
    pub fn mos(&self, delay: Duration) -> f64 {
        let delay = delay.as_secs_f64() * 1_000.0;
        let delayed = 0.024 * delay
            + if delay > 177.3 {
                0.11 * (delay - 177.3)
            } else {
                0.0
            };
        let loss = self.loss() * 100.0;
        let r = 93.2 - delayed - 95.0 * loss / (loss + 25.1);
        let r = r.clamp(0.0, 100.0);
        1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6
    }
}

/// Counts what comes in.
#[derive(Debug, Default)]
pub struct Reception {
    stream: Option<Stream>,
    received: u64,
    /// Of streams that were replaced.
    lost_before: u64,
    jitter: f64,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    first: i64,
    highest: i64,
    received: u64,
    transit: Option<f64>,
    /// Expected and received at the last report.
    reported: (i64, u64),
}

impl Stream {
    fn expected(&self) -> i64 {
        self.highest - self.first + 1
    }

    fn lost(&self) -> u64 {
        u64::try_from(self.expected())
            .unwrap_or(0)
            .saturating_sub(self.received)
    }
}

impl Reception {
    /// A packet came. `clock` is that of its codec.
    pub fn received(
        &mut self,
        now: Duration,
        ssrc: u32,
        sequence: u16,
        timestamp: u32,
        clock: u32,
    ) {
        self.received += 1;
        let other = self
            .stream
            .as_ref()
            .is_none_or(|stream| stream.ssrc != ssrc);
        if other {
            self.lost_before += self.stream.as_ref().map_or(0, Stream::lost);
            let first = i64::from(sequence);
            self.stream = Some(Stream {
                ssrc,
                first,
                highest: first,
                received: 0,
                transit: None,
                reported: (0, 0),
            });
        }
        let Some(stream) = &mut self.stream else {
            return;
        };
        let step = i64::from(sequence.wrapping_sub(stream.highest as u16).cast_signed());
        stream.highest = stream.highest.max(stream.highest + step);
        stream.received += 1;
        let transit = now.as_secs_f64() * f64::from(clock) - f64::from(timestamp);
        if let Some(last) = stream.transit {
            let difference = (transit - last).abs();
            // A jump of the timestamp is a pause or another source, not jitter.
            if difference < f64::from(clock) {
                self.jitter += (difference / f64::from(clock) - self.jitter) / 16.0;
            }
        }
        stream.transit = Some(transit);
    }

    /// So far.
    pub fn quality(&self) -> Quality {
        Quality {
            received: self.received,
            lost: self.lost_before + self.stream.as_ref().map_or(0, Stream::lost),
            jitter: Duration::from_secs_f64(self.jitter.max(0.0)),
        }
    }

    /// Our report on what came, for the stream that comes now.
    fn block(&mut self, clock: u32) -> Option<[u8; 24]> {
        let jitter = (self.jitter * f64::from(clock)) as u32;
        let stream = self.stream.as_mut()?;
        let (expected, received) = (
            stream.expected() - stream.reported.0,
            stream.received - stream.reported.1,
        );
        let missing = u64::try_from(expected)
            .unwrap_or(0)
            .saturating_sub(received);
        let fraction = if expected > 0 {
            (missing * 256 / expected as u64).min(255) as u8
        } else {
            0
        };
        stream.reported = (stream.expected(), stream.received);
        let mut block = [0; 24];
        block[0..4].copy_from_slice(&stream.ssrc.to_be_bytes());
        let lost = (stream.lost().min(0x7F_FFFF) as u32) | u32::from(fraction) << 24;
        block[4..8].copy_from_slice(&lost.to_be_bytes());
        block[8..12].copy_from_slice(&(stream.highest as u32).to_be_bytes());
        block[12..16].copy_from_slice(&jitter.to_be_bytes());
        Some(block)
    }

    /// A compound report (RFC 3550, section 6.4): what we sent, what came, our name.
    pub fn report(&mut self, ssrc: u32, sent: Sent, clock: u32) -> Vec<u8> {
        let block = self.block(clock);
        let count = u8::from(block.is_some());
        let mut bytes = Vec::with_capacity(80);
        let is_sender = sent.packets > 0;
        let words = if is_sender { 6 } else { 1 } + 6 * u16::from(count);
        bytes.extend_from_slice(&[0x80 | count, if is_sender { 200 } else { 201 }]);
        bytes.extend_from_slice(&words.to_be_bytes());
        bytes.extend_from_slice(&ssrc.to_be_bytes());
        if is_sender {
            // Seconds of our own clock stand for the wall's: only differences are used.
            let seconds = sent.now.as_secs() as u32;
            let fraction = (f64::from(sent.now.subsec_nanos()) / 1e9 * 4_294_967_296.0) as u32;
            for word in [seconds, fraction, sent.timestamp, sent.packets, sent.bytes] {
                bytes.extend_from_slice(&word.to_be_bytes());
            }
        }
        bytes.extend(block.into_iter().flatten());
        let name = b"voiced";
        bytes.extend_from_slice(&[0x81, 202, 0, 4]);
        bytes.extend_from_slice(&ssrc.to_be_bytes());
        bytes.extend_from_slice(&[1, name.len() as u8]);
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&[0; 4]);
        bytes
    }
}

/// What we sent so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// Since the call began.
    pub now: Duration,
    /// The RTP clock now.
    pub timestamp: u32,
    /// Packets.
    pub packets: u32,
    /// Bytes of payload.
    pub bytes: u32,
}

/// The share of our packets the far end misses, by its latest report about `ssrc`.
pub fn reported_loss(mut bytes: &[u8], ssrc: u32) -> Option<f64> {
    let mut loss = None;
    while bytes.len() >= 8 && bytes[0] >> 6 == 2 {
        let length = 4 * (1 + usize::from(u16::from_be_bytes([bytes[2], bytes[3]])));
        let packet = bytes.get(..length)?;
        let start = match packet[1] {
            200 => 28,
            201 => 8,
            _ => length,
        };
        let blocks = packet.get(start..).unwrap_or_default().chunks_exact(24);
        for block in blocks.take(usize::from(packet[0] & 0x1F)) {
            if block[..4] == ssrc.to_be_bytes() {
                loss = Some(f64::from(block[4]) / 256.0);
            }
        }
        bytes = &bytes[length..];
    }
    loss
}
