//! Writes packed matrices and small tensors into one safetensors file that [`Weights`] opens.
//!
//! [`Weights`]: super::Weights
use std::{borrow::Cow, collections::HashMap, fs, path::Path};

use safetensors::{Dtype, View, tensor::serialize_to_file};

use super::{PACKED, Source, Weights, WeightsError};
use crate::matrix::Matrix;

/// A tensor to keep, under the name and shape it had in the checkpoint.
pub enum Kept<'a> {
    /// A matrix as it is packed.
    Matrix(&'a Matrix, Vec<usize>),
    /// Values as f32.
    Vector(&'a [f32], Vec<usize>),
    /// As it lies in the checkpoint, to the bit.
    Same(&'a Weights),
}

struct Stored<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl View for &Stored<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// # Panics
/// When the tensor was not part of a successful [`Weights::check`].
fn same<'a>(weights: &'a Weights, name: &str, notes: &mut HashMap<String, String>) -> Stored<'a> {
    let entry = weights.entry(name);
    let Source::File(map) = &weights.source else {
        let values = weights.vector(name);
        return Stored {
            dtype: Dtype::F32,
            shape: entry.shape.clone(),
            bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
    };
    let bytes = &map[entry.bytes.clone()];
    let mut shape = entry.shape.clone();
    if let Some(format) = entry.packed {
        let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
        notes.insert(
            format!("{PACKED}{name}"),
            format!("{format} {}", sizes.join(" ")),
        );
        shape = vec![bytes.len()];
    }
    Stored {
        dtype: entry.dtype,
        shape,
        bytes: Cow::Borrowed(bytes),
    }
}

/// Writes `tensors` to `path`. The file appears under its name only when it is whole.
pub fn save(path: &Path, tensors: &[(String, Kept<'_>)]) -> Result<(), WeightsError> {
    let mut notes = HashMap::new();
    let mut stored = Vec::new();
    for (name, kept) in tensors {
        stored.push((
            name.as_str(),
            match kept {
                Kept::Matrix(matrix, shape) => {
                    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
                    let note = format!("{} {}", matrix.format(), sizes.join(" "));
                    notes.insert(format!("{PACKED}{name}"), note);
                    Stored {
                        dtype: Dtype::U8,
                        shape: vec![matrix.packed().len()],
                        bytes: Cow::Borrowed(matrix.packed()),
                    }
                }
                Kept::Vector(values, shape) => Stored {
                    dtype: Dtype::F32,
                    shape: shape.clone(),
                    bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                },
                Kept::Same(weights) => same(weights, name, &mut notes),
            },
        ));
    }
    let malformed = |e: safetensors::SafeTensorError| WeightsError::Malformed {
        path: path.to_owned(),
        what: e.to_string(),
    };
    let partial = path.with_extension("partial");
    let views = stored.iter().map(|(name, view)| (*name, view));
    serialize_to_file(views, Some(notes), &partial).map_err(malformed)?;
    fs::rename(&partial, path).map_err(|source| WeightsError::Unreadable {
        path: path.to_owned(),
        source,
    })
}
