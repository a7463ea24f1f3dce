//! The embedded translator: exchanges the words of a phrase table and leaves all others as they
//! are. It understands nothing, and is there so that interpreting can be tried, shown and tested
//! without a model; the real translator is any chat model.
//!
//! Guarantee: like any translator it is asked piece by piece and answers with the next words only;
//! its answers together are the translation of the pieces together, wherever they were cut.
use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use voiced_core::{
    engine::{Prompt, ReplyPiece},
    interpret::{
        Language, key,
        prompt::{self, NOTHING, PAUSE},
    },
    turn::Role,
};
use voiced_pipeline::{lease::EngineClient, remote::serve_by_tasks};

use crate::{
    fixed::write,
    strict::{Findings, Located, Mistakes, Table, parse, read_file},
};

/// A phrase table between two languages.
#[derive(Clone, Debug)]
pub struct Glossary {
    /// From the first into the second, and back.
    directions: [Arc<Direction>; 2],
}

/// One way of a phrase table.
#[derive(Debug)]
pub struct Direction {
    source: Language,
    target: Language,
    /// By the first word's key: the phrase's keys and what it becomes, longest first.
    phrases: HashMap<String, Vec<(Vec<String>, String)>>,
}

impl Glossary {
    /// Reads a table from a file.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn open(path: &Path) -> Result<Self, Mistakes> {
        Self::parse(&path.display().to_string(), &read_file(path)?)
    }

    /// Reads a table from its text; `file` names it in mistakes.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Mistakes> {
        parse(file, text, read)
    }

    /// The table that comes with the daemon: British and American English.
    pub fn built_in() -> Self {
        const TEXT: &str = include_str!("../../configs/glossaries/british-american.toml");
        Self::parse("british-american.toml", TEXT).expect("a test reads the table of this build")
    }

    /// The direction that leads from `source` to `target`, if it is one of this table's.
    pub fn direction(
        &self,
        source: Option<&Language>,
        target: &Language,
    ) -> Option<&Arc<Direction>> {
        self.directions.iter().find(|direction| {
            let fits = |source: &Language| source.is_understood_by(&direction.source);
            direction.target == *target && source.is_none_or(fits)
        })
    }

    /// Its two languages.
    pub fn between(&self) -> [&Language; 2] {
        let [there, _] = &self.directions;
        [&there.source, &there.target]
    }
}

impl Direction {
    /// Serves this direction to at most `rows` requests at once. Must be called inside a tokio
    /// runtime.
    pub fn serve(self: Arc<Self>, rows: usize) -> EngineClient<Prompt, ReplyPiece> {
        serve_by_tasks(rows, move |mut row| {
            let direction = self.clone();
            async move {
                let Some(prompt) = row.inputs.recv().await else {
                    return;
                };
                let answer = direction.answer(&prompt);
                write(&row, &prompt, &answer, None, Duration::ZERO).await;
            }
        })
    }

    /// The next words of the translation, or an ellipsis where more must be heard first.
    fn answer(&self, asked: &Prompt) -> String {
        // The utterance's pieces: all since the last pause.
        let said = asked.messages.iter().filter(|said| said.role == Role::User);
        let pieces: Vec<&str> = said.map(|said| said.text.as_str()).collect();
        let Some((last, before)) = pieces.split_last() else {
            return NOTHING.to_owned();
        };
        let from = before.iter().rposition(|piece| piece.ends_with(PAUSE));
        let before = before[from.map_or(0, |at| at + 1)..].iter();
        let heard = before.map(|piece| prompt::words(piece));
        let heard = heard.collect::<Vec<_>>().join(" ");
        let whole = format!("{heard} {}", prompt::words(last));
        let already = self.translate(&heard, false);
        let whole = self.translate(&whole, last.ends_with(PAUSE));
        let next = whole.get(already.len()..).unwrap_or_default().join(" ");
        if next.is_empty() {
            NOTHING.to_owned()
        } else {
            next
        }
    }

