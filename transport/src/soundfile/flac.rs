//! FLAC in blocks of a sixth of a second: lossless at about half the size.
use flacenc::{
    bitsink::ByteSink,
    component::{BitRepr, StreamInfo},
    config,
    error::{Verified, Verify},
    source::{Fill, FrameBuf},
};
use voiced_core::audio::{SampleRate, pcm16};

use super::SoundFileError;

/// Samples of a block: what a stream waits for before bytes leave.
const BLOCK: usize = 4_096;
const LEAST: usize = 16;
const BITS: usize = 16;
/// Of the one metadata block: that it is the last, its kind and its size.
const BLOCK_HEAD: [u8; 4] = [0x80, 0, 0, 34];

pub(super) struct Flac {
    config: Verified<config::Encoder>,
    info: StreamInfo,
    buffer: FrameBuf,
    pending: Vec<i32>,
    frames: usize,
    samples: usize,
    begun: bool,
}

fn failed(error: impl std::fmt::Display) -> SoundFileError {
    SoundFileError::Flac(error.to_string())
}

impl Flac {
    pub fn new() -> Result<Flac, SoundFileError> {
        let config = config::Encoder::default();
        let config = config.into_verified().map_err(|(_, error)| failed(error))?;
        let rate = SampleRate::SPEECH.hz() as usize;
        let mut info = StreamInfo::new(rate, 1, BITS).map_err(failed)?;
        info.set_block_sizes(BLOCK, BLOCK).map_err(failed)?;
        Ok(Flac {
            config,
            info,
            buffer: FrameBuf::with_size(1, BLOCK).map_err(failed)?,
            pending: Vec::with_capacity(BLOCK),
            frames: 0,
            samples: 0,
            begun: false,
        })
    }

    pub fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) -> Result<(), SoundFileError> {
        self.begin(out);
        for sample in samples {
            self.pending.push(i32::from(pcm16(*sample)));
            if self.pending.len() == BLOCK {
                self.block(out)?;
            }
        }
        Ok(())
    }

    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), SoundFileError> {
        self.begin(out);
        if self.pending.is_empty() {
            return Ok(());
        }
        let told = self.samples + self.pending.len();
        // The form wants 16 samples of a block at least; silence fills the last.
        let filled = self.pending.len().max(LEAST);
        self.pending.resize(filled, 0);
        self.block(out)?;
        self.samples = told;
        Ok(())
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            out.extend(self.beginning());
        }
    }

    fn block(&mut self, out: &mut Vec<u8>) -> Result<(), SoundFileError> {
        self.buffer
            .fill_interleaved(&self.pending)
            .map_err(failed)?;
        let frame =
            flacenc::encode_fixed_size_frame(&self.config, &self.buffer, self.frames, &self.info);
        let mut bytes = ByteSink::new();
        frame
            .map_err(failed)?
            .write(&mut bytes)
            .map_err(|error| failed(format!("{error:?}")))?;
        out.extend(bytes.as_slice());
        self.frames += 1;
        self.samples += self.pending.len();
        self.pending.clear();
        Ok(())
    }

    /// The stream's head with the number of samples so far; 0, which means unknown, at first.
    pub fn beginning(&self) -> Vec<u8> {
        let mut info = self.info.clone();
        info.set_total_samples(self.samples);
        let mut bytes = ByteSink::new();
        info.write(&mut bytes).expect("memory takes every byte");
        let mut head = b"fLaC".to_vec();
        head.extend(BLOCK_HEAD);
        head.extend(bytes.as_slice());
        head
    }
}
