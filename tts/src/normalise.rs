//! Text to what a voice can say: numbers, money, dates, times, telephone numbers, addresses and
//! units in words, markup and decoration taken out, a user's own pronunciations put in.
//!
//! Acronyms stay as they are: the model reads them well, and letters one by one badly. Every word
//! of the result is marked with where in the source it ends, so that whoever hears it can be told
//! how far of the text the voice has come. Text no rule knows passes through unchanged.
use std::collections::HashMap;

mod lexicon;
mod number;
mod rules;
mod tidy;

use rules::Rules;

/// A language the model was published for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Language {
    En,
    Fr,
    Es,
    De,
    It,
    Pt,
    Nl,
    Ar,
    Hi,
}

impl Language {
    /// The language of a code such as `de` or `pt-BR`.
    pub fn from_code(code: &str) -> Option<Language> {
        let code = code
            .split(['-', '_'])
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        Some(match code.as_str() {
            "en" => Language::En,
            "fr" => Language::Fr,
            "es" => Language::Es,
            "de" => Language::De,
            "it" => Language::It,
            "pt" => Language::Pt,
            "nl" => Language::Nl,
            "ar" => Language::Ar,
            "hi" => Language::Hi,
            _ => return None,
        })
    }

    /// The language a voice's name begins with; English for all others.
    pub fn of_voice(name: &str) -> Language {
        let lead = name.split_once('_').map(|(lead, _)| lead);
        lead.and_then(Language::from_code).unwrap_or(Language::En)
    }
}

/// What is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spoken {
    /// Words, with single spaces between them.
    pub text: String,
    /// The end of every word, in order.
    pub marks: Vec<Mark>,
}

/// A word of the source and its end in what is said, both in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// End in [`Spoken::text`].
    pub spoken: usize,
    /// End in the source.
    pub source: usize,
}

impl Spoken {
    fn push(&mut self, words: &str, source: usize) {
        if words.is_empty() {
            // What is not said counts as said with the word before it.
            if let Some(last) = self.marks.last_mut() {
                last.source = source;
            }
            return;
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(words);
        self.marks.push(Mark {
            spoken: self.text.len(),
            source,
        });
    }
}

/// A word of the source, and where in the source it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    text: String,
    end: usize,
}

/// Makes text speakable.
#[derive(Clone, Debug, Default)]
pub struct Normaliser {
    verbatim: bool,
    pronunciations: HashMap<String, String>,
}

impl Normaliser {
    /// With a user's pronunciations: lines of `word = how it is said`, `#` before a comment. Case
    /// does not matter. The error names the line that is none of these.
    pub fn with_pronunciations(list: &str) -> Result<Normaliser, String> {
        let mut normaliser = Normaliser::default();
        for (number, line) in (1..).zip(list.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let pair = line
                .split_once('=')
                .map(|(word, said)| (word.trim(), said.trim()));
            let Some((word, said)) = pair.filter(|(w, s)| !w.is_empty() && !s.is_empty()) else {
                return Err(format!(
                    "line {number}: {line:?} is not \"word = how it is said\""
                ));
            };
            if word.contains(char::is_whitespace) {
                return Err(format!("line {number}: {word:?} is more than one word"));
            }
            normaliser
                .pronunciations
                .insert(word.to_lowercase(), said.to_owned());
        }
        Ok(normaliser)
    }

    /// Changes nothing but spaces.
    pub fn verbatim() -> Normaliser {
        Normaliser {
            verbatim: true,
            ..Normaliser::default()
        }
    }

    /// What a voice says for `text`.
    pub fn speakable(&self, text: &str, language: Language) -> Spoken {
        let mut spoken = Spoken::default();
        if self.verbatim {
            for token in tidy::plain(text) {
                spoken.push(&token.text, token.end);
            }
            return spoken;
        }
        let tokens = tidy::tidy(text);
        let rules = Rules::new(language, &self.pronunciations);
        let mut at = 0;
        while at < tokens.len() {
            let (used, words) = rules.say(&tokens, at);
            let used = used.clamp(1, tokens.len() - at);
            at += used;
            spoken.push(words.trim(), tokens[at - 1].end);
        }
        spoken
    }
}

#[cfg(test)]
mod tests;
