//! From a directory to a model: finds the files, reads the configuration, compares every tensor,
//! then packs. Every kind of wrong file has one message that says what to do.
mod error;
mod formats;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use voiced_nn::{
    block::Block,
    linear::Linear,
    matrix::Format,
    norm::RmsNorm,
    tekken::Tekken,
    weights::{Kept, Weights, WeightsError, save},
};

use super::{
    Voxtral,
    config::{Config, Naming, Stack},
    names::{Names, Part, accept_newer_names, named_as},
    row::Control,
};
use crate::mel::LogMel;

pub use error::LoadError;
pub use formats::Formats;

/// A directory that holds the model.
pub struct Checkpoint {
    config: Config,
    directory: PathBuf,
    weights: Weights,
    tekken: Option<Tekken>,
    control: Control,
}

/// Written by [`Checkpoint::save`], and preferred to what it was made from.
const SAVED: &str = "voiced.safetensors";
const TEKKEN: &str = "tekken.json";
const DEFAULT_CONTROL: Control = Control {
    bos: 1,
    eos: 2,
    pad: 32,
    word: 33,
};

impl Naming {
    fn files(self) -> (&'static str, &'static str) {
        match self {
            Naming::Mistral => ("params.json", "consolidated.safetensors"),
            Naming::HuggingFace => ("config.json", "model.safetensors"),
        }
    }

    fn whose(self) -> &'static str {
        match self {
            Naming::Mistral => "Mistral",
            Naming::HuggingFace => "Hugging Face",
        }
    }
}

impl Checkpoint {
    /// Opens a directory as published, or as saved here. Where both namings are complete,
    /// Mistral's is taken.
    pub fn open(directory: &Path) -> Result<Checkpoint, LoadError> {
        let complete = |naming: &Naming| {
            let (config, weights) = naming.files();
            let has = |name: &str| directory.join(name).is_file();
            has(config) && (has(SAVED) || has(weights))
        };
        let found = [Naming::Mistral, Naming::HuggingFace]
            .into_iter()
            .find(complete);
        match found {
            Some(naming) => Checkpoint::open_as(directory, naming),
            None => Err(LoadError::NotACheckpoint {
                directory: directory.to_owned(),
                found: listing(directory),
                expected: "consolidated.safetensors with params.json, or model.safetensors with \
                           config.json, and tekken.json"
                    .to_owned(),
            }),
        }
    }

    /// Opens a directory in one of the two namings.
    pub fn open_as(directory: &Path, naming: Naming) -> Result<Checkpoint, LoadError> {
        let (config_name, weights_name) = naming.files();
        let config_path = directory.join(config_name);
        let describe = |what: String| LoadError::Config {
            path: config_path.clone(),
            what,
        };
        let json = fs::read(&config_path).map_err(|e| describe(e.to_string()))?;
        let config = Config::from_json(naming, &json).map_err(describe)?;
        let tekken_path = directory.join(TEKKEN);
        if !tekken_path.is_file() {
            return Err(LoadError::NotACheckpoint {
                directory: directory.to_owned(),
                found: "no tekken.json".to_owned(),
                expected: "the tokenizer that was published with the weights".to_owned(),
            });
        }
        let tekken = Tekken::open(&tekken_path)?;
        let unfit = |what: String| LoadError::Config {
            path: tekken_path.clone(),
            what,
        };
        let control = Control::of(&tekken).map_err(unfit)?;
        if tekken.vocab_size() != config.vocab {
            let (have, want) = (tekken.vocab_size(), config.vocab);
            return Err(unfit(format!(
                "{have} tokens where {config_name} says {want}: of another model"
            )));
        }
        let saved = directory.join(SAVED);
        let weights_path = if saved.is_file() {
            saved
        } else {
            directory.join(weights_name)
        };
        let mut weights = Weights::open(&weights_path)?;
        accept_newer_names(&mut weights);
        if let Some(found) = named_as(&weights).filter(|found| *found != naming) {
            return Err(LoadError::OtherNaming {
                weights: weights_path,
                config: config_path,
                found: found.whose(),
                expected: naming.whose(),
            });
        }
        weights.check(&Names(naming).wanted(&config))?;
        Ok(Checkpoint {
            config,
            directory: directory.to_owned(),
            weights,
            tekken: Some(tekken),
            control,
        })
    }

