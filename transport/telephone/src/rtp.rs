//! RTP (RFC 3550) without sockets and clocks: packets, whom to believe, keys as events, reports,
//! encryption.
pub mod events;
pub mod latch;
pub mod protection;
pub mod quality;

/// Bytes of a header without extras.
pub const HEADER: usize = 12;

/// One packet, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it carries.
    pub payload_type: u8,
    /// Whether a talk spurt or an event begins with it.
    pub marker: bool,
    /// Its place; wraps.
    pub sequence: u16,
    /// Its time on the codec's clock; wraps.
    pub timestamp: u32,
    /// Its stream.
    pub ssrc: u32,
    /// What it carries.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` when it is none.
    pub fn parse(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let header = bytes.get(..HEADER)?;
        if header[0] >> 6 != 2 {
            return None;
        }
        let mut start = HEADER + 4 * usize::from(header[0] & 0x0F);
        if header[0] & 0x10 != 0 {
            let extension = bytes.get(start..start + 4)?;
            start += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        let mut end = bytes.len();
        if header[0] & 0x20 != 0 {
            let padding = usize::from(*bytes.last()?);
            end = end.checked_sub(padding).filter(|_| padding > 0)?;
        }
        Some(Packet {
            payload_type: header[1] & 0x7F,
            marker: header[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([header[2], header[3]]),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            payload: bytes.get(start..end)?,
        })
    }

    /// As it goes over the line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.payload.len() + 16);
        bytes.push(0x80);
        bytes.push(self.payload_type | if self.marker { 0x80 } else { 0 });
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.ssrc.to_be_bytes());
        bytes.extend_from_slice(self.payload);
        bytes
    }
}

/// Whether a packet on a port of both is RTCP (RFC 5761).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.len() >= 8 && bytes[0] >> 6 == 2 && (192..=223).contains(&bytes[1])
}

#[cfg(test)]
mod tests;
