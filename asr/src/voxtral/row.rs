//! What a session consists of beside its attention memory: audio not yet used up, the tails of the
//! convolutions, vectors not yet decoded, positions and the next token. Cloning it and copying
//! its slot is a fork.
use std::collections::VecDeque;

use candle_core::{DType, Device, Result, Tensor, bail};
use voiced_nn::tekken::Tekken;

use super::{FRAMES, Voxtral};
use crate::mel::{BINS, HOP, MelStream};

/// Samples of a position: 80 ms at 16 kHz.
pub const SAMPLES: usize = FRAMES * HOP;
/// Positions of silence in front of every session; part of how the model was trained.
pub const LEFT_PAD: usize = 32;
/// Positions that see nothing but that silence: the last one's frames look 40 samples further.
const SILENT: usize = LEFT_PAD - 1;

/// Ids with a meaning of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Begins every session.
    pub bos: u32,
    /// The model thinks that it is over; in a live stream a token like any other.
    pub eos: u32,
    /// Nothing to write in this 80 ms, and the filler of the prompt.
    pub pad: u32,
    /// A group of words ended; its tokens follow.
    pub word: u32,
}

impl Control {
    /// The ids of a tokenizer; the error names what it lacks.
    pub fn of(tekken: &Tekken) -> std::result::Result<Control, String> {
        let id = |name: &str| {
            let found = tekken.special(name);
            found.ok_or_else(|| format!("no {name}: not the tokenizer of a streaming model"))
        };
        Ok(Control {
            bos: id("<s>")?,
            eos: id("</s>")?,
            pad: id("[STREAMING_PAD]")?,
            word: id("[STREAMING_WORD]")?,
        })
    }
}

/// One session.
#[derive(Clone, Debug)]
pub struct Row {
    delay: usize,
    mel: MelStream,
    /// The last two frames used, then those not used yet.
    frames: Vec<f32>,
    conv_tail: Tensor,
    encoded: u64,
    /// Encoded and not yet decoded, `[1, dim]` each.
    vectors: VecDeque<Tensor>,
    decoded: u64,
    next: u32,
}

impl Row {
    /// A session at its very beginning, the silence in front of it still to be heard. `delay` is
    /// in positions of 80 ms.
    pub fn new(model: &Voxtral, delay: usize) -> Result<Row> {
        let mut row = Row {
            delay,
            mel: MelStream::new(LEFT_PAD * SAMPLES, 0),
            // Before the first frame the convolution sees zeros, which are not silence.
            frames: vec![0.0; 2 * BINS],
            conv_tail: Tensor::zeros((1, model.config().encoder.dim), DType::F32, &Device::Cpu)?,
            encoded: 0,
            vectors: VecDeque::new(),
            decoded: 0,
            next: 0,
        };
        row.push(model, &[]);
        Ok(row)
    }

    /// This row for another delay. Only the decoder knows of the delay, so what was encoded stays.
    ///
    /// # Panics
    /// When a position was decoded already.
    pub fn with_delay(&self, delay: usize) -> Row {
        assert_eq!(self.decoded, 0, "the decoder has not begun");
        Row {
            delay,
            ..self.clone()
        }
    }

    /// Positions that are the same in every session of one delay, audio or not: they may be
    /// computed once and copied.
    pub const fn common_positions() -> usize {
        SILENT
    }

    /// Takes more audio, 16 kHz, any length.
    pub fn push(&mut self, model: &Voxtral, samples: &[f32]) {
        self.mel.push(model.mel(), samples, &mut self.frames);
    }

    /// The delay in positions.
    pub fn delay(&self) -> usize {
        self.delay
    }

    /// Positions encoded so far.
    pub fn encoded(&self) -> u64 {
        self.encoded
    }

    /// Positions decoded so far; the next one's index.
    pub fn decoded(&self) -> u64 {
        self.decoded
    }

    /// Positions whose audio is complete and not yet encoded.
    pub fn encodable(&self) -> usize {
        (self.frames.len() / BINS - 2) / FRAMES
    }

    /// Positions that can be decoded in one step: one, or what the prompt foretells.
    pub fn decodable(&self) -> usize {
        let prompt = self.prompt_len().saturating_sub(self.decoded) as usize;
        self.vectors.len().min(prompt.max(1))
    }

    /// Encoded positions waiting for the decoder.
    pub fn waiting(&self) -> usize {
        self.vectors.len()
    }

    /// Positions the prompt covers.
    pub fn prompt_len(&self) -> u64 {
        (1 + LEFT_PAD + self.delay) as u64
    }

    /// Whether the position decoded last chooses a token.
    pub fn chooses(&self) -> bool {
        self.decoded >= self.prompt_len()
    }

    /// Says what the last position chose: the next one's input.
    pub fn choose(&mut self, token: u32) {
        self.next = token;
    }

    /// What it wrote last: the next position's input once the prompt is over.
    pub fn written(&self) -> u32 {
        self.next
    }

    /// The log-mel frames not yet used, [`BINS`] values each.
    pub fn pending_frames(&self) -> &[f32] {
        &self.frames[2 * BINS..]
    }

    /// Shows the frames of the next positions, behind the two frames before them, and forgets all
    /// but the last two.
    pub(super) fn take_frames(&mut self, positions: usize, see: impl FnOnce(&[f32])) {
        let used = positions * FRAMES * BINS;
        see(&self.frames[..used + 2 * BINS]);
        self.frames.drain(..used);
    }

    pub(super) fn conv_tail(&self) -> &Tensor {
        &self.conv_tail
    }

    pub(super) fn set_conv_tail(&mut self, tail: Tensor) {
        self.conv_tail = tail;
    }

    pub(super) fn take_encoded(&mut self, vectors: &Tensor, positions: usize) -> Result<()> {
        for i in 0..positions {
            self.vectors
                .push_back(vectors.narrow(0, i, 1)?.contiguous()?);
        }
        self.encoded += positions as u64;
        Ok(())
    }

    /// Token and audio of the next position, which then counts as decoded.
    pub(super) fn next_input(&mut self, control: &Control) -> Result<(u32, Tensor)> {
        let Some(vector) = self.vectors.pop_front() else {
            // Text without audio is what makes ports of this model babble.
            bail!("position {} has no audio", self.decoded);
        };
        let token = match self.decoded {
            0 => control.bos,
            p if p < self.prompt_len() => control.pad,
            _ => self.next,
        };
        self.decoded += 1;
        Ok((token, vector))
    }
}
