//! The files of a PocketSphinx model: where they are, and what to do when they are not.
use std::{
    ffi::CString,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Where Debian, Ubuntu and a build from source put the US-English model.
const MODEL_PLACES: [&str; 3] = [
    "/usr/share/pocketsphinx/model/en-us",
    "/usr/local/share/pocketsphinx/model/en-us",
    "/usr/share/pocketsphinx/model/en_US",
];

/// The files of a model.
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) acoustic: CString,
    pub(super) language: CString,
    pub(super) dictionary: CString,
}

/// Why there is no recogniser.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No place that was looked into has a model.
    #[error(
        "the US-English model of PocketSphinx is not installed (looked in {places}); \
         Debian, Ubuntu: apt-get install pocketsphinx-en-us"
    )]
    NoModel {
        /// The folders.
        places: String,
    },
    /// A file of the model is missing.
    #[error("the model in {folder} is not complete: there is no {file}")]
    Incomplete {
        /// The folder of the model.
        folder: PathBuf,
        /// What is missing in it.
        file: &'static str,
    },
    /// The library could not load the files.
    #[error("PocketSphinx could not load the model in {folder}; reinstall pocketsphinx-en-us")]
    Refused {
        /// The folder of the acoustic model.
        folder: String,
    },
}

impl Model {
    /// The model in `folder`, or in the first usual place that exists.
    pub fn find(folder: Option<&Path>) -> Result<Model, LoadError> {
        let folder = match folder {
            Some(folder) => folder,
            None => MODEL_PLACES
                .iter()
                .map(Path::new)
                .find(|place| place.is_dir())
                .ok_or_else(|| LoadError::NoModel {
                    places: MODEL_PLACES.join(", "),
                })?,
        };
        let file = |file: &'static str| {
            let path = folder.join(file);
            let text = CString::new(path.as_os_str().as_bytes());
            match text {
                Ok(text) if path.exists() => Ok(text),
                _ => Err(LoadError::Incomplete {
                    folder: folder.to_owned(),
                    file,
                }),
            }
        };
        Ok(Model {
            acoustic: file("en-us")?,
            language: file("en-us.lm.bin")?,
            dictionary: file("cmudict-en-us.dict")?,
        })
    }
}
