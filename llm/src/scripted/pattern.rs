//! The pattern language of a script: what a rule listens for, in one line of text.
//!
//! A pattern is words in the order they are said. `[word]` may be missing, `a|b` is either,
//! `@group` is any phrase of a group of the script, `word!` must have been heard, and
//! `{name:kind}` takes what is said there. Any other word may be missed or misheard, at a price.
use std::collections::BTreeMap;

use crate::{
    scripted::{
        slots::Kind,
        words::{plain, weight},
    },
    sound::Word,
};

/// Phrases that mean the same, by the name of their group.
pub type Groups = BTreeMap<String, Vec<String>>;

/// One way of saying something.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// In the order they are said.
    pub elements: Vec<Element>,
    /// Weight of all that is not optional.
    pub total: f32,
}

/// One place of a pattern.
#[derive(Clone, Debug)]
pub struct Element {
    /// What belongs there.
    pub part: Part,
    /// May be missing without a price.
    pub optional: bool,
    /// Must not be missing.
    pub must: bool,
    /// The price of missing it.
    pub weight: f32,
    /// This word and the next run together, where they may be heard so.
    pub run_together: Option<Word>,
}

/// What belongs at one place of a pattern.
#[derive(Clone, Debug)]
pub enum Part {
    /// One of these phrases.
    Phrases(Vec<Vec<Word>>),
    /// Something to take.
    Slot {
        /// Its name in the answer.
        name: String,
        /// What it takes.
        kind: Kind,
    },
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Every mistake in it, in words.
    pub fn parse(text: &str, groups: &Groups) -> Result<Pattern, Vec<String>> {
        let mut elements: Vec<Element> = Vec::new();
        let mut mistakes = Vec::new();
        let mut in_brackets = false;
        for chunk in text.split_whitespace() {
            let opens = chunk.starts_with('[');
            let closes = chunk.ends_with(']');
            if (opens && in_brackets) || (closes && !opens && !in_brackets) {
                mistakes.push("`[` and `]` do not pair".to_owned());
            }
            in_brackets |= opens;
            let inner = chunk.trim_start_matches('[').trim_end_matches(']');
            match parse_element(inner, in_brackets, groups) {
                Ok(more) => elements.extend(more),
                Err(mistake) => mistakes.push(mistake),
            }
            in_brackets &= !closes;
        }
        if in_brackets {
            mistakes.push("a `[` is not closed".to_owned());
        }
        let total = (elements.iter())
            .filter(|element| !element.optional)
            .map(|element| element.weight)
            .sum();
        if mistakes.is_empty() && !elements.iter().any(|element| !element.optional) {
            mistakes.push("at least one word must not be optional".to_owned());
        }
        run_together(&mut elements);
        mistakes.extend(slot_mistakes(&elements));
        if mistakes.is_empty() {
            Ok(Pattern { elements, total })
        } else {
            Err(mistakes)
        }
    }

    /// The names of its slots, and whether each is sure to be taken.
    pub fn slots(&self) -> impl Iterator<Item = (&str, bool)> {
        self.elements.iter().filter_map(|e| match &e.part {
            Part::Slot { name, .. } => Some((name.as_str(), !e.optional)),
            Part::Phrases(_) => None,
        })
    }
}

/// Recognisers hear "timers" for "time is". Not where a word decides or may be missing, nor where
/// both are so short that they run together with anything.
fn run_together(elements: &mut [Element]) {
    for i in 1..elements.len() {
        let joined = match (elements[i - 1].plain_word(), elements[i].plain_word()) {
            (Some(a), Some(b)) if a.text.len() + b.text.len() >= 6 => a.joined(b),
            _ => continue,
        };
        elements[i - 1].run_together = Some(joined);
    }
}

