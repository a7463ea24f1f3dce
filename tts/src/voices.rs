//! The voices there are: presets from the checkpoint's `.pt` files, and added ones, each a
//! `.safetensors` file in a directory of the operator's.
//!
//! A voice is a matrix of rows that stand in the prompt. Files are read when a voice is first
//! wanted, checked for their shape, and refused with what is wrong; a name is never a path.
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use candle_core::{Device, Tensor};
use voiced_nn::{
    rows::values,
    weights::{Kept, Wanted, Weights, WeightsError, save},
};

use crate::{codec::CodecEncoder, voxtral::FrameRows};

mod torch;

pub use torch::{TorchError, read_rows};

/// Where a voice comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Published with the model.
    Preset,
    /// Added by the operator.
    Added,
}

/// What is known of a voice without opening its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    /// What it is asked for by; lower case.
    pub name: String,
    /// Its mother tongue, as far as its name tells: `en`, `fr`, … It may speak any other of the
    /// model's languages, with its accent.
    pub language: Option<&'static str>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Why a voice cannot be had, added or removed.
#[derive(Debug, thiserror::Error)]
pub enum VoiceError {
    /// No voice has this name.
    #[error("there is no voice {name:?}; there are {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The name cannot be one of a voice.
    #[error("{0:?} cannot be a voice's name: use 1 to 64 lower-case letters, digits, - and _")]
    BadName(String),
    /// A preset cannot be replaced or removed.
    #[error("{0} is one of the model's own voices: choose another name")]
    Preset(String),
    /// There is one already.
    #[error("there is a voice {0} already: remove it first")]
    Taken(String),
    /// Nowhere to keep voices.
    #[error("no directory for added voices is configured")]
    NoDirectory,
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A preset's file is not one.
    #[error("{path}: {source}", path = path.display())]
    Torch {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TorchError,
    },
    /// An added voice's file is not one.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file is sound but is no voice for this model.
    #[error("{path} is not a voice of this model: {what}", path = path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The recording cannot become a voice.
    #[error("a recording of {seconds:.1} s: a voice is made of {least} to {most} s of speech")]
    Length {
        /// How long it is.
        seconds: f32,
        /// The shortest.
        least: f32,
        /// The longest.
        most: f32,
    },
    /// The model could not compute it.
    #[error("the voice could not be computed: {0}")]
    Compute(#[from] candle_core::Error),
}

/// Most rows a voice may have: 30 s and its end. The longest preset has 218.
pub const MOST_ROWS: usize = 376;
/// What a recording must last, in seconds.
const LENGTHS: (f32, f32) = (3.0, 30.0);
/// The tensor in an added voice's file.
const TENSOR: &str = "voice";
const PRESETS: &str = "voice_embedding";

/// The catalogue. Shared by everyone who speaks or lists.
pub struct Voices {
    presets: PathBuf,
    names: Vec<String>,
    added: Option<PathBuf>,
    dim: usize,
    loaded: Mutex<HashMap<String, Arc<Tensor>>>,
}

impl Voices {
    /// The presets `names` of a checkpoint's directory, for a model `dim` wide, and whatever lies
    /// in `added`.
    pub fn new(checkpoint: &Path, names: &[String], dim: usize, added: Option<PathBuf>) -> Voices {
        Voices {
            presets: checkpoint.join(PRESETS),
            names: names.to_vec(),
            added,
            dim,
            loaded: Mutex::new(HashMap::new()),
        }
    }

    /// All voices: presets in their published order, then added ones by name.
    pub fn list(&self) -> Vec<Voice> {
        let voice = |name: &String, origin| Voice {
            name: name.clone(),
            language: language(name, origin),
            origin,
        };
        let presets = self.names.iter().map(|name| voice(name, Origin::Preset));
        let added = self.added_names();
        presets
            .chain(added.iter().map(|name| voice(name, Origin::Added)))
            .collect()
    }

    fn added_names(&self) -> Vec<String> {
        let Some(entries) = self.added.as_ref().and_then(|d| fs::read_dir(d).ok()) else {
            return Vec::new();
        };
        let name = |entry: fs::DirEntry| {
            let file = entry.file_name().into_string().ok()?;
            let name = file.strip_suffix(".safetensors")?.to_owned();
            (sound(&name) && !self.names.contains(&name)).then_some(name)
        };
        let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
        names.sort_unstable();
        names
    }

    /// Whether there is such a voice; its file may still turn out to be none.
    pub fn contains(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.names.contains(&name) || self.added_file(&name).is_ok_and(|file| file.is_file())
    }

    /// The rows of a voice, `[rows, dim]`. Case does not matter.
    pub fn rows(&self, name: &str) -> Result<Arc<Tensor>, VoiceError> {
        let name = name.to_lowercase();
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rows) = loaded.get(&name) {
            return Ok(Arc::clone(rows));
        }
        let rows = Arc::new(self.load(&name)?);
        loaded.insert(name, Arc::clone(&rows));
        Ok(rows)
    }

