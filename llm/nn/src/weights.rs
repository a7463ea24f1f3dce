//! Tensors of a checkpoint: safetensors by memory map, checked against what a model wants before
//! anything is computed, with everything that is missing, left over, misshapen or of a wrong type
//! reported together.
//!
//! Matrices are packed, and quantised when asked, as they are read; [`save`] keeps packed matrices
//! so that the next start only copies. A file says itself which of its tensors are packed.
#![allow(unsafe_code)]
use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use half::{bf16, f16};
use memmap2::{Mmap, UncheckedAdvice};
use safetensors::{Dtype, SafeTensors};

use crate::matrix::{Format, Matrix};

mod mismatch;
mod save;

pub use mismatch::Mismatch;
pub use save::{Kept, save};

/// A tensor a model wants: its name and shape. Shapes with more than two axes are matrices whose
/// columns are all axes but the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// As in the file.
    pub name: String,
    /// As in the file.
    pub shape: Vec<usize>,
}

impl Wanted {
    /// A tensor by name and shape.
    pub fn new(name: impl Into<String>, shape: &[usize]) -> Wanted {
        Wanted {
            name: name.into(),
            shape: shape.to_vec(),
        }
    }
}

/// Why weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be opened or mapped.
    #[error("cannot read {path}: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not safetensors, or not all of it.
    #[error("{path} is not a usable safetensors file: {what}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file is sound but not of this model.
    #[error("{path} does not hold the expected model: {mismatch}", path = path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Everything that does not fit.
        mismatch: Mismatch,
    },
    /// No memory for a packed matrix.
    #[error("no memory for {name}: {source}")]
    Memory {
        /// The tensor.
        name: String,
        /// What the system says.
        source: io::Error,
    },
}

/// Key of the metadata entry that tells how a tensor is packed: `packed.` and its name.
const PACKED: &str = "packed.";

#[derive(Debug)]
struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Range<usize>,
    packed: Option<Format>,
}

/// An open checkpoint.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    source: Source,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
enum Source {
    File(Mmap),
    /// No file: values drawn from this table, for measurements.
    Noise(Vec<f32>),
}

impl Weights {
    /// Opens a safetensors file and reads its table of contents.
    pub fn open(path: &Path) -> Result<Weights, WeightsError> {
        let unreadable = |source| WeightsError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(unreadable)?;
        // SAFETY: the map is only read. Whoever truncates a checkpoint in use ends the process,
        // as with any mapped file.
        let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
        let malformed = |what: String| WeightsError::Malformed {
            path: path.to_owned(),
            what,
        };
        let entries = contents(&map).map_err(malformed)?;
        Ok(Weights {
            path: path.to_owned(),
            source: Source::File(map),
            entries,
        })
    }

