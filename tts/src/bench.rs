//! How fast this machine speaks: the model and its codec themselves, at whatever sizes, of a
//! checkpoint or of noise made on the fly, since speed does not depend on what the weights say.
use std::time::Duration;

use candle_core::Tensor;
use voiced_nn::{
    kv_cache::CacheFormat,
    measure::{Lap, Stopwatch, Time, Times, free_memory, peak_memory},
};

use crate::{
    codec::{CodecDecoder, DecoderState, Frame},
    voxtral::{Ask, Caches, Checkpoint, Formats, GUIDANCE, LoadError, Reading, Voxtral, noise},
};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Bench {
    /// How weights are stored.
    pub formats: Formats,
    /// Utterances spoken together, one number after the other.
    pub rows: Vec<usize>,
    /// Positions of a prompt that are the voice, the same in every utterance with it.
    pub voice: usize,
    /// Positions of a prompt that are the text.
    pub text: usize,
    /// Frames measured.
    pub frames: usize,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Figures {
    /// From a file, or from noise, to a packed model.
    pub loading: Duration,
    /// Bytes of weights the backbone reads for a frame.
    pub backbone_bytes: usize,
    /// Bytes of weights the flow reads for a frame, all its steps together.
    pub flow_bytes: usize,
    /// Utterances by how many are spoken together.
    pub batches: Vec<Batch>,
    /// Numbers of utterances that did not fit: how many, bytes needed, bytes there.
    pub skipped: Vec<(usize, usize, usize)>,
    /// Most memory the process had, where the system says so.
    pub peak: Option<usize>,
}

/// Some utterances spoken together. Times are of all of them.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// How many.
    pub rows: usize,
    /// Reading whole prompts; where there are many utterances, only the texts are read.
    pub prefill: Option<Time>,
    /// Reading the texts after a voice that was kept.
    pub text: Time,
    /// The backbone, for a frame of each.
    pub backbone: Time,
    /// Semantic codes and the flow, for a frame of each.
    pub flow: Time,
    /// The codec, for a frame of each.
    pub codec: Time,
    /// From prompts to the first frame's samples.
    pub first_audio: Option<Time>,
    /// From prompts to the samples of [`CHUNK`] frames.
    pub first_chunk: Option<Time>,
    /// From texts to the first frame's samples, the voice being kept.
    pub first_audio_kept: Time,
    /// From texts to the samples of [`CHUNK`] frames, the voice being kept.
    pub first_chunk_kept: Time,
}

impl Batch {
    /// Computing time for a frame of each.
    pub fn frame(&self) -> Duration {
        self.backbone.waited + self.flow.waited + self.codec.waited
    }

    /// Computing time for each second of one of the utterances.
    pub fn real_time_factor(&self) -> f64 {
        self.frame().as_secs_f64() / 0.08
    }
}

