//! What a pattern's `{name:kind}` takes from what was said. Pure.
use crate::{
    numbers,
    scripted::words::{Token, weight},
};

/// What a slot takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One number: "twenty seven", "3.5". Gives figures.
    Number,
    /// A number said figure by figure: "four two seven". Gives figures.
    Digits,
    /// Something to reckon: "twelve plus thirty". Gives its words, mishearings of numbers mended.
    Expression,
    /// One to three words that could be a name. Gives them capitalised.
    Name,
    /// One word.
    Word,
    /// One word or more. Gives them as they were written.
    Words,
}

impl Kind {
    /// The kind a pattern names.
    pub fn named(name: &str) -> Option<Kind> {
        Some(match name {
            "number" => Kind::Number,
            "digits" => Kind::Digits,
            "expression" => Kind::Expression,
            "name" => Kind::Name,
            "word" => Kind::Word,
            "words" => Kind::Words,
            _ => return None,
        })
    }

    /// All names, for messages.
    pub const NAMES: &str = "number, digits, expression, name, word, words";

    /// How much finding one says about what is meant.
    pub fn weight(self) -> f32 {
        match self {
            Kind::Expression => 2.0,
            Kind::Number | Kind::Digits => 1.0,
            Kind::Name | Kind::Word | Kind::Words => 0.5,
        }
    }

    /// Most words it takes.
    pub fn longest(self) -> usize {
        match self {
            Kind::Number => 10,
            Kind::Digits => 14,
            Kind::Expression | Kind::Words => usize::MAX,
            Kind::Name => 3,
            Kind::Word => 1,
        }
    }

    /// Whether a word can be part of one at all: a stretch ends before the first that cannot.
    pub fn may_hold(self, word: &str) -> bool {
        match self {
            Kind::Number => {
                numbers::is_number_word(word)
                    || matches!(word, "and" | "a" | "point" | "minus" | "negative")
            }
            Kind::Digits => numbers::is_digit_word(word) || matches!(word, "and" | "a"),
            Kind::Expression => {
                numbers::is_number_word(word)
                    || is_operation(word)
                    || is_joint(word)
                    || numbers::misheard(word).is_some()
            }
            Kind::Name => weight(word) >= 1.0,
            Kind::Word | Kind::Words => true,
        }
    }

    /// Whether exactly these words are of this kind.
    pub fn takes(self, tokens: &[Token]) -> bool {
        match self {
            // Any words will do, and there are many stretches of them.
            Kind::Words => tokens.iter().any(|token| !token.written.is_empty()),
            _ => self.capture(tokens).is_some(),
        }
    }

    /// What it makes of exactly these words; `None` when they are not of this kind.
    pub fn capture(self, tokens: &[Token]) -> Option<String> {
        let words: Vec<&str> = tokens.iter().map(|t| t.word.text.as_str()).collect();
        match self {
            Kind::Number => {
                if !words.iter().any(|w| numbers::is_number_word(w)) {
                    return None;
                }
                numbers::value(&words).map(numbers::plain)
            }
            Kind::Digits => digits(&words),
            Kind::Expression => expression(&words),
            Kind::Name => name(tokens),
            Kind::Word => words
                .first()
                .filter(|w| w.len() > 1 || numbers::is_figures(w))
                .map(|_| written(tokens)),
            Kind::Words => Some(written(tokens)).filter(|text| !text.is_empty()),
        }
    }
}

/// A number that is not made of mishearings alone.
fn digits(words: &[&str]) -> Option<String> {
    let sure = words.iter().filter(|w| numbers::is_number_word(w)).count();
    if sure * 2 < words.len() || words.first() == Some(&"a") {
        return None;
    }
    numbers::digits(words)
}

fn is_operation(word: &str) -> bool {
    matches!(
        word,
        "plus"
            | "minus"
            | "times"
            | "divided"
            | "multiplied"
            | "percent"
            | "squared"
            | "cubed"
            | "root"
            | "power"
            | "over"
            | "add"
            | "subtract"
            | "x"
            | "+"
            | "-"
            | "*"
            | "/"
            | "^"
            | "%"
            | "×"
            | "÷"
            | "\u{2212}"
    )
}