    fn load(&self, name: &str) -> Result<Tensor, VoiceError> {
        if self.names.iter().any(|n| n == name) {
            return self.load_torch(&self.presets.join(format!("{name}.pt")));
        }
        match self.added_file(name) {
            Ok(path) if path.is_file() => self.load_file(&path),
            _ => Err(VoiceError::Unknown {
                name: name.to_owned(),
                known: self
                    .list()
                    .into_iter()
                    .map(|v| v.name)
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    fn load_torch(&self, path: &Path) -> Result<Tensor, VoiceError> {
        let bytes = fs::read(path).map_err(|source| VoiceError::File {
            path: path.to_owned(),
            source,
        })?;
        let rows = read_rows(&bytes, self.dim).map_err(|source| VoiceError::Torch {
            path: path.to_owned(),
            source,
        })?;
        self.tensor(path, rows)
    }

    /// Reads a voice from any `.safetensors` file with one tensor `[rows, dim]`.
    pub fn load_file(&self, path: &Path) -> Result<Tensor, VoiceError> {
        let weights = Weights::open(path)?;
        let names: Vec<String> = weights.names().map(str::to_owned).collect();
        let unfit = |what: String| VoiceError::Unfit {
            path: path.to_owned(),
            what,
        };
        let [name] = names.as_slice() else {
            return Err(unfit(format!(
                "{} tensors where one is expected",
                names.len()
            )));
        };
        let shape = weights.shape(name).unwrap_or_default().to_vec();
        let [rows, dim] = shape.as_slice() else {
            return Err(unfit(format!("a tensor of shape {shape:?}")));
        };
        if *dim != self.dim || !(1..=MOST_ROWS).contains(rows) {
            return Err(unfit(format!(
                "shape {shape:?} where 1 to {MOST_ROWS} rows of {} are expected",
                self.dim
            )));
        }
        weights.check(&[Wanted::new(name.clone(), &shape)])?;
        self.tensor(path, weights.vector(name))
    }

    fn tensor(&self, path: &Path, rows: Vec<f32>) -> Result<Tensor, VoiceError> {
        let count = rows.len() / self.dim;
        let what = if !(1..=MOST_ROWS).contains(&count) {
            format!("{count} rows where 1 to {MOST_ROWS} are expected")
        } else if rows.iter().any(|v| !v.is_finite()) {
            "values that are no numbers".to_owned()
        } else {
            return Ok(Tensor::from_vec(rows, (count, self.dim), &Device::Cpu)?);
        };
        Err(VoiceError::Unfit {
            path: path.to_owned(),
            what,
        })
    }

    fn added_file(&self, name: &str) -> Result<PathBuf, VoiceError> {
        if !sound(name) {
            return Err(VoiceError::BadName(name.to_owned()));
        }
        let directory = self.added.as_ref().ok_or(VoiceError::NoDirectory)?;
        Ok(directory.join(format!("{name}.safetensors")))
    }

    /// Keeps `rows`, `[rows, dim]`, as a voice.
    pub fn add(&self, name: &str, rows: &Tensor) -> Result<Voice, VoiceError> {
        let path = self.added_file(name)?;
        if self.names.iter().any(|n| n == name) {
            return Err(VoiceError::Preset(name.to_owned()));
        }
        if path.exists() {
            return Err(VoiceError::Taken(name.to_owned()));
        }
        let (count, dim) = rows.dims2()?;
        let all = values(rows, <[f32]>::to_vec)?;
        if dim != self.dim {
            return Err(VoiceError::Unfit {
                path,
                what: format!("rows of {dim} where {} are expected", self.dim),
            });
        }
        // The same checks a file gets.
        self.tensor(&path, all.clone())?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(|source| VoiceError::File {
                path: directory.to_owned(),
                source,
            })?;
        }
        save(
            &path,
            &[(TENSOR.to_owned(), Kept::Vector(&all, vec![count, dim]))],
        )?;
        Ok(Voice {
            name: name.to_owned(),
            language: language(name, Origin::Added),
            origin: Origin::Added,
        })
    }

    /// Adds a voice from a file somebody else made: `.pt` as published, or `.safetensors`.
    pub fn add_file(&self, name: &str, path: &Path) -> Result<Voice, VoiceError> {
        // A name that cannot be is told before a file that cannot be read.
        self.added_file(name)?;
        let is_torch = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("pt"));
        let rows = match is_torch {
            true => self.load_torch(path)?,
            false => self.load_file(path)?,
        };
        self.add(name, &rows)
    }

    /// Adds a voice from a recording, mono at 24 kHz, of 3 to 30 s.
    pub fn add_recording(
        &self,
        name: &str,
        samples: &[f32],
        frames: &FrameRows,
        encoder: &CodecEncoder,
    ) -> Result<Voice, VoiceError> {
        let seconds = samples.len() as f32 / 24_000.0;
        let (least, most) = LENGTHS;
        if !(least..=most).contains(&seconds) {
            return Err(VoiceError::Length {
                seconds,
                least,
                most,
            });
        }
        let rows = frames.voice(&encoder.encode(samples)?)?;
        self.add(name, &rows)
    }

    /// Forgets an added voice and deletes its file.
    pub fn remove(&self, name: &str) -> Result<(), VoiceError> {
        if self.names.iter().any(|n| n == name) {
            return Err(VoiceError::Preset(name.to_owned()));
        }
        let path = self.added_file(name)?;
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        fs::remove_file(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => VoiceError::Unknown {
                name: name.to_owned(),
                known: self.added_names().join(", "),
            },
            _ => VoiceError::File { path, source },
        })?;
        loaded.remove(name);
        Ok(())
    }
}

/// Names that are safe as file names everywhere.
fn sound(name: &str) -> bool {
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// The languages the model was published for, as codes that lead the names of voices.
pub const LANGUAGES: [&str; 9] = ["en", "fr", "es", "de", "it", "pt", "nl", "ar", "hi"];

fn language(name: &str, origin: Origin) -> Option<&'static str> {
    let lead = name.split('_').next().unwrap_or_default();
    let known = LANGUAGES.into_iter().find(|code| *code == lead);
    match origin {
        // The English presets carry a mood instead.
        Origin::Preset => Some(known.unwrap_or("en")),
        Origin::Added => known,
    }
}

#[cfg(test)]
mod tests;
