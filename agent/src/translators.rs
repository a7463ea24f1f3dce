//! Who translates between two languages, as configured: the phrase table that leads from one to the
//! other, or the chat model for all of them.
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use voiced_core::{
    engine::{Prompt, ReplyPiece},
    interpret::Language,
};
use voiced_llm::glossary::Glossary;
use voiced_pipeline::{
    interpret::{NoTranslator, Translators},
    lease::EngineClient,
};

use crate::config::Translator;

/// As configured.
pub enum ConfiguredTranslators {
    /// Phrase tables. Directions that were asked for are served from then on.
    Glossaries {
        /// In the order they are looked at.
        tables: Vec<Glossary>,
        /// Requests each direction answers at once.
        rows: usize,
        /// By source and target tag.
        served: Mutex<HashMap<(String, String), EngineClient<Prompt, ReplyPiece>>>,
    },
    /// The chat model.
    Mind(EngineClient<Prompt, ReplyPiece>),
}

impl ConfiguredTranslators {
    /// `mind` is the chat model all personas share, which the configuration's check has seen to
    /// be there where it is needed.
    pub fn new(translator: &Translator, mind: Option<EngineClient<Prompt, ReplyPiece>>) -> Self {
        match (translator, mind) {
            (Translator::Mind, Some(mind)) => Self::Mind(mind),
            (Translator::Glossary(tables, rows), _) => Self::glossaries(tables.clone(), *rows),
            (Translator::Mind, None) => Self::glossaries(Vec::new(), 1),
        }
    }

    fn glossaries(tables: Vec<Glossary>, rows: usize) -> Self {
        Self::Glossaries {
            tables,
            rows,
            served: Mutex::default(),
        }
    }
}

impl Translators for ConfiguredTranslators {
    fn between(
        &self,
        source: Option<&Language>,
        target: &Language,
    ) -> Result<EngineClient<Prompt, ReplyPiece>, NoTranslator> {
        let (tables, rows, served) = match self {
            Self::Mind(mind) => return Ok(mind.clone()),
            Self::Glossaries {
                tables,
                rows,
                served,
            } => (tables, *rows, served),
        };
        let mut found = tables
            .iter()
            .filter_map(|table| table.direction(source, target));
        let Some(direction) = found.next() else {
            return Err(no_table(tables, source, target));
        };
        let from = source.map_or(String::new(), |source| source.tag().to_owned());
        let way = (from, target.tag().to_owned());
        // Nothing panics while holding it.
        let mut served = served.lock().unwrap_or_else(PoisonError::into_inner);
        let client = served
            .entry(way)
            .or_insert_with(|| direction.clone().serve(rows));
        Ok(client.clone())
    }
}

fn no_table(tables: &[Glossary], source: Option<&Language>, target: &Language) -> NoTranslator {
    let pairs = tables.iter().map(|table| {
        let [one, other] = table.between();
        format!("{one} and {other}")
    });
    let pairs: Vec<String> = pairs.collect();
    let from = source.map_or("any language", Language::tag);
    NoTranslator(format!(
        "no phrase table leads from {from} to {target}; there are tables between {}. Set \
         interpreter.translator = \"mind\" and a chat model under [mind] for all languages it knows",
        pairs.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_missing_direction_is_told_with_what_there_is() {
        let translators = ConfiguredTranslators::glossaries(vec![Glossary::built_in()], 2);
        let tag = |tag| Language::parse(tag).unwrap();
        assert!(
            translators
                .between(Some(&tag("en-GB")), &tag("en-US"))
                .is_ok()
        );
        assert!(translators.between(None, &tag("en-GB")).is_ok());
        let refused = translators
            .between(Some(&tag("fr")), &tag("en"))
            .err()
            .unwrap();
        assert!(refused.0.contains("from fr to en;"), "{refused}");
        assert!(refused.0.contains("en-gb and en-us"), "{refused}");
    }
}
