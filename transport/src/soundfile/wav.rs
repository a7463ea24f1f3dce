//! WAV of any length: a stream says that its length is unknown, a file that outgrows 32 bits
//! becomes RF64, for which its beginning keeps room.
use voiced_core::audio::{SampleRate, to_pcm16};

use super::Target;

/// A length that is not known, or does not fit: readers go on to the end.
const UNKNOWN: u32 = u32::MAX;
/// Bytes of a `ds64` chunk: three lengths and an empty table.
const DS64: u32 = 28;

pub(super) struct Wav {
    target: Target,
    begun: bool,
    n_bytes: u64,
}

impl Wav {
    pub fn new(target: Target) -> Wav {
        Wav {
            target,
            begun: false,
            n_bytes: 0,
        }
    }

    pub fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) {
        self.begin(out);
        let bytes = to_pcm16(samples);
        self.n_bytes += bytes.len() as u64;
        out.extend(bytes);
    }

    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            out.extend(header(self.target, None));
        }
    }

    pub fn beginning(&self) -> Option<Vec<u8>> {
        (self.target == Target::File).then(|| header(self.target, Some(self.n_bytes)))
    }
}

/// The header before `n_bytes` of samples, or before nobody knows how many.
fn header(target: Target, n_bytes: Option<u64>) -> Vec<u8> {
    const CHANNELS: u16 = 1;
    const BYTES: u16 = 2;
    let rate = SampleRate::SPEECH.hz();
    let mut header = Vec::with_capacity(80);
    let around = if target == Target::File { 72 } else { 36 };
    let riff = n_bytes.map(|n| n + around);
    let fits = riff
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| *n < UNKNOWN);
    let is_rf64 = target == Target::File && riff.is_some() && fits.is_none();
    header.extend(if is_rf64 { b"RF64" } else { b"RIFF" });
    header.extend(fits.unwrap_or(UNKNOWN).to_le_bytes());
    header.extend(b"WAVE");
    if target == Target::File {
        header.extend(if is_rf64 { b"ds64" } else { b"JUNK" });
        header.extend(DS64.to_le_bytes());
        let (riff, data) = match (is_rf64, riff, n_bytes) {
            (true, Some(riff), Some(data)) => (riff, data),
            _ => (0, 0),
        };
        header.extend(riff.to_le_bytes());
        header.extend(data.to_le_bytes());
        header.extend((data / u64::from(BYTES)).to_le_bytes());
        header.extend(0_u32.to_le_bytes());
    }
    header.extend(b"fmt ");
    header.extend(16_u32.to_le_bytes());
    header.extend(1_u16.to_le_bytes()); // PCM
    header.extend(CHANNELS.to_le_bytes());
    header.extend(rate.to_le_bytes());
    header.extend((rate * u32::from(CHANNELS * BYTES)).to_le_bytes());
    header.extend((CHANNELS * BYTES).to_le_bytes());
    header.extend((BYTES * 8).to_le_bytes());
    header.extend(b"data");
    let data = fits.and(n_bytes).and_then(|n| u32::try_from(n).ok());
    header.extend(data.unwrap_or(UNKNOWN).to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn u32_at(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    fn u64_at(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn a_file_keeps_room_for_a_length_of_64_bits() {
        let unknown = header(Target::File, None);
        let short = header(Target::File, Some(1_000));
        let long = header(Target::File, Some(5_000_000_000));
        assert_eq!([unknown.len(), short.len(), long.len()], [80; 3]);
        assert_eq!((&short[..4], u32_at(&short, 4)), (&b"RIFF"[..], 1_072));
        assert_eq!((&short[12..16], u32_at(&short, 76)), (&b"JUNK"[..], 1_000));
        assert_eq!((&long[..4], u32_at(&long, 4)), (&b"RF64"[..], UNKNOWN));
        assert_eq!((&long[12..16], u32_at(&long, 76)), (&b"ds64"[..], UNKNOWN));
        assert_eq!(u64_at(&long, 20), 5_000_000_072);
        assert_eq!(u64_at(&long, 28), 5_000_000_000);
        assert_eq!(u64_at(&long, 36), 2_500_000_000);
        // The last length that fits, and the first that does not.
        let last = u64::from(UNKNOWN) - 1 - 72;
        assert_eq!(&header(Target::File, Some(last))[..4], b"RIFF");
        assert_eq!(&header(Target::File, Some(last + 1))[..4], b"RF64");
    }

    #[test]
    fn a_stream_s_length_is_unknown() {
        let header = header(Target::Stream, None);
        assert_eq!(header.len(), 44);
        assert_eq!(
            (u32_at(&header, 4), u32_at(&header, 40)),
            (UNKNOWN, UNKNOWN)
        );
    }
}