    /// The translation's words, each with its marks. Where more words may follow, those that could
    /// begin a longer phrase are held back; so the translation of a beginning is the beginning of
    /// the translation.
    fn translate(&self, text: &str, is_whole: bool) -> Vec<String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let keys: Vec<String> = words.iter().map(|word| key(word)).collect();
        let mut out = Vec::new();
        let mut at = 0;
        while at < words.len() {
            let known = self.phrases.get(&keys[at]);
            let phrases = known.map(Vec::as_slice).unwrap_or_default();
            let may_go_on = |(phrase, _): &(Vec<String>, String)| {
                phrase.len() > keys.len() - at && phrase.starts_with(&keys[at..])
            };
            if !is_whole && phrases.iter().any(may_go_on) {
                break;
            }
            // A phrase goes across no mark: "the film, star" is not "film star".
            let fits = |(phrase, _): &&(Vec<String>, String)| {
                keys[at..].starts_with(phrase)
                    && words[at..at + phrase.len() - 1]
                        .iter()
                        .all(|word| !has_mark(word))
            };
            match phrases.iter().find(fits) {
                Some((phrase, becomes)) => {
                    let last = at + phrase.len() - 1;
                    let whole = dressed(becomes, words[at], words[last]);
                    out.extend(whole.split(' ').map(str::to_owned));
                    at = last + 1;
                }
                None => {
                    out.push(words[at].to_owned());
                    at += 1;
                }
            }
        }
        out
    }
}

fn has_mark(word: &str) -> bool {
    word.ends_with(|c: char| !c.is_alphanumeric())
}

/// `phrase` with the capital and the marks of the words it replaces.
fn dressed(phrase: &str, first: &str, last: &str) -> String {
    let mut out: String = first.chars().take_while(|c| !c.is_alphanumeric()).collect();
    let initial = first.chars().find(|c| c.is_alphanumeric());
    if initial.is_some_and(char::is_uppercase) {
        let mut chars = phrase.chars();
        out.extend(chars.next().into_iter().flat_map(char::to_uppercase));
        out.push_str(chars.as_str());
    } else {
        out.push_str(phrase);
    }
    let marks = last.rfind(char::is_alphanumeric).map_or(last, |at| {
        let end = at + last[at..].chars().next().map_or(0, char::len_utf8);
        &last[end..]
    });
    out.push_str(marks);
    out
}

fn read(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Glossary {
    let [source, target] = languages(table, findings);
    let mut there = HashMap::new();
    let mut back = HashMap::new();
    let pairs = table.texts("pairs", findings);
    if pairs.is_empty() && findings.is_empty() {
        findings.note(table.place(), "`pairs` is missing: [\"lift = elevator\"]");
    }
    for pair in pairs {
        let Some((one, way, other)) = split(&pair.value) else {
            let what = format!(
                "\"{}\" is no pair: write \"a = b\", \"a -> b\" or \"a <- b\"",
                pair.value
            );
            findings.note(&pair.place, what);
            continue;
        };
        if way != "<-" {
            add(&mut there, one, other, &pair, findings);
        }
        if way != "->" {
            add(&mut back, other, one, &pair, findings);
        }
    }
    let direction = |source: &Language, target: &Language, phrases| {
        Arc::new(Direction {
            source: source.clone(),
            target: target.clone(),
            phrases,
        })
    };
    Glossary {
        directions: [
            direction(&source, &target, there),
            direction(&target, &source, back),
        ],
    }
}

fn languages(table: &mut Table<'_>, findings: &mut Findings<'_>) -> [Language; 2] {
    let none = || Language::parse("und").expect("RFC 5646 has this tag for no language");
    let tags = table.texts("between", findings);
    let [one, other] = tags.as_slice() else {
        let what = "`between` must be two language tags: [\"en-GB\", \"en-US\"]";
        findings.note(table.place(), what);
        return [none(), none()];
    };
    [one, other].map(|tag| {
        Language::parse(&tag.value).unwrap_or_else(|bad| {
            findings.note(&tag.place, bad.to_string());
            none()
        })
    })
}

fn split(pair: &str) -> Option<(&str, &str, &str)> {
    let way = ["->", "<-", "="]
        .into_iter()
        .find(|way| pair.contains(way))?;
    let (one, other) = pair.split_once(way)?;
    let (one, other) = (one.trim(), other.trim());
    let is_sound = |phrase: &str| phrase.split_whitespace().all(|word| !key(word).is_empty());
    (!one.is_empty() && !other.is_empty() && is_sound(one) && is_sound(other))
        .then_some((one, way, other))
}

fn add(
    phrases: &mut HashMap<String, Vec<(Vec<String>, String)>>,
    phrase: &str,
    becomes: &str,
    pair: &Located<String>,
    findings: &mut Findings<'_>,
) {
    let keys: Vec<String> = phrase.split_whitespace().map(key).collect();
    let Some(first) = keys.first() else { return };
    let same_first = phrases.entry(first.clone()).or_default();
    if same_first.iter().any(|(known, _)| *known == keys) {
        findings.note(&pair.place, format!("\"{phrase}\" stands here twice"));
        return;
    }
    same_first.push((keys, becomes.to_owned()));
    same_first.sort_by_key(|(keys, _)| std::cmp::Reverse(keys.len()));
}

#[cfg(test)]
mod tests;