    /// Tensors of these names and shapes full of noise of about the size of trained weights: what
    /// a model can be timed with when there is no checkpoint.
    pub fn noise(wanted: &[Wanted]) -> Weights {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let table = (0..1 << 16).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bf16::from_f32(((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * 0.04).to_f32()
        });
        let entry = |w: &Wanted| Entry {
            dtype: Dtype::BF16,
            shape: w.shape.clone(),
            bytes: 0..0,
            packed: None,
        };
        Weights {
            path: "random weights".into(),
            source: Source::Noise(table.collect()),
            entries: wanted.iter().map(|w| (w.name.clone(), entry(w))).collect(),
        }
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether there is such a tensor.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The shape of a tensor, if there is such a one.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|entry| entry.shape.as_slice())
    }

    /// The format a tensor was saved packed in, if it was.
    pub fn packed(&self, name: &str) -> Option<Format> {
        self.entries.get(name)?.packed
    }

    /// Renames tensors, where files of different ages call the same tensor differently.
    pub fn rename(&mut self, rename: impl Fn(&str) -> Option<String>) {
        let all = std::mem::take(&mut self.entries);
        let renamed = all.into_iter().map(|(name, entry)| match rename(&name) {
            Some(other) => (other, entry),
            None => (name, entry),
        });
        self.entries = renamed.collect();
    }

    /// Leaves out a tensor the model does not use, such as a tied copy.
    pub fn ignore(&mut self, name: &str) {
        self.entries.remove(name);
    }

    /// Compares the file with what a model wants, in both directions.
    pub fn check(&self, wanted: &[Wanted]) -> Result<(), WeightsError> {
        let mut mismatch = Mismatch::default();
        for want in wanted {
            match self.entries.get(&want.name) {
                None => mismatch.missing.push(want.name.clone()),
                Some(entry) => {
                    if entry.shape != want.shape {
                        mismatch.misshapen.push((
                            want.name.clone(),
                            entry.shape.clone(),
                            want.shape.clone(),
                        ));
                    }
                    let float = matches!(entry.dtype, Dtype::BF16 | Dtype::F16 | Dtype::F32);
                    if entry.packed.is_none() && !float {
                        let dtype = format!("{:?}", entry.dtype);
                        mismatch.mistyped.push((want.name.clone(), dtype));
                    }
                }
            }
        }
        let known: std::collections::HashSet<&str> =
            wanted.iter().map(|w| w.name.as_str()).collect();
        let extra = self.names().filter(|name| !known.contains(name));
        mismatch.extra = extra.map(str::to_owned).collect();
        if mismatch.is_empty() {
            return Ok(());
        }
        Err(WeightsError::Mismatch {
            path: self.path.clone(),
            mismatch,
        })
    }

    fn entry(&self, name: &str) -> &Entry {
        let entry = self.entries.get(name);
        entry.unwrap_or_else(|| panic!("{name} was not among the tensors checked"))
    }

    /// All values of a small tensor.
    ///
    /// # Panics
    /// When the tensor was not part of a successful [`Weights::check`].
    pub fn vector(&self, name: &str) -> Vec<f32> {
        let entry = self.entry(name);
        let count = entry.shape.iter().product();
        let mut out = vec![0f32; count];
        self.read(entry, 0, &mut out);
        out
    }

    /// One row of a matrix, straight from the file: for tables of which little is ever needed.
    ///
    /// # Panics
    /// When the tensor was not part of a successful [`Weights::check`], was saved packed, or has
    /// no such row.
    pub fn row(&self, name: &str, row: usize, out: &mut [f32]) {
        let entry = self.entry(name);
        let cols: usize = entry.shape[1..].iter().product();
        let fits = row < entry.shape[0] && out.len() == cols && entry.packed.is_none();
        assert!(fits, "row {row} of {name} fits");
        self.read(entry, row * cols, out);
    }

    /// A tensor as a packed matrix. A tensor saved packed keeps the format it was saved in.
    ///
    /// # Panics
    /// When the tensor was not part of a successful [`Weights::check`].
    pub fn matrix(&self, name: &str, format: Format) -> Result<Matrix, WeightsError> {
        let entry = self.entry(name);
        let rows = entry.shape[0];
        let cols = entry.shape[1..].iter().product();
        let matrix = match (entry.packed, &self.source) {
            (Some(saved), Source::File(map)) => {
                Matrix::from_packed(saved, rows, cols, &map[entry.bytes.clone()])
            }
            _ => Matrix::pack(format, rows, cols, &|row, out| {
                self.read(entry, row * cols, out);
            }),
        };
        self.release(entry);
        matrix.map_err(|source| WeightsError::Memory {
            name: name.to_owned(),
            source,
        })
    }

    fn read(&self, entry: &Entry, from: usize, out: &mut [f32]) {
        let map = match &self.source {
            Source::File(map) => &map[entry.bytes.clone()],
            Source::Noise(table) => {
                let shift = from.wrapping_mul(40_503) % table.len();
                let mut rest = &table[shift..];
                for out in out.chunks_mut(1024) {
                    if rest.len() < out.len() {
                        rest = table;
                    }
                    let (some, after) = rest.split_at(out.len());
                    out.copy_from_slice(some);
                    rest = after;
                }
                return;
            }
        };
        match entry.dtype {
            Dtype::F32 => convert(&map[from * 4..], out, f32::from_le_bytes),
            Dtype::F16 => convert(&map[from * 2..], out, |b| f16::from_le_bytes(b).to_f32()),
            _ => convert(&map[from * 2..], out, |b| bf16::from_le_bytes(b).to_f32()),
        }
    }

    /// Lets go of a tensor's pages once they are copied: the file need not stay in memory beside
    /// what was made of it.
    fn release(&self, entry: &Entry) {
        if let Source::File(map) = &self.source {
            let Range { start, end } = entry.bytes;
            // SAFETY: the map is of a file and read-only, so dropped pages come back as they were.
            // Failure costs memory, nothing else.
            let _ = unsafe {
                map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, end - start)
            };
        }
    }
}

