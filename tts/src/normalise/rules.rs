//! The rules, tried in order at every word; the first that knows it says it.
use std::collections::HashMap;

use super::{
    Language, Token,
    lexicon::Lexicon,
    number::{cardinal, digits},
};

mod address;
mod calendar;
mod fraction;
mod quantity;

pub(super) struct Rules<'a> {
    language: Language,
    lexicon: &'static Lexicon,
    pronunciations: &'a HashMap<String, String>,
}

/// A word and the marks around it.
struct Parts<'a> {
    lead: &'a str,
    core: &'a str,
    trail: &'a str,
}

fn parts(text: &str) -> Parts<'_> {
    let opens = |c: char| matches!(c, '(' | '[' | '{' | '¿' | '¡' | '\'');
    let closes = |c: char| {
        matches!(
            c,
            ')' | ']' | '}' | '\'' | '.' | ',' | ';' | ':' | '!' | '?' | '،' | '؛' | '؟' | '।'
        )
    };
    let inner = text.trim_start_matches(opens);
    let core = inner.trim_end_matches(closes);
    Parts {
        lead: &text[..text.len() - inner.len()],
        core,
        trail: &inner[core.len()..],
    }
}

/// Words that took the place of `used` tokens.
struct Said {
    words: String,
    used: usize,
}

impl Said {
    fn one(words: String) -> Option<Said> {
        Some(Said { words, used: 1 })
    }
}

/// A place in the text: the word there, those behind it, and the one before.
struct Place<'a> {
    core: &'a str,
    tokens: &'a [Token],
    before: &'a str,
}

impl Place<'_> {
    /// The core of the word `ahead` words on, when nothing but a space comes before it.
    fn next(&self, ahead: usize) -> Option<&str> {
        let joined = self.tokens[..ahead]
            .iter()
            .all(|t| parts(&t.text).trail.is_empty());
        let token = self.tokens.get(ahead).filter(|_| joined)?;
        let next = parts(&token.text);
        next.lead.is_empty().then_some(next.core)
    }
}

impl<'a> Rules<'a> {
    pub fn new(language: Language, pronunciations: &'a HashMap<String, String>) -> Rules<'a> {
        Rules {
            language,
            lexicon: Lexicon::of(language),
            pronunciations,
        }
    }

    /// What is said for the word at `at`, and how many words that was.
    pub fn say(&self, tokens: &[Token], at: usize) -> (usize, String) {
        let text = with_plain_digits(&tokens[at].text);
        let Parts { lead, core, trail } = parts(&text);
        if let Some(said) = self.abbreviation(lead, &text) {
            return (1, said);
        }
        let before = at.checked_sub(1).map_or("", |i| tokens[i].text.as_str());
        let place = Place {
            core,
            tokens: &tokens[at..],
            before,
        };
        match self.said(&place) {
            Some(Said { words, used: 1 }) => (1, format!("{lead}{words}{trail}")),
            Some(Said { words, used }) => {
                let last = parts(&tokens[at + used - 1].text).trail;
                // A bracket that was closed inside is not open any more.
                let lead = if last.contains(')') {
                    lead
                } else {
                    lead.trim_end_matches('(')
                };
                (used, format!("{lead}{words}{last}"))
            }
            None => (1, text),
        }
    }

    fn said(&self, place: &Place<'_>) -> Option<Said> {
        if place.core.is_empty() {
            return None;
        }
        if let Some(words) = self.pronunciations.get(&place.core.to_lowercase()) {
            return Said::one(words.clone());
        }
        if place.core.chars().all(char::is_alphabetic) {
            // A currency's code may stand in front of the number.
            return self.money(place);
        }
        self.mail(place)
            .or_else(|| self.web(place))
            .or_else(|| self.fraction(place))
            .or_else(|| self.date(place))
            .or_else(|| self.time(place))
            .or_else(|| self.telephone(place))
            .or_else(|| self.money(place))
            .or_else(|| self.ordinal(place))
            .or_else(|| self.quantity(place))
            .or_else(|| self.range(place))
            .or_else(|| self.sign(place))
            .or_else(|| self.mixture(place))
    }

    fn abbreviation(&self, lead: &str, text: &str) -> Option<String> {
        let inner = &text[lead.len()..];
        let known = self.lexicon.abbreviations.iter();
        let (written, said) = known
            .filter(|(written, _)| {
                let rest = inner.strip_prefix(written);
                rest.is_some_and(|rest| rest.chars().all(|c| matches!(c, ',' | ';' | ':' | ')')))
            })
            .max_by_key(|(written, _)| written.len())?;
        Some(format!("{lead}{said}{}", &inner[written.len()..]))
    }

    /// Signs that stand alone, and those in front of a number or a name.
    fn sign(&self, place: &Place<'_>) -> Option<Said> {
        let lexicon = self.lexicon;
        let words = match place.core {
            "&" => lexicon.and,
            "+" => lexicon.plus,
            "=" => lexicon.equals,
            "%" => lexicon.percent,
            "@" => lexicon.at,
            core => {
                let rest = core.strip_prefix('#').or_else(|| core.strip_prefix("№"))?;
                let words = match self.number(rest) {
                    Some(number) => number.words(self),
                    None => rest.to_owned(),
                };
                return Said::one(format!("{} {words}", lexicon.number));
            }
        };
        Said::one(words.to_owned())
    }

    /// Letters and digits in one word: A17, COVID-19, H2O.
    fn mixture(&self, place: &Place<'_>) -> Option<Said> {
        let core = place.core;
        if !core.contains(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let mut words: Vec<String> = Vec::new();
        let mut rest = core;
        while let Some(first) = rest.chars().next() {
            let kind = |c: char| (c.is_ascii_digit(), c.is_alphanumeric());
            let end = rest.find(|c| kind(c) != kind(first)).unwrap_or(rest.len());
            let (run, others) = rest.split_at(end);
            rest = others;
            if first.is_ascii_digit() {
                words.push(self.plain_number(run));
            } else if first.is_alphanumeric() {
                words.push(run.to_owned());
            } else {
                match (run, words.last_mut()) {
                    ("-" | "_" | "–" | "/" | ":" | ".", _) | (_, None) => {}
                    ("%", _) => words.push(self.lexicon.percent.to_owned()),
                    ("+", _) => words.push(self.lexicon.plus.to_owned()),
                    (marks, Some(last)) => last.push_str(marks),
                }
            }
        }
        // An elided article stays with its noun.
        Said::one(words.join(" ").replace("' ", "'"))
    }

    /// Digits as one number, or one by one where they begin with zero or are too many.
    fn plain_number(&self, run: &str) -> String {
        match run.parse() {
            Ok(n) if !run.starts_with('0') || run.len() == 1 => cardinal(self.language, n),
            _ => digits(self.language, run),
        }
    }
}

/// Arabic and Devanagari digits as the ones everybody computes with.
fn with_plain_digits(text: &str) -> String {
    let plain = |c: char| {
        let zero = match c {
            '٠'..='٩' => '٠',
            '۰'..='۹' => '۰',
            '०'..='९' => '०',
            '٪' => return '%',
            '٫' => return '.',
            '٬' => return ',',
            c => return c,
        };
        char::from_digit(u32::from(c) - u32::from(zero), 10).unwrap_or(c)
    };
    text.chars().map(plain).collect()
}