fn is_joint(word: &str) -> bool {
    matches!(
        word,
        "and" | "by" | "to" | "the" | "of" | "square" | "point" | "(" | ")"
    )
}

/// Numbers and operations, beginning and ending with one that can.
fn expression(words: &[&str]) -> Option<String> {
    let mut n_numbers = 0;
    let mut n_operations = 0;
    let mut mended = Vec::with_capacity(words.len());
    for (i, word) in words.iter().enumerate() {
        let edge = i == 0 || i + 1 == words.len();
        let beside = i
            .checked_sub(1)
            .is_some_and(|i| is_operation(words[i]) || words[i] == "by")
            || words.get(i + 1).is_some_and(|next| is_operation(next));
        if numbers::is_number_word(word) {
            n_numbers += 1;
            mended.push(*word);
        } else if is_operation(word) {
            n_operations += 1;
            mended.push(*word);
        } else if let Some(number) = numbers::misheard(word).filter(|_| edge && beside) {
            // "to plus two", "seven times a": where a number must stand, a number was said.
            n_numbers += 1;
            mended.push(number);
        } else if is_joint(word) {
            mended.push(*word);
        } else {
            return None;
        }
    }
    let (first, last) = (*mended.first()?, *mended.last()?);
    let begins = numbers::is_number_word(first)
        || matches!(first, "minus" | "-" | "(" | "square" | "point" | "the");
    let ends = numbers::is_number_word(last)
        || matches!(last, ")" | "squared" | "cubed" | "percent" | "%");
    (n_numbers > 0 && n_operations > 0 && begins && ends).then(|| mended.join(" "))
}

fn name(tokens: &[Token]) -> Option<String> {
    let words: Vec<String> = (tokens.iter())
        .map(|token| {
            let word = token.word.text.as_str();
            let fits = weight(word) >= 1.0 && word.chars().all(char::is_alphabetic);
            fits.then(|| capitalised(&token.written))
        })
        .collect::<Option<_>>()?;
    Some(words.join(" "))
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

fn written(tokens: &[Token]) -> String {
    let words: Vec<&str> = (tokens.iter())
        .map(|token| token.written.as_str())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::words::tokens;

    fn capture(kind: Kind, text: &str) -> Option<String> {
        kind.capture(&tokens(text))
    }

    #[test]
    fn each_kind_takes_its_own() {
        let table = [
            (Kind::Number, "twenty seven", Some("27")),
            (Kind::Number, "a", None),
            (Kind::Number, "hello", None),
            (Kind::Digits, "four to seven", Some("427")),
            (Kind::Digits, "to", None),
            (Kind::Digits, "a hundred", None),
            (
                Kind::Expression,
                "twelve plus thirty",
                Some("twelve plus thirty"),
            ),
            (Kind::Expression, "12+30", Some("12 + 30")),
            (Kind::Expression, "to plus for", Some("two plus four")),
            (Kind::Expression, "seven times a", Some("seven times eight")),
            (
                Kind::Expression,
                "twenty percent of fifty",
                Some("twenty percent of fifty"),
            ),
            (
                Kind::Expression,
                "the square root of nine",
                Some("the square root of nine"),
            ),
            (Kind::Expression, "twelve", None),
            (Kind::Expression, "three times a day", None),
            (Kind::Name, "peter o'brien", Some("Peter O'brien")),
            (Kind::Name, "peter brown", Some("Peter Brown")),
            (Kind::Name, "the", None),
            (Kind::Word, "x", None),
            (Kind::Words, "What's up, Doc?", Some("What's up Doc")),
        ];
        for (kind, text, expected) in table {
            assert_eq!(capture(kind, text).as_deref(), expected, "{kind:?} {text}");
        }
    }
}
