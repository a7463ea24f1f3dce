//! Opens a checkpoint directory as published and packs its weights.
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use candle_core::{Device, Tensor};
use voiced_nn::{
    block::Block,
    linear::Linear,
    matrix::Format,
    norm::RmsNorm,
    tekken::{Tekken, TekkenError},
    weights::{Kept, Wanted, Weights, WeightsError, save},
};

use super::{
    FrameRows, Prompt, Voxtral,
    config::{Config, Stack},
    flow::{Flow, time_vector},
    names::{self, flow, layer, wanted},
};
use crate::codec::{CodecDecoder, CodecEncoder, encoder_wanted};

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The directory lacks a file.
    #[error("{directory} holds {found}: expected {expected}", directory = directory.display())]
    NotACheckpoint {
        /// The directory.
        directory: PathBuf,
        /// What is there.
        found: String,
        /// What should be.
        expected: &'static str,
    },
    /// A configuration is unreadable or of another model.
    #[error("{path}: {what}", path = path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The weights do not fit.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The tokenizer does not fit.
    #[error(transparent)]
    Tekken(#[from] TekkenError),
    /// A file of a saved copy cannot be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something constant could not be computed from the weights.
    #[error("cannot prepare the model: {0}")]
    Prepare(#[from] candle_core::Error),
    /// No encoder was published with the weights, and none was given.
    #[error(
        "a voice cannot be made from a recording: {directory} has no codec encoder (the published \
         weights leave it out). Give an encoder file, use one of the preset voices or a ready \
         voice file, or a hosted voice through the remote engine",
        directory = directory.display()
    )]
    NoEncoder {
        /// The checkpoint's directory.
        directory: PathBuf,
    },
}

/// How the parts of the model are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formats {
    /// Layers of the decoder.
    pub backbone: Format,
    /// Layers of the flow: its errors decide acoustic codes.
    pub flow: Format,
    /// The codec, which is small.
    pub codec: Format,
    /// The heads and projections that are never quantised.
    pub small: Format,
}

impl Formats {
    /// Everything in one format, except that the flow gets 8 bits at least and that small parts
    /// and the codec are not quantised.
    pub fn new(format: Format) -> Formats {
        let unquantised = match format {
            Format::F32 => Format::F32,
            _ => Format::Bf16,
        };
        Formats {
            backbone: format,
            flow: if format == Format::Q4 {
                Format::Q8
            } else {
                format
            },
            codec: unquantised,
            small: unquantised,
        }
    }

    /// Bytes of all weights of a model of these sizes in memory. The text embeddings stay in the
    /// file, of which a prompt reads a few dozen rows.
    pub fn bytes(self, config: &Config) -> usize {
        let all = wanted(config);
        all.iter().map(|want| self.tensor_bytes(want)).sum()
    }

    fn tensor_bytes(self, want: &Wanted) -> usize {
        let count: usize = want.shape.iter().product();
        let [rows, _, ..] = want.shape[..] else {
            return count * size_of::<f32>();
        };
        match want.name.as_str() {
            names::TEXT => 0,
            names::AUDIO => count * size_of::<f32>(),
            name => match self.layer_format(name) {
                Some(format) => format.matrix_bytes(rows, count / rows),
                None if name.starts_with(CODEC) => self.codec.matrix_bytes(rows, count / rows),
                None => self.small.matrix_bytes(rows, count / rows),
            },
        }
    }

    /// The format of a matrix of the backbone's or the flow's layers; `None` for all else.
    fn layer_format(self, name: &str) -> Option<Format> {
        let of_flow = name.strip_prefix("acoustic_transformer.");
        let layer = of_flow.unwrap_or(name).strip_prefix("layers.")?;
        let is_matrix = layer.contains(".attention.w") || layer.contains(".feed_forward.w");
        let format = if of_flow.is_some() {
            self.flow
        } else {
            self.backbone
        };
        is_matrix.then_some(format)
    }
}

/// A directory that holds the model.
pub struct Checkpoint {
    config: Config,
    directory: PathBuf,
    noise: bool,
    weights: Weights,
}

const CODEC: &str = "audio_tokenizer.";
/// Written by [`Checkpoint::save`], and preferred to what it was made from.
const SAVED: &str = "voiced.safetensors";
/// The presets' folder.
const VOICES: &str = "voice_embedding";
const PARAMS: &str = "params.json";
const WEIGHTS: &str = "consolidated.safetensors";
const TEKKEN: &str = "tekken.json";
const ENCODER: &str = "encoder.safetensors";
const EXPECTED: &str = "params.json, consolidated.safetensors, tekken.json and voice_embedding/";

/// Tensors of an encoder inside the main file.
fn of_encoder(name: &str) -> bool {
    name.starts_with("audio_tokenizer.encoder_blocks.")
        || name.starts_with("audio_tokenizer.input_proj.")
}