/// Frames of the first chunk other servers send.
pub const CHUNK: usize = 5;
/// Utterances whose whole prompts are read together; more are measured with kept voices, as they
/// are served.
const WHOLE: usize = 4;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The checkpoint cannot be used, or there is no memory for its weights.
    #[error(transparent)]
    Load(Box<LoadError>),
    /// The weights would not fit.
    #[error("weights of {needed} bytes do not fit: {free} are free")]
    TooLarge {
        /// Bytes of the weights.
        needed: usize,
        /// Bytes there.
        free: usize,
    },
    /// No memory for the utterances.
    #[error("no memory: {0}")]
    Memory(#[from] std::io::Error),
    /// A computation failed.
    #[error(transparent)]
    Compute(#[from] candle_core::Error),
}

impl From<LoadError> for BenchError {
    fn from(error: LoadError) -> BenchError {
        BenchError::Load(Box::new(error))
    }
}

impl Bench {
    /// Measures; `say` is told what comes next. Takes a minute or several, and the memory of the
    /// model.
    pub fn run(
        &self,
        checkpoint: Checkpoint,
        say: &mut dyn FnMut(&str),
    ) -> Result<Figures, BenchError> {
        let config = checkpoint.config().clone();
        let backbone_bytes = self.formats.backbone_bytes(&config);
        let flow_bytes = self.formats.flow_bytes(&config);
        let needed = backbone_bytes + flow_bytes / config.steps;
        if let Some(free) = free_memory().filter(|free| *free < needed) {
            return Err(BenchError::TooLarge { needed, free });
        }
        say("packing weights");
        let start = Stopwatch::start();
        let codec = checkpoint.codec(self.formats)?;
        let model = checkpoint.load(self.formats)?;
        let loading = start.elapsed();
        let (mut batches, mut skipped) = (Vec::new(), Vec::new());
        for &rows in &self.rows {
            let needed = Caches::bytes(&config, self.positions(), CacheFormat::Bf16) * (rows + 1);
            if let Some(free) = free_memory().filter(|free| *free < needed) {
                skipped.push((rows, needed, free));
                continue;
            }
            say(&format!("{rows} utterances together"));
            batches.push(self.batch(&model, &codec, rows)?);
        }
        Ok(Figures {
            loading,
            backbone_bytes,
            flow_bytes,
            batches,
            skipped,
            peak: peak_memory(),
        })
    }

    fn positions(&self) -> usize {
        self.voice + self.text + self.frames.max(CHUNK)
    }

    fn batch(
        &self,
        model: &Voxtral,
        codec: &CodecDecoder,
        rows: usize,
    ) -> Result<Batch, BenchError> {
        let (context, together) = (self.positions(), self.voice + self.text);
        let format = CacheFormat::Bf16;
        // One more slot keeps the voice.
        let caches = Caches::new(model.config(), rows + 1, context, together, format)?;
        let ids: Vec<u32> = (0..together as u32).map(|i| 1_000 + i * 7).collect();
        let ids: Vec<u32> = ids
            .iter()
            .map(|id| id % model.config().vocab as u32)
            .collect();
        let prompt = model.embed_text(&ids)?;
        let mut run = Run {
            bench: self,
            model,
            codec,
            caches,
            prompt,
            rows,
            steps: [(); 3].map(|()| Times::default()),
        };
        // What is kept of a voice is read once; here it also warms up.
        let voice = run.prompt.narrow(0, 0, self.voice)?;
        run.read(&[rows], 0, &voice)?;
        let kept = run.utterances(self.voice)?;
        let whole = match rows {
            ..=WHOLE => Some(run.utterances(0)?),
            _ => None,
        };
        let [backbone, flow, decoder] = run.steps.each_ref().map(Times::median);
        Ok(Batch {
            rows,
            prefill: whole.map(|w| w.prompt),
            text: kept.prompt,
            backbone,
            flow,
            codec: decoder,
            first_audio: whole.map(|w| w.first),
            first_chunk: whole.map(|w| w.chunk),
            first_audio_kept: kept.first,
            first_chunk_kept: kept.chunk,
        })
    }
}

/// From prompts to frames, once.
#[derive(Clone, Copy)]
struct Beginning {
    prompt: Time,
    first: Time,
    chunk: Time,
}

struct Run<'a> {
    bench: &'a Bench,
    model: &'a Voxtral,
    codec: &'a CodecDecoder,
    caches: Caches,
    /// `[voice + text, dim]`.
    prompt: Tensor,
    rows: usize,
    /// Backbone, flow, codec.
    steps: [Times; 3],
}