impl Element {
    fn plain_word(&self) -> Option<&Word> {
        match &self.part {
            Part::Phrases(phrases) if !self.optional && !self.must => match phrases.as_slice() {
                [phrase] => match phrase.as_slice() {
                    [word] => Some(word),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }
}

fn slot_mistakes(elements: &[Element]) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    let mut open_before = false;
    for element in elements {
        let Part::Slot { name, kind } = &element.part else {
            open_before = false;
            continue;
        };
        if seen.contains(&name.as_str()) {
            mistakes.push(format!("`{{{name}}}` is taken twice"));
        }
        if open_before {
            mistakes.push(format!(
                "`{{{name}}}` must not directly follow a slot of kind words: nobody could tell \
                 where one ends"
            ));
        }
        seen.push(name);
        open_before = *kind == Kind::Words;
    }
    mistakes
}

fn parse_element(text: &str, optional: bool, groups: &Groups) -> Result<Vec<Element>, String> {
    if text.is_empty() {
        return Err("brackets with nothing in them".to_owned());
    }
    if let Some(slot) = text.strip_prefix('{') {
        return parse_slot(slot, optional).map(|element| vec![element]);
    }
    if text.contains(['{', '}', '[', ']']) {
        return Err(format!(
            "`{text}`: brackets and braces enclose whole words, set a blank before and after"
        ));
    }
    let (text, must) = match text.strip_suffix('!') {
        Some(text) => (text, true),
        None => (text, false),
    };
    if must && optional {
        return Err(format!("`{text}!` cannot be optional too"));
    }
    let mut phrases: Vec<Vec<String>> = Vec::new();
    for choice in text.split('|') {
        match choice.strip_prefix('@') {
            Some(group) => {
                let group = groups
                    .get(group)
                    .ok_or_else(|| unknown_group(group, groups))?;
                phrases.extend(group.iter().map(|phrase| plain(phrase)));
            }
            None => phrases.push(plain(choice)),
        }
    }
    if phrases.iter().any(Vec::is_empty) {
        return Err(format!("`{text}` is no word"));
    }
    if let [words] = phrases.as_slice() {
        // A contraction is several words, each of which may be missed.
        let each = |word: &String| element(vec![vec![word.clone()]], optional, must);
        return Ok(words.iter().map(each).collect());
    }
    Ok(vec![element(phrases, optional, must)])
}

fn element(phrases: Vec<Vec<String>>, optional: bool, must: bool) -> Element {
    let weight_of = |phrase: &Vec<String>| phrase.iter().map(|w| weight(w)).sum::<f32>();
    // The first phrase stands for the others: it is the one its author thought of first.
    let weight = phrases.first().map_or(0.0, weight_of);
    let words = |phrase: Vec<String>| phrase.into_iter().map(Word::new).collect();
    Element {
        part: Part::Phrases(phrases.into_iter().map(words).collect()),
        optional,
        must,
        weight,
        run_together: None,
    }
}

fn parse_slot(text: &str, optional: bool) -> Result<Element, String> {
    let inner = text
        .strip_suffix('}')
        .ok_or_else(|| format!("`{{{text}`: a slot is written `{{name:kind}}` without blanks"))?;
    let (name, kind) = inner.split_once(':').unwrap_or((inner, "words"));
    if !is_name(name) {
        return Err(format!(
            "`{{{inner}}}`: a slot's name is lower-case letters, digits and `_`"
        ));
    }
    if super::answer::RESERVED.contains(&name) {
        return Err(format!(
            "`{{{name}}}` has a meaning of its own, take another name"
        ));
    }
    let kind = Kind::named(kind).ok_or_else(|| {
        format!(
            "`{{{inner}}}`: there is no kind `{kind}`; there are: {}",
            Kind::NAMES
        )
    })?;
    Ok(Element {
        weight: kind.weight(),
        part: Part::Slot {
            name: name.to_owned(),
            kind,
        },
        optional,
        must: !optional,
        run_together: None,
    })
}

/// Whether a text can name a slot, a rule or a group.
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn unknown_group(name: &str, groups: &Groups) -> String {
    let known: Vec<&str> = groups.keys().map(String::as_str).collect();
    if known.is_empty() {
        format!("there is no group `@{name}`; groups are lists in [script.words]")
    } else {
        format!(
            "there is no group `@{name}`; there are: {}",
            known.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn groups() -> Groups {
        Groups::from([("hello".to_owned(), vec!["hi".into(), "good morning".into()])])
    }

    fn mistakes(text: &str) -> String {
        Pattern::parse(text, &groups()).unwrap_err().join("; ")
    }

    #[test]
    fn the_parts_of_a_pattern_are_told_apart() {
        let pattern = Pattern::parse("@hello [can you] what's {a:number} or|and time!", &groups());
        let pattern = pattern.unwrap();
        let shape: Vec<_> = (pattern.elements.iter())
            .map(|e| match &e.part {
                Part::Phrases(phrases) => (phrases.len(), e.optional, e.must),
                Part::Slot { .. } => (0, e.optional, e.must),
            })
            .collect();
        let expected = [
            (2, false, false),
            (1, true, false),
            (1, true, false),
            (1, false, false),
            (1, false, false),
            (0, false, true),
            (2, false, false),
            (1, false, true),
        ];
        assert_eq!(shape, expected);
    }

    #[test]
    fn mistakes_are_told_in_words() {
        let table = [
            ("[a] [b]", "at least one word must not be optional"),
            ("hello [you", "a `[` is not closed"),
            ("hello you]", "`[` and `]` do not pair"),
            ("@helo you", "there is no group `@helo`; there are: hello"),
            ("{Name} x", "a slot's name is lower-case"),
            ("{name:colour} x", "there is no kind `colour`"),
            ("{result} x", "has a meaning of its own"),
            ("say {a} {b}", "must not directly follow"),
            ("say {a:word} to {a:word}", "is taken twice"),
            ("say {a:word}now", "without blanks"),
            ("!", "is no word"),
        ];
        for (text, expected) in table {
            let found = mistakes(text);
            assert!(found.contains(expected), "{text}: {found}");
        }
    }
}