impl Checkpoint {
    /// Opens a directory as published, or as saved here.
    pub fn open(directory: &Path) -> Result<Checkpoint, LoadError> {
        let weights = [SAVED, WEIGHTS].map(|name| directory.join(name));
        let weights = weights.into_iter().find(|path| path.is_file());
        let has_config = directory.join(PARAMS).is_file();
        let Some(weights) = weights.filter(|_| has_config) else {
            return Err(LoadError::NotACheckpoint {
                directory: directory.to_owned(),
                found: listing(directory),
                expected: EXPECTED,
            });
        };
        let path = directory.join(PARAMS);
        let described = |what: String| LoadError::Config {
            path: path.clone(),
            what,
        };
        let json = fs::read(&path).map_err(|e| described(e.to_string()))?;
        let config = Config::from_json(&json).map_err(described)?;
        let weights = Weights::open(&weights)?;
        let mut all = wanted(&config);
        if weights.names().any(of_encoder) {
            all.extend(encoder_wanted(&config.codec));
        }
        weights.check(&all)?;
        Ok(Checkpoint {
            config,
            directory: directory.to_owned(),
            noise: false,
            weights,
        })
    }

    /// A model of these sizes full of noise: to measure with when there is no checkpoint.
    pub fn noise(config: Config) -> Checkpoint {
        Checkpoint {
            weights: Weights::noise(&wanted(&config)),
            config,
            directory: PathBuf::new(),
            noise: true,
        }
    }

    /// The sizes of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it was opened.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The formats a copy saved here has its layers in, whatever is asked for: backbone and flow.
    /// `None` for a directory as published.
    pub fn saved_in(&self) -> Option<(Format, Format)> {
        let of = |flow| {
            self.weights
                .packed(&format!("{}.attention.wq.weight", layer(flow, 0)))
        };
        Some((of(false)?, of(true)?))
    }

    /// The formats the model will have when loaded as `asked`.
    pub fn formats(&self, asked: Formats) -> Formats {
        match self.saved_in() {
            Some((backbone, flow)) => Formats {
                backbone,
                flow,
                ..asked
            },
            None => asked,
        }
    }