    /// A model of these sizes full of noise: to measure with when there is no checkpoint.
    pub fn noise(config: Config) -> Checkpoint {
        Checkpoint {
            weights: Weights::noise(&Names(config.naming).wanted(&config)),
            config,
            directory: PathBuf::new(),
            tekken: None,
            control: DEFAULT_CONTROL,
        }
    }

    /// The sizes of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How the matrices were saved, when this is a quantised copy.
    pub fn packed(&self) -> Option<Formats> {
        let names = Names(self.config.naming);
        let wq = |part| names.layer(part, 0, "attention.wq.weight");
        Some(Formats {
            encoder: self.weights.packed(&wq(Part::Encoder))?,
            decoder: self.weights.packed(&wq(Part::Decoder))?,
            embedding: self.weights.packed(&names.global("embedding"))?,
        })
    }

    /// Has the decoder look back at most `positions`; never further than it was made to.
    pub fn limit_context(&mut self, positions: usize) {
        let window = &mut self.config.decoder.window;
        *window = positions.clamp(1, *window);
    }

    /// Ids with a meaning of their own.
    pub fn control(&self) -> Control {
        self.control
    }

    /// The tokenizer, unless the model is noise.
    pub fn take_tekken(&mut self) -> Option<Tekken> {
        self.tekken.take()
    }

    /// Packs the weights.
    pub fn load(&self, formats: Formats) -> Result<Voxtral, LoadError> {
        self.load_watched(formats, &|_, _| {})
    }

    /// Packs the weights, telling `watch` how many of how many matrices are done.
    pub fn load_watched(
        &self,
        formats: Formats,
        watch: &dyn Fn(usize, usize),
    ) -> Result<Voxtral, LoadError> {
        let config = self.config;
        let wanted = Names(config.naming).wanted(&config);
        let matrices = wanted.iter().filter(|w| w.shape.len() > 1).count();
        let done = std::cell::Cell::new(0);
        let names = Names(config.naming);
        let linear = |name: String, format: Format, bias: Option<String>| {
            let matrix = self.weights.matrix(&name, format)?;
            done.set(done.get() + 1);
            watch(done.get(), matrices);
            Ok::<_, WeightsError>(Linear::new(matrix, bias.map(|b| self.weights.vector(&b))))
        };
        let global = |name: &str, format, bias: Option<&str>| {
            linear(names.global(name), format, bias.map(|b| names.global(b)))
        };
        let norm = |name: String, eps| RmsNorm::new(self.weights.vector(&name), eps);
        let block = |part: Part, stack: &Stack, layer: usize, format: Format| {
            let name = |tensor: &str| names.layer(part, layer, tensor);
            let biased = |tensor: &str| {
                let bias = (part == Part::Encoder).then(|| name(&format!("{tensor}.bias")));
                linear(name(&format!("{tensor}.weight")), format, bias)
            };
            let plain = |tensor: &str| linear(name(tensor), format, None);
            Ok::<_, WeightsError>(Block {
                attention_norm: norm(name("attention_norm.weight"), stack.eps),
                wq: biased("attention.wq")?,
                wk: plain("attention.wk.weight")?,
                wv: biased("attention.wv")?,
                wo: biased("attention.wo")?,
                ffn_norm: norm(name("ffn_norm.weight"), stack.eps),
                w1: plain("feed_forward.w1.weight")?,
                w2: biased("feed_forward.w2")?,
                w3: plain("feed_forward.w3.weight")?,
            })
        };
        let stack = |part, stack: &Stack, format| {
            let layers = (0..stack.layers).map(|i| block(part, stack, i, format));
            layers.collect::<Result<Vec<_>, _>>()
        };
        let delay_networks = (0..config.decoder.layers).map(|i| {
            let [down, up] = names.delay(i);
            Ok::<_, WeightsError>([
                linear(down, formats.small(), None)?,
                linear(up, formats.small(), None)?,
            ])
        });
        Ok(Voxtral {
            config,
            mel: LogMel::new(config.loudest),
            stem: [
                global("conv.0.weight", formats.small(), Some("conv.0.bias"))?,
                global("conv.1.weight", formats.small(), Some("conv.1.bias"))?,
            ],
            encoder: stack(Part::Encoder, &config.encoder, formats.encoder)?,
            encoder_norm: norm(names.global("encoder.norm"), config.encoder.eps),
            adapter: [
                global("adapter.0", formats.encoder, None)?,
                global("adapter.1", formats.encoder, None)?,
            ],
            embedding: global("embedding", formats.embedding, None)?,
            decoder: stack(Part::Decoder, &config.decoder, formats.decoder)?,
            norm: norm(names.global("norm"), config.decoder.eps),
            delay_networks: delay_networks.collect::<Result<_, _>>()?,
            scales: Mutex::new(HashMap::new()),
        })
    }

