//! The tekken tokenizer: ids to text and text to ids, for files of versions 3 to 15.
//!
//! Ids below the number of specials are specials, and never text; the others are byte strings. A
//! character may be spread over several ids, so text is put together by [`Utf8Stream`], which
//! gives out whole characters only.
use std::{collections::HashMap, fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use fancy_regex::Regex;
use serde::Deserialize;

mod merge;
mod utf8;

pub use utf8::Utf8Stream;

/// Why a tokenizer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TekkenError {
    /// The file cannot be read.
    #[error("cannot read the tokenizer {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not a tekken tokenizer, or not a sound one.
    #[error("{path} is not a usable tekken tokenizer: {what}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
}

#[derive(Deserialize)]
struct Raw {
    config: RawConfig,
    vocab: Vec<RawToken>,
    special_tokens: Option<Vec<RawSpecial>>,
    audio: Option<Audio>,
}

#[derive(Deserialize)]
struct RawConfig {
    pattern: String,
    default_vocab_size: usize,
    default_num_special_tokens: usize,
    version: Option<String>,
}

#[derive(Deserialize)]
struct RawToken {
    rank: usize,
    token_bytes: String,
}

#[derive(Deserialize)]
struct RawSpecial {
    rank: usize,
    token_str: String,
}

/// The `audio` section, as far as a model needs it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Audio {
    /// Samples per second.
    pub sampling_rate: Option<u32>,
    /// Positions per second.
    pub frame_rate: Option<f64>,
    /// What the model was made to be used with.
    pub transcription_delay_ms: Option<f64>,
    /// Positions of silence in front of a stream.
    pub streaming_n_left_pad_tokens: Option<usize>,
    /// How the voice's reference recordings are called, and how many positions each takes.
    pub voice_num_audio_tokens: Option<HashMap<String, usize>>,
}

/// Specials of files that do not list them (before version 7), by rank.
const EARLY_SPECIALS: [&str; 20] = [
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
];

/// A loaded tokenizer.
#[derive(Debug)]
pub struct Tekken {
    version: String,
    specials: HashMap<String, u32>,
    special_count: usize,
    /// All byte strings, one after the other, and where each begins.
    bytes: Vec<u8>,
    starts: Vec<usize>,
    ranks: HashMap<Box<[u8]>, u32>,
    pattern: Regex,
    audio: Option<Audio>,
}

impl Tekken {
    /// Reads a `tekken.json`.
    pub fn open(path: &Path) -> Result<Tekken, TekkenError> {
        let name = path.display().to_string();
        let json = fs::read(path).map_err(|source| TekkenError::Unreadable {
            path: name.clone(),
            source,
        })?;
        Tekken::from_json(&json).map_err(|what| TekkenError::Malformed { path: name, what })
    }

    /// Reads the content of a `tekken.json`; the error says what is wrong with it.
    pub fn from_json(json: &[u8]) -> Result<Tekken, String> {
        let raw: Raw = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        let special_count = raw.config.default_num_special_tokens;
        let text_count = raw
            .config
            .default_vocab_size
            .checked_sub(special_count)
            .filter(|n| *n <= raw.vocab.len())
            .ok_or_else(|| {
                let (size, have) = (raw.config.default_vocab_size, raw.vocab.len());
                format!("a vocabulary of {size} from {special_count} specials and {have} entries")
            })?;
        let version = raw.config.version.unwrap_or_default();
        let specials = specials(raw.special_tokens, &version, special_count)?;

        let mut pieces: Vec<Option<Vec<u8>>> = vec![None; text_count];
        for token in &raw.vocab {
            // A file may list more than the model was trained with.
            let Some(place) = pieces.get_mut(token.rank) else {
                continue;
            };
            let bytes = STANDARD
                .decode(&token.token_bytes)
                .map_err(|e| format!("entry {}: {e}", token.rank))?;
            if bytes.is_empty() || place.replace(bytes).is_some() {
                return Err(format!("entry {} is empty or there twice", token.rank));
            }
        }
        let mut tekken = Tekken {
            version,
            specials,
            special_count,
            bytes: Vec::new(),
            starts: vec![0],
            ranks: HashMap::with_capacity(text_count),
            pattern: Regex::new(&raw.config.pattern).map_err(|e| format!("its pattern: {e}"))?,
            audio: raw.audio,
        };
        for (rank, piece) in pieces.into_iter().enumerate() {
            let piece = piece.ok_or_else(|| format!("entry {rank} is missing"))?;
            tekken.bytes.extend_from_slice(&piece);
            tekken.starts.push(tekken.bytes.len());
            tekken.ranks.insert(piece.into(), rank as u32);
        }
        if let Some(byte) = (0..=255u8).find(|b| !tekken.ranks.contains_key([*b].as_slice())) {
            return Err(format!("no entry for the byte {byte}"));
        }
        Ok(tekken)
    }

