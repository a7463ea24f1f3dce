//! Opus in Ogg (RFC 7845): frames of 20 ms, a page every 200 ms, so that a stream is heard soon;
//! what the encoder adds in front is told to the player, which leaves it out.
use ogg::writing::{PacketWriteEndInfo, PacketWriter};
use opus::{Application, Bitrate, Channels, Encoder};
use voiced_core::audio::SampleRate;

use super::SoundFileError;

/// Samples of a frame at `SampleRate::SPEECH`: 20 ms.
const FRAME: usize = 480;
/// Positions are told at 48 kHz, whatever the rate.
const PER_SAMPLE: u64 = 2;
/// Frames of a page.
const PAGE: u64 = 10;
/// The largest packet of one frame.
const LARGEST: usize = 1_275;
/// Enough for speech of full width.
const BITRATE: i32 = 40_000;
/// Tells this stream apart from others in one file, of which there are none.
const SERIAL: u32 = 1;

pub(super) struct OggOpus {
    encoder: Encoder,
    pages: PacketWriter<'static, Vec<u8>>,
    pending: Vec<f32>,
    /// Samples at 48 kHz that the encoder adds in front.
    skip: u64,
    samples: u64,
    frames: u64,
    begun: bool,
}

impl OggOpus {
    pub fn new() -> Result<OggOpus, SoundFileError> {
        let rate = SampleRate::SPEECH.hz();
        let mut encoder = Encoder::new(rate, Channels::Mono, Application::Audio)?;
        encoder.set_bitrate(Bitrate::Bits(BITRATE))?;
        let skip = u64::try_from(encoder.get_lookahead()?).unwrap_or(0) * PER_SAMPLE;
        Ok(OggOpus {
            encoder,
            pages: PacketWriter::new(Vec::new()),
            pending: Vec::with_capacity(FRAME),
            skip,
            samples: 0,
            frames: 0,
            begun: false,
        })
    }

    pub fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) -> Result<(), SoundFileError> {
        self.begin(out)?;
        self.samples += samples.len() as u64;
        for sample in samples {
            // The last frame is kept back: it is the one that ends the stream.
            if self.pending.len() == FRAME {
                let end = match (self.frames + 1).is_multiple_of(PAGE) {
                    true => PacketWriteEndInfo::EndPage,
                    false => PacketWriteEndInfo::NormalPacket,
                };
                let position = (self.frames + 1) * FRAME as u64 * PER_SAMPLE;
                self.frame(end, position)?;
            }
            self.pending.push(*sample);
        }
        out.append(self.pages.inner_mut());
        Ok(())
    }

    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), SoundFileError> {
        self.begin(out)?;
        // The player leaves out what lies behind the end, and the encoder needs it to get there.
        let end = self.skip + self.samples * PER_SAMPLE;
        loop {
            self.pending.resize(FRAME, 0.0);
            let position = (self.frames + 1) * FRAME as u64 * PER_SAMPLE;
            if position >= end {
                self.frame(PacketWriteEndInfo::EndStream, end)?;
                break;
            }
            self.frame(PacketWriteEndInfo::NormalPacket, position)?;
        }
        out.append(self.pages.inner_mut());
        Ok(())
    }

    fn frame(&mut self, end: PacketWriteEndInfo, position: u64) -> Result<(), SoundFileError> {
        let mut packet = vec![0; LARGEST];
        let length = self.encoder.encode_float(&self.pending, &mut packet)?;
        packet.truncate(length);
        self.pages.write_packet(packet, SERIAL, end, position)?;
        self.pending.clear();
        self.frames += 1;
        Ok(())
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), SoundFileError> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        let mut head = b"OpusHead\x01\x01".to_vec();
        head.extend(u16::try_from(self.skip).unwrap_or(u16::MAX).to_le_bytes());
        head.extend(SampleRate::SPEECH.hz().to_le_bytes());
        head.extend([0, 0, 0]); // no gain; mono
        let vendor = concat!("voiced ", env!("CARGO_PKG_VERSION"));
        let mut tags = b"OpusTags".to_vec();
        tags.extend((vendor.len() as u32).to_le_bytes());
        tags.extend(vendor.as_bytes());
        tags.extend(0_u32.to_le_bytes());
        for page in [head, tags] {
            let end = PacketWriteEndInfo::EndPage;
            self.pages.write_packet(page, SERIAL, end, 0)?;
        }
        out.append(self.pages.inner_mut());
        Ok(())
    }
}