    /// Quantises and writes a directory that opens in a fraction of the time, with the small
    /// files copied beside the weights.
    pub fn save(&self, formats: Formats, directory: &Path) -> Result<(), LoadError> {
        self.save_watched(formats, directory, &|_, _| {})
    }

    /// The same, telling `watch` how many of how many matrices are packed.
    pub fn save_watched(
        &self,
        formats: Formats,
        directory: &Path,
        watch: &dyn Fn(usize, usize),
    ) -> Result<(), LoadError> {
        let unwritable = |path: PathBuf| move |source| LoadError::Unwritable { path, source };
        fs::create_dir_all(directory).map_err(unwritable(directory.to_owned()))?;
        for name in [self.config.naming.files().0, TEKKEN] {
            let to = directory.join(name);
            fs::copy(self.directory.join(name), &to).map_err(unwritable(to))?;
        }
        let model = self.load_watched(formats, watch)?;
        let packed = model.matrices();
        let mut vectors = Vec::new();
        let wanted = Names(self.config.naming).wanted(&self.config);
        for want in &wanted {
            if !packed.contains_key(&want.name) {
                vectors.push((want, self.weights.vector(&want.name)));
            }
        }
        let mut tensors: Vec<(String, Kept<'_>)> = vectors
            .iter()
            .map(|(want, v)| (want.name.clone(), Kept::Vector(v, want.shape.clone())))
            .collect();
        for want in &wanted {
            if let Some(linear) = packed.get(&want.name) {
                tensors.push((
                    want.name.clone(),
                    Kept::Matrix(linear.matrix(), want.shape.clone()),
                ));
            }
        }
        Ok(save(&directory.join(SAVED), &tensors)?)
    }
}

impl Voxtral {
    /// Every matrix by its name in the checkpoint.
    fn matrices(&self) -> HashMap<String, &Linear> {
        let names = Names(self.config.naming);
        let mut all = HashMap::from([
            (names.global("conv.0.weight"), &self.stem[0]),
            (names.global("conv.1.weight"), &self.stem[1]),
            (names.global("adapter.0"), &self.adapter[0]),
            (names.global("adapter.1"), &self.adapter[1]),
            (names.global("embedding"), &self.embedding),
        ]);
        for (part, blocks) in [
            (Part::Encoder, &self.encoder),
            (Part::Decoder, &self.decoder),
        ] {
            for (i, block) in blocks.iter().enumerate() {
                for (name, linear) in [
                    ("attention.wq.weight", &block.wq),
                    ("attention.wk.weight", &block.wk),
                    ("attention.wv.weight", &block.wv),
                    ("attention.wo.weight", &block.wo),
                    ("feed_forward.w1.weight", &block.w1),
                    ("feed_forward.w2.weight", &block.w2),
                    ("feed_forward.w3.weight", &block.w3),
                ] {
                    all.insert(names.layer(part, i, name), linear);
                }
            }
        }
        for (i, networks) in self.delay_networks.iter().enumerate() {
            all.extend(names.delay(i).into_iter().zip(networks));
        }
        all
    }

    /// Bytes of all packed matrices.
    pub fn weight_bytes(&self) -> usize {
        self.matrices()
            .values()
            .map(|l| l.matrix().packed().len())
            .sum()
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
        n => format!("{n} files, none of them a checkpoint's"),
    }
}
