//! Answers that come in groups: telephone numbers, codes, e-mail addresses. People pause inside
//! them as long as between sentences.
use super::{CERTAIN, COMPLETE, HANGING, OPEN, UNFINISHED};

/// What the agent asked for, or the caller began to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// So many digits.
    Digits(usize),
    /// A telephone number.
    Telephone,
    /// A number of unknown length.
    Number,
    /// An e-mail address.
    Mail,
    /// Nothing of the kind.
    Other,
}

const TELEPHONE: [&str; 10] = [
    "phone",
    "telephone",
    "mobile",
    "cell",
    "telefonnummer",
    "handynummer",
    "téléphone",
    "portable",
    "teléfono",
    "móvil",
];
const NUMBER: [&str; 20] = [
    "number",
    "code",
    "digits",
    "account",
    "pin",
    "zip",
    "postcode",
    "reference",
    "nummer",
    "ziffern",
    "kontonummer",
    "kundennummer",
    "bestellnummer",
    "postleitzahl",
    "numéro",
    "chiffres",
    "référence",
    "número",
    "código",
    "dígitos",
];
const MAIL: [&str; 9] = [
    "email",
    "e-mail",
    "mail",
    "mailadresse",
    "courriel",
    "correo",
    "emailadresse",
    "e-mail-adresse",
    "gmail",
];

/// The digits by name, in four languages; "double" and "triple" are counted with what they repeat.
const DIGITS: [&str; 46] = [
    "zero", "oh", "one", "two", "to", "three", "four", "for", "five", "six", "seven", "eight",
    "nine", "zéro", "un", "deux", "trois", "quatre", "cinq", "sept", "huit", "neuf", "null",
    "eins", "ein", "zwei", "zwo", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun",
    "cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "double",
    "triple",
];
/// Numbers of two digits.
const TENS: [&str; 46] = [
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
    "dix",
    "onze",
    "douze",
    "treize",
    "quatorze",
    "quinze",
    "seize",
    "vingt",
    "trente",
    "quarante",
    "cinquante",
    "soixante",
    "zehn",
    "elf",
    "zwölf",
    "zwanzig",
    "dreißig",
    "vierzig",
    "fünfzig",
    "sechzig",
    "siebzig",
    "achtzig",
    "neunzig",
    "diez",
    "once",
    "doce",
    "veinte",
    "treinta",
];

impl Asked {
    /// By the question, else by how the answer begins.
    pub fn of(question: &str, words: &[String]) -> Asked {
        let lower = question.to_lowercase();
        let plain = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
        let asked: Vec<String> = lower
            .split(|c: char| c.is_whitespace() || c == '\'')
            .map(plain)
            .filter(|word| !word.is_empty())
            .collect();
        match Asked::in_words(&asked) {
            Asked::Other => Asked::in_words(words),
            asked => asked,
        }
    }

    fn in_words(words: &[String]) -> Asked {
        let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        if has(&MAIL) {
            return Asked::Mail;
        }
        for (at, word) in words.iter().enumerate() {
            // "the last four digits", "your 6-digit code"
            let attached = word
                .strip_suffix("-digit")
                .or(word.strip_suffix("-stellige"));
            let of = attached.or_else(|| {
                let counted = ["digit", "digits", "ziffern", "chiffres", "dígitos"];
                let named = counted.contains(&word.as_str()) && at > 0;
                named.then(|| words[at - 1].as_str())
            });
            if let Some(digits) = of.and_then(count_of) {
                return Asked::Digits(digits);
            }
        }
        if has(&["zip", "postleitzahl"]) {
            return Asked::Digits(5);
        }
        if has(&TELEPHONE) {
            return Asked::Telephone;
        }
        if has(&NUMBER) {
            Asked::Number
        } else {
            Asked::Other
        }
    }