    /// The file's own version string.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Specials and text together.
    pub fn vocab_size(&self) -> usize {
        self.special_count + self.starts.len() - 1
    }

    /// The id of a special such as `[STREAMING_PAD]`.
    pub fn special(&self, name: &str) -> Option<u32> {
        self.specials.get(name).copied()
    }

    /// Whether an id is a special, and so never text.
    pub fn is_special(&self, id: u32) -> bool {
        (id as usize) < self.special_count
    }

    /// The bytes of an id; none for specials and for ids outside the vocabulary.
    pub fn piece(&self, id: u32) -> &[u8] {
        let range = (id as usize)
            .checked_sub(self.special_count)
            .filter(|rank| rank + 1 < self.starts.len())
            .map(|rank| self.starts[rank]..self.starts[rank + 1]);
        range.map_or(&[], |range| &self.bytes[range])
    }

    /// The `audio` section, if there is one.
    pub fn audio(&self) -> Option<&Audio> {
        self.audio.as_ref()
    }

    /// The text of `ids`, specials left out; a character interrupted by a special is whole.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut stream = Utf8Stream::default();
        let mut text: String = ids.iter().map(|id| stream.push(self.piece(*id))).collect();
        text.push_str(&stream.finish());
        text
    }

    /// The ids of `text`. Names of specials inside it are text like any other.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut done = 0;
        for found in self.pattern.find_iter(text) {
            // The pattern gives up on very long runs of one kind; bytes always remain.
            let Ok(found) = found else { break };
            self.merge(&text.as_bytes()[done..found.start()], &mut ids);
            self.merge(found.as_str().as_bytes(), &mut ids);
            done = found.end();
        }
        self.merge(&text.as_bytes()[done..], &mut ids);
        ids
    }

    fn merge(&self, piece: &[u8], ids: &mut Vec<u32>) {
        let rank = |bytes: &[u8]| self.ranks.get(bytes).copied();
        let offset = self.special_count as u32;
        merge::merge(piece, rank, |rank| ids.push(rank + offset));
    }
}

/// Names to ids, from the file or, for the early versions, from the list everyone knew.
fn specials(
    listed: Option<Vec<RawSpecial>>,
    version: &str,
    count: usize,
) -> Result<HashMap<String, u32>, String> {
    let Some(listed) = listed else {
        let number = version.trim_start_matches('v').parse::<u32>();
        if number.is_ok_and(|n| n <= 7) {
            let early = EARLY_SPECIALS.iter().zip(0..).take(count);
            return Ok(early.map(|(name, id)| ((*name).to_owned(), id)).collect());
        }
        return Err(format!("version {version:?} without a list of specials"));
    };
    let mut specials = HashMap::new();
    for special in listed {
        let name = special.token_str;
        if special.rank >= count {
            return Err(format!(
                "the special {name:?} is {} of {count}",
                special.rank
            ));
        }
        if specials.insert(name.clone(), special.rank as u32).is_some() {
            return Err(format!("the special {name:?} is there twice"));
        }
    }
    Ok(specials)
}

#[cfg(test)]
mod tests;