impl Run<'_> {
    fn read(
        &mut self,
        slots: &[usize],
        position: usize,
        rows: &Tensor,
    ) -> Result<Tensor, BenchError> {
        let reading = |slot: &usize| Reading {
            slot: *slot,
            position: position as u64,
            rows: rows.clone(),
        };
        let all: Vec<Reading> = slots.iter().map(reading).collect();
        Ok(self.model.read(&mut self.caches, &all, None)?)
    }

    /// Speaks the beginning of every row's utterance, of whose prompt `kept` positions were read.
    fn utterances(&mut self, kept: usize) -> Result<Beginning, BenchError> {
        let slots: Vec<usize> = (0..self.rows).collect();
        let mut states: Vec<DecoderState> = slots.iter().map(|_| self.codec.begin()).collect();
        let whole = self.bench.voice + self.bench.text;
        let lap = Lap::start();
        if kept > 0 {
            slots
                .iter()
                .for_each(|slot| self.caches.copy(self.rows, *slot, kept as u64));
        }
        let text = self.prompt.narrow(0, kept, whole - kept)?;
        let mut hidden = self.read(&slots, kept, &text)?;
        let prompt = lap.end(1);
        let (mut first, mut chunk) = (None, None);
        for n in 0..self.bench.frames.max(CHUNK) {
            let step = Lap::start();
            let frames = self.frames(&hidden, n)?;
            self.steps[1].push(step.end(1));
            let step = Lap::start();
            let pushed = states
                .iter_mut()
                .zip(frames.iter().map(std::slice::from_ref));
            self.codec.push(&mut pushed.collect::<Vec<_>>(), None)?;
            self.steps[2].push(step.end(1));
            if n == 0 {
                first = Some(lap.end(1));
            }
            if n + 1 == CHUNK {
                chunk = Some(lap.end(1));
            }
            let step = Lap::start();
            let next: Vec<Reading> = frames
                .iter()
                .zip(&slots)
                .map(|(frame, slot)| {
                    Ok(Reading {
                        slot: *slot,
                        position: (whole + n) as u64,
                        rows: self.model.embed_frames(std::slice::from_ref(frame))?,
                    })
                })
                .collect::<candle_core::Result<_>>()?;
            hidden = self.model.read(&mut self.caches, &next, None)?;
            self.steps[0].push(step.end(1));
        }
        Ok(Beginning {
            prompt,
            first: first.unwrap_or_default(),
            chunk: chunk.unwrap_or_default(),
        })
    }

    /// The next frame of every row; noise must not end the speech.
    fn frames(&self, hidden: &Tensor, n: usize) -> Result<Vec<Frame>, BenchError> {
        let acoustic = self.model.config().codec.acoustic;
        let ask = |seed: usize| Ask {
            noise: noise(seed as u64, n as u64, acoustic),
            guidance: GUIDANCE,
            may_end: false,
        };
        let asks: Vec<Ask> = (0..self.rows).map(ask).collect();
        let frames = self.model.frames(hidden, &asks, None)?;
        let end = || candle_core::Error::Msg("the noise in the weights ended the speech".into());
        let frames: Option<Vec<Frame>> = frames.into_iter().collect();
        Ok(frames.ok_or_else(end)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use voiced_nn::matrix::Format;

    use super::*;
    use crate::voxtral::Config;

    /// The published model with small layers, for tests.
    fn small() -> Config {
        let mut config = Config::published();
        for stack in [&mut config.backbone, &mut config.flow] {
            (stack.dim, stack.layers, stack.ffn) = (64, 1, 96);
            (stack.heads, stack.kv_heads, stack.head_dim) = (4, 2, 16);
        }
        config.vocab = 256;
        (config.codec.dim, config.codec.ffn, config.codec.head_dim) = (64, 96, 8);
        config
    }

    #[test]
    fn a_small_model_is_measured() {
        let bench = Bench {
            formats: Formats::new(Format::Q8),
            rows: vec![1, WHOLE + 1],
            voice: 7,
            text: 4,
            frames: 2,
        };
        let figures = bench.run(Checkpoint::noise(small()), &mut |_| ()).unwrap();
        let [one, many] = &figures.batches[..] else {
            panic!("two batches: {figures:?}");
        };
        assert!(one.prefill.is_some() && many.prefill.is_none());
        for batch in [one, many] {
            let (first, chunk) = (batch.first_audio_kept.waited, batch.first_chunk_kept.waited);
            assert!(Duration::ZERO < batch.text.waited && batch.text.waited < first);
            assert!(first < chunk && batch.real_time_factor() > 0.0);
        }
        assert!(figures.flow_bytes > 0 && figures.backbone_bytes > 0);
    }

    #[test]
    fn bytes_of_a_frame_are_the_specification_s() {
        let formats = Formats::new(Format::Bf16);
        let config = Config::published();
        assert_eq!(formats.backbone_bytes(&config) / 10_000_000, 605);
        let flow = formats.flow_bytes(&config) / 1_000_000;
        assert!((4_850..4_900).contains(&flow), "{flow}");
    }
}