    /// How likely the answer is whole; `None` when it is no answer of the kind.
    pub fn answered(self, words: &[String]) -> Option<f32> {
        if self == Asked::Mail || words.iter().any(|word| word.contains('@')) {
            return mail(words);
        }
        let digits = count_digits(words);
        let ends_in_digit = words.last().is_some_and(|last| digits_in(last) > 0);
        if digits == 0 || (!ends_in_digit && self != Asked::Telephone) {
            return None;
        }
        Some(match (self, digits) {
            (Asked::Other, _) => return None,
            (Asked::Digits(wanted), given) if given == wanted => CERTAIN,
            (Asked::Digits(wanted), given) if given < wanted => HANGING,
            (Asked::Digits(_), _) => OPEN,
            (Asked::Telephone, 10..) => CERTAIN,
            (Asked::Telephone, 7..) => OPEN,
            (Asked::Telephone, _) => HANGING,
            (Asked::Number, 7..) => COMPLETE,
            (Asked::Number, 4..) => UNFINISHED + 0.1,
            (Asked::Number | Asked::Mail, _) => HANGING,
        })
    }
}

/// How likely an e-mail address is whole.
fn mail(words: &[String]) -> Option<f32> {
    let at = |word: &String| matches!(word.as_str(), "at" | "arobase" | "ät" | "arroba");
    let dot = |word: &String| matches!(word.as_str(), "dot" | "point" | "punkt" | "punto");
    if let Some(written) = words.iter().find(|word| word.contains('@')) {
        let host = written.rsplit('@').next().unwrap_or_default();
        let whole = host.rsplit_once('.').is_some_and(|(_, end)| end.len() >= 2);
        return Some(if whole { CERTAIN } else { UNFINISHED });
    }
    let Some(sign) = words.iter().position(at) else {
        // "I don't have one" is an answer; a name alone is the beginning of one.
        return (words.len() < 4).then_some(UNFINISHED);
    };
    let host = &words[sign + 1..];
    let whole = host
        .iter()
        .rposition(dot)
        .is_some_and(|at| at > 0 && at + 1 < host.len());
    Some(if whole { CERTAIN } else { HANGING + 0.07 })
}

/// Digits in an answer; a word that is also another word counts only beside a digit.
pub fn count_digits(words: &[String]) -> usize {
    let ambiguous = |word: &str| {
        matches!(
            word,
            "to" | "for" | "oh" | "un" | "ein" | "double" | "triple"
        )
    };
    let plain = |at: Option<&String>| at.is_some_and(|w| digits_in(w) > 0 && !ambiguous(w));
    let mut count = 0;
    for (at, word) in words.iter().enumerate() {
        let beside =
            plain(at.checked_sub(1).and_then(|at| words.get(at))) || plain(words.get(at + 1));
        count += match word.as_str() {
            "double" if beside => 1,
            "triple" if beside => 2,
            word if ambiguous(word) && !beside => 0,
            word => digits_in(word),
        };
    }
    count
}

fn digits_in(word: &str) -> usize {
    let written = word.chars().filter(char::is_ascii_digit).count();
    if written > 0 {
        return written;
    }
    if DIGITS.contains(&word) {
        1
    } else if TENS.contains(&word) {
        2
    } else {
        0
    }
}

/// "four" or "4" as a number of digits.
fn count_of(word: &str) -> Option<usize> {
    const NAMES: [[&str; 4]; 6] = [
        ["three", "trois", "drei", "tres"],
        ["four", "quatre", "vier", "cuatro"],
        ["five", "cinq", "fünf", "cinco"],
        ["six", "six", "sechs", "seis"],
        ["eight", "huit", "acht", "ocho"],
        ["ten", "dix", "zehn", "diez"],
    ];
    const COUNTS: [usize; 6] = [3, 4, 5, 6, 8, 10];
    let named = NAMES.iter().position(|names| names.contains(&word));
    named.map(|at| COUNTS[at]).or_else(|| word.parse().ok())
}
