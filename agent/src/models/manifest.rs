//! What a fetched folder should hold, kept beside it: so that it can be looked through without the
//! hub.
use std::{collections::BTreeMap, fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::checksum::Checksum;

/// Its name in the folder.
const NAME: &str = "voiced-model.json";

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What the model is called here.
    pub model: String,
    /// Where it came from.
    pub repository: String,
    /// The commit.
    pub revision: String,
    /// Its terms.
    pub licence: String,
    /// Its files by path.
    pub files: BTreeMap<String, Entry>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Bytes.
    pub size: u64,
    /// What they should be.
    pub checksum: Checksum,
}

impl Manifest {
    /// Files that are not there in their size.
    pub fn missing(&self, folder: &Path) -> Vec<&str> {
        let whole = |path: &str, entry: &Entry| {
            fs::metadata(folder.join(path)).is_ok_and(|there| there.len() == entry.size)
        };
        let files = self.files.iter();
        files
            .filter(|(path, entry)| !whole(path, entry))
            .map(|(path, _)| path.as_str())
            .collect()
    }

    /// Puts it into the folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        fs::write(folder.join(NAME), text + "\n")
    }
}

/// The manifest of a folder, where it has one.
pub fn read(folder: &Path) -> Option<Manifest> {
    let text = fs::read(folder.join(NAME)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Bytes of the files in a folder and those below it.
pub fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(there) if there.is_dir() => size(&entry.path()),
            Ok(there) => there.len(),
            Err(_) => 0,
        })
        .sum()
}
