//! Voices by the names clients ask for.
use serde_json::Value;

use super::{
    super::{events::WireError, fields::Fields},
    SessionDefaults,
};

/// Names that clients of the original service ask for without choosing.
pub(super) const FOREIGN_VOICES: [&str; 13] = [
    "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse",
    "marin", "cedar",
];

impl SessionDefaults {
    /// The voice as the wire shows it, and the daemon's name for it.
    pub fn voice_of(&self, output: &Fields<'_>) -> Result<Option<(Value, String)>, WireError> {
        let Some(shown) = output.value("voice") else {
            return Ok(None);
        };
        let asked = match shown {
            Value::Object(_) => match output.object("voice")? {
                Some(fields) => fields.required_string("id")?,
                None => return Ok(None),
            },
            _ => output.string("voice")?.unwrap_or_default(),
        };
        let voices = &self.voices;
        let voice = if voices.is_empty() || voices.iter().any(|voice| voice == asked) {
            asked.to_owned()
        } else if FOREIGN_VOICES.contains(&asked) {
            self.voice.clone()
        } else {
            let names: Vec<&str> = voices.iter().map(String::as_str).collect();
            return Err(output.unsupported("voice", asked, &names));
        };
        Ok(Some((shown.clone(), voice)))
    }
}
