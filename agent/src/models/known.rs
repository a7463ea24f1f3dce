//! The models there are, each pinned to the revision this version was written for.

/// Under which terms weights are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Licence {
    /// Apache-2.0.
    Apache2,
    /// Creative Commons, attribution, not for commercial use.
    CcByNc4,
}

impl Licence {
    /// Its short name.
    pub fn name(self) -> &'static str {
        match self {
            Licence::Apache2 => "Apache-2.0",
            Licence::CcByNc4 => "CC BY-NC 4.0",
        }
    }

    /// What it allows, in a sentence or two.
    pub fn summary(self) -> &'static str {
        match self {
            Licence::Apache2 => "Apache-2.0: free to use, commercially too.",
            Licence::CcByNc4 => {
                "CC BY-NC 4.0: weights and preset voices may be used with attribution and NOT \
                 commercially; a commercial service needs an agreement with Mistral AI. Quantised \
                 copies and voices derived from them fall under the same terms. \
                 https://creativecommons.org/licenses/by-nc/4.0/"
            }
        }
    }

    /// What must be typed to agree, where agreement is asked for.
    pub fn to_accept(self) -> Option<&'static str> {
        match self {
            Licence::Apache2 => None,
            Licence::CcByNc4 => Some("cc-by-nc-4.0"),
        }
    }
}

/// A model that can be fetched.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// What it is called here, and its folder.
    pub name: &'static str,
    /// Where it is on the hub.
    pub repository: &'static str,
    /// The commit.
    pub revision: &'static str,
    /// Its terms.
    pub licence: Licence,
    /// Files that must be there.
    pub files: &'static [&'static str],
    /// Folder of which every file is wanted too.
    pub folder: Option<&'static str>,
    /// About how much it is in all.
    pub bytes: u64,
}

/// All of them.
pub const KNOWN: &[Model] = &[
    Model {
        name: "voxtral-realtime",
        repository: "mistralai/Voxtral-Mini-4B-Realtime-2602",
        revision: "2769294da9567371363522aac9bbcfdd19447add",
        licence: Licence::Apache2,
        files: &["params.json", "tekken.json", "consolidated.safetensors"],
        folder: None,
        bytes: 8_874_300_000,
    },
    Model {
        name: "voxtral-tts",
        repository: "mistralai/Voxtral-4B-TTS-2603",
        revision: "b81be46c3777f88621676791b512bb01dc1cb970",
        licence: Licence::CcByNc4,
        files: &["params.json", "tekken.json", "consolidated.safetensors"],
        folder: Some("voice_embedding/"),
        bytes: 8_037_600_000,
    },
];

impl Model {
    /// Whether one of its files.
    pub fn wants(&self, path: &str) -> bool {
        let in_folder = self.folder.is_some_and(|folder| path.starts_with(folder));
        self.files.contains(&path) || in_folder
    }
}