fn convert<const N: usize>(bytes: &[u8], out: &mut [f32], one: impl Fn([u8; N]) -> f32) {
    let (all, _) = bytes.as_chunks::<N>();
    for (out, bytes) in out.iter_mut().zip(all) {
        *out = one(*bytes);
    }
}

/// The table of contents, or what is wrong with the file.
fn contents(map: &[u8]) -> Result<BTreeMap<String, Entry>, String> {
    let described = |e: safetensors::SafeTensorError| {
        let promised = map.first_chunk::<8>().map_or(0, |n| u64::from_le_bytes(*n));
        let size = map.len();
        match e {
            safetensors::SafeTensorError::MetadataIncompleteBuffer => format!(
                "it has {size} bytes and its table of contents another size: \
                 truncated, or still being downloaded"
            ),
            safetensors::SafeTensorError::HeaderTooSmall
            | safetensors::SafeTensorError::InvalidHeaderLength
            | safetensors::SafeTensorError::HeaderTooLarge => format!(
                "it has {size} bytes and begins with a table of contents of {promised}: \
                 truncated, or another kind of file"
            ),
            other => other.to_string(),
        }
    };
    let (header, metadata) = SafeTensors::read_metadata(map).map_err(described)?;
    let none = HashMap::new();
    let notes = metadata.metadata().as_ref().unwrap_or(&none);
    let mut entries = BTreeMap::new();
    for (name, info) in metadata.tensors() {
        let (start, end) = info.data_offsets;
        let mut entry = Entry {
            dtype: info.dtype,
            shape: info.shape.clone(),
            bytes: header + 8 + start..header + 8 + end,
            packed: None,
        };
        if let Some(note) = notes.get(&format!("{PACKED}{name}")) {
            unpack_note(note, &mut entry).map_err(|what| format!("{name}: {what}"))?;
        }
        entries.insert(name, entry);
    }
    Ok(entries)
}

/// Reads `q4 3072 9216`: a format and the shape that was packed.
fn unpack_note(note: &str, entry: &mut Entry) -> Result<(), String> {
    let mut words = note.split(' ');
    let format: Format = words.next().unwrap_or_default().parse()?;
    let shape: Result<Vec<usize>, _> = words.map(str::parse).collect();
    let shape = shape.map_err(|_| format!("its packing is described as {note:?}"))?;
    let [rows, rest @ ..] = shape.as_slice() else {
        return Err(format!("its packing is described as {note:?}"));
    };
    let expected = rest
        .iter()
        .try_fold(1usize, |n, d| n.checked_mul(*d))
        .filter(|cols| cols.checked_mul(*rows).is_some_and(|n| n < usize::MAX / 8))
        .map(|cols| format.matrix_bytes(*rows, cols));
    if expected != Some(entry.bytes.len()) {
        return Err(format!(
            "{note:?} does not describe {} bytes",
            entry.bytes.len()
        ));
    }
    entry.packed = Some(format);
    entry.shape = shape;
    Ok(())
}

#[cfg(test)]
mod tests;