    /// Packs the layers and writes a directory that opens in a fraction of the time: they are then
    /// only copied. Everything else goes along to the bit, the voices and an encoder included.
    pub fn save(&self, formats: Formats, directory: &Path) -> Result<(), LoadError> {
        let unwritable = |path: PathBuf| move |source| LoadError::Unwritable { path, source };
        let voices = directory.join(VOICES);
        fs::create_dir_all(&voices).map_err(unwritable(voices.clone()))?;
        let mut small: Vec<PathBuf> = [PARAMS, TEKKEN, ENCODER].map(PathBuf::from).to_vec();
        let presets = self.config.voices.iter();
        small.extend(presets.map(|name| Path::new(VOICES).join(format!("{name}.pt"))));
        for name in small {
            let (from, to) = (self.directory.join(&name), directory.join(&name));
            if from.is_file() {
                fs::copy(from, &to).map_err(unwritable(to.clone()))?;
            }
        }
        let mut packed = Vec::new();
        for want in wanted(&self.config) {
            if let Some(format) = formats.layer_format(&want.name) {
                packed.push((self.weights.matrix(&want.name, format)?, want));
            }
        }
        let mut tensors: Vec<(String, Kept<'_>)> = packed
            .iter()
            .map(|(matrix, want)| {
                let kept = Kept::Matrix(matrix, want.shape.clone());
                (want.name.clone(), kept)
            })
            .collect();
        for name in self.weights.names() {
            if formats.layer_format(name).is_none() {
                tensors.push((name.to_owned(), Kept::Same(&self.weights)));
            }
        }
        Ok(save(&directory.join(SAVED), &tensors)?)
    }

    /// The tokenizer that was published with the weights, and the prompts made with it.
    pub fn prompt(&self) -> Result<Prompt, LoadError> {
        let path = self.directory.join(TEKKEN);
        if !path.is_file() {
            return Err(LoadError::NotACheckpoint {
                directory: self.directory.clone(),
                found: listing(&self.directory),
                expected: EXPECTED,
            });
        }
        let tekken = Tekken::open(&path)?;
        if tekken.vocab_size() != self.config.vocab {
            let (have, want) = (tekken.vocab_size(), self.config.vocab);
            return Err(LoadError::Config {
                path,
                what: format!("{have} tokens where {PARAMS} says {want}: of another model"),
            });
        }
        Ok(Prompt::new(tekken))
    }

    /// The codec's decoder.
    pub fn codec(&self, formats: Formats) -> Result<CodecDecoder, LoadError> {
        Ok(CodecDecoder::load(
            &self.config.codec,
            &self.weights,
            formats.codec,
        )?)
    }

    /// The encoder's weights: from the file given, or one beside the model's. `None` when it can
    /// only be inside the model's own.
    fn encoder_file(&self, given: Option<&Path>) -> Result<Option<Weights>, LoadError> {
        let beside = self.directory.join(ENCODER);
        let beside = (!self.noise && beside.is_file()).then_some(beside.as_path());
        let Some(path) = given.or(beside) else {
            return Ok(None);
        };
        let weights = Weights::open(path)?;
        weights.check(&encoder_wanted(&self.config.codec))?;
        Ok(Some(weights))
    }

    /// Whether there is an encoder, in the file given, beside the weights or among them; checked
    /// and not loaded.
    pub fn has_encoder(&self, given: Option<&Path>) -> Result<bool, LoadError> {
        Ok(self.encoder_file(given)?.is_some() || self.weights.names().any(of_encoder))
    }

    /// The codec's encoder, from the file given, one beside the weights or the weights
    /// themselves; an error that says what to do when there is none.
    pub fn encoder(
        &self,
        given: Option<&Path>,
        formats: Formats,
    ) -> Result<CodecEncoder, LoadError> {
        let (codec, own) = (&self.config.codec, &self.weights);
        let file = self.encoder_file(given)?;
        if file.is_none() && !own.names().any(of_encoder) {
            return Err(LoadError::NoEncoder {
                directory: self.directory.clone(),
            });
        }
        let weights = file.as_ref().unwrap_or(own);
        Ok(CodecEncoder::load(codec, own, weights, formats.codec)?)
    }

    /// The rows of frames: what the model feeds back, and what voices are made of.
    pub fn frame_rows(&self) -> FrameRows {
        FrameRows::new(&self.config, self.weights.vector(names::AUDIO))
    }

    /// Packs backbone and flow. The file stays mapped for its text embeddings.
    pub fn load(self, formats: Formats) -> Result<Voxtral, LoadError> {
        let config = self.config.clone();
        let eps = config.backbone.eps;
        let layers = (0..config.backbone.layers)
            .map(|i| self.block(&layer(false, i), &config.backbone, formats.backbone));
        Ok(Voxtral {
            layers: layers.collect::<Result<_, _>>()?,
            norm: RmsNorm::new(self.weights.vector(names::NORM), eps),
            frames: self.frame_rows(),
            semantic: self.linear(&flow("semantic_codebook_output"), formats.small)?,
            flow: self.flow(formats)?,
            file: self.weights,
            config,
        })
    }

    fn linear(&self, name: &str, format: Format) -> Result<Linear, WeightsError> {
        Ok(Linear::new(self.weights.matrix(name, format)?, None))
    }

    fn block(&self, at: &str, stack: &Stack, format: Format) -> Result<Block, WeightsError> {
        let linear = |name: &str| self.linear(&format!("{at}.{name}.weight"), format);
        let norm = |name: &str| {
            RmsNorm::new(
                self.weights.vector(&format!("{at}.{name}.weight")),
                stack.eps,
            )
        };
        Ok(Block {
            attention_norm: norm("attention_norm"),
            wq: linear("attention.wq")?,
            wk: linear("attention.wk")?,
            wv: linear("attention.wv")?,
            wo: linear("attention.wo")?,
            ffn_norm: norm("ffn_norm"),
            w1: linear("feed_forward.w1")?,
            w2: linear("feed_forward.w2")?,
            w3: linear("feed_forward.w3")?,
        })
    }

    fn flow(&self, formats: Formats) -> Result<Flow, LoadError> {
        let config = &self.config;
        let (dim, steps) = (config.flow.dim, config.steps);
        let grid: Vec<f32> = (0..=steps).map(|i| i as f32 / steps as f32).collect();
        let told: Vec<f32> = grid[..steps]
            .iter()
            .flat_map(|t| time_vector(*t, dim))
            .collect();
        let told = Tensor::from_vec(told, (steps, dim), &Device::Cpu)?;
        let times = self
            .linear(&flow("time_projection"), formats.small)?
            .forward(&told)?;
        let layers = (0..config.flow.layers)
            .map(|i| self.block(&layer(true, i), &config.flow, formats.flow));
        let mut flow = Flow {
            stack: config.flow,
            levels: config.codec.levels,
            acoustic: config.codec.acoustic,
            input: self.linear(&flow("input_projection"), formats.small)?,
            hidden: self.linear(&flow("llm_projection"), formats.small)?,
            layers: layers.collect::<Result<_, _>>()?,
            norm: RmsNorm::new(self.weights.vector(&flow("norm")), config.flow.eps),
            output: self.linear(&flow("acoustic_codebook_output"), formats.small)?,
            times: times.flatten_all()?.to_vec1()?,
            grid,
            projected_times: Vec::new(),
        };
        flow.projected_times = flow.first_projection(&times)?.flatten_all()?.to_vec1()?;
        Ok(flow)
    }
}

fn listing(directory: &Path) -> String {
    let Ok(entries) = fs::read_dir(directory) else {
        return "nothing readable".to_owned();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    match names.len() {
        0 => "nothing".to_owned(),
        1..=12 => names.join(", "),
        n => format!("{n} files"),
    }
}
