//! The voices a server says it has.
use serde_json::Value;
use tokio::time::timeout;
use voiced_pipeline::server::{Failure, refusal, unreachable};

use super::{Dialect, SpeechServer};

/// Voices asked for at a time.
const PAGE: usize = 100;
/// Most pages read: nobody chooses from more.
const PAGES: usize = 20;
/// What OpenAI documents, which has no list to ask for.
const OPENAI: [&str; 13] = [
    "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse",
    "marin", "cedar",
];

/// A voice of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedVoice {
    /// What lines ask for.
    pub id: String,
    /// Its name, where that is another.
    pub name: String,
    /// Its languages, as far as they are told.
    pub languages: Vec<String>,
}

impl SpeechServer {
    /// Asks the server for its voices.
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub async fn voices(&self) -> Result<Vec<HostedVoice>, Failure> {
        let within = self.settings.first_sound_within;
        let what = "list of voices";
        let asked = timeout(within, self.list()).await;
        asked.map_err(|_| Failure::Late { what, within })?
    }

    async fn list(&self) -> Result<Vec<HostedVoice>, Failure> {
        let mut all = Vec::new();
        for page in 0..PAGES {
            let mut url = self.place.below(&["audio", "voices"]);
            if self.settings.dialect != Dialect::OpenAi {
                let pairs = [("limit", PAGE), ("offset", page * PAGE)];
                let pairs = pairs.map(|(name, n)| (name, n.to_string()));
                url.query_pairs_mut().extend_pairs(pairs);
            }
            let asked = self.client.get(url).headers(self.place.headers.clone());
            let response = asked.send().await.map_err(unreachable)?;
            match response.status().as_u16() {
                200 => (),
                // OpenAI itself has no list.
                404 | 405 if self.settings.dialect == Dialect::OpenAi => {
                    return Ok(OPENAI.map(|name| named(name.to_owned())).to_vec());
                }
                _ => return Err(refusal(response).await),
            }
            let body = response.bytes().await.map_err(unreachable)?;
            let answer: Value = serde_json::from_slice(&body)
                .map_err(|_| Failure::Malformed("the list of voices is no JSON".to_owned()))?;
            let voices = voices_of(&answer);
            let more = voices.len() == PAGE && self.settings.dialect != Dialect::OpenAi;
            all.extend(voices);
            if !more {
                break;
            }
        }
        Ok(all)
    }
}

fn named(name: String) -> HostedVoice {
    HostedVoice {
        id: name.clone(),
        name,
        languages: Vec::new(),
    }
}

/// `{"items": [{"id", "name", "slug", "languages"}]}` (Mistral), `{"voices": ["a", …]}` or a list
/// of either (vLLM-Omni and its kin).
fn voices_of(answer: &Value) -> Vec<HostedVoice> {
    let lists = [&answer["items"], &answer["voices"], &answer["data"], answer];
    let list = lists.into_iter().find_map(Value::as_array);
    let voice = |value: &Value| {
        if let Some(name) = value.as_str() {
            return Some(named(name.to_owned()));
        }
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let id = text("id")
            .or_else(|| text("voice_id"))
            .or_else(|| text("name"))?;
        let languages = value["languages"].as_array();
        let languages = languages.into_iter().flatten().filter_map(Value::as_str);
        Some(HostedVoice {
            name: text("name").unwrap_or_else(|| id.clone()),
            id,
            languages: languages.map(str::to_owned).collect(),
        })
    };
    list.into_iter().flatten().filter_map(voice).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_of_several_servers_are_understood() {
        let ids = |answer: Value| -> Vec<String> {
            voices_of(&answer).into_iter().map(|v| v.id).collect()
        };
        assert_eq!(ids(json!({"voices": ["a", "b"]})), ["a", "b"]);
        assert_eq!(ids(json!(["a"])), ["a"]);
        let mistral =
            json!({"items": [{"id": "1", "name": "Ada", "languages": ["en"]}], "total": 1});
        let voices = voices_of(&mistral);
        assert_eq!(
            (voices[0].name.as_str(), voices[0].languages.len()),
            ("Ada", 1)
        );
        assert!(ids(json!({"error": 1})).is_empty());
    }
}
