//! Numbers as people say them: words into figures here, figures into words in `spell`. Pure.
mod spell;

pub use spell::{ordinal, spell, spell_digits};

/// A number said as one: "one hundred and five", "three point one four", "minus two", "42". The
/// words are lower case without hyphens. `None` when they are not one number.
pub fn value(words: &[&str]) -> Option<f64> {
    let (negative, words) = match words {
        ["minus" | "negative", rest @ ..] => (true, rest),
        _ => (false, words),
    };
    let magnitude = match words.iter().position(|word| *word == "point") {
        Some(point) => {
            let whole = if point == 0 {
                0.0
            } else {
                cardinal(&words[..point])?
            };
            let fraction = digits(&words[point + 1..])?;
            whole + format!("0.{fraction}").parse::<f64>().ok()?
        }
        None => cardinal(words)?,
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// A number said figure by figure, as telephone and order numbers are: "four two seven", "four
/// twenty seven", "double oh seven", "427". What is heard for a figure ("for", "to") counts as it.
pub fn digits(words: &[&str]) -> Option<String> {
    if words.iter().any(|w| matches!(*w, "hundred" | "thousand")) {
        let whole = cardinal(words)?;
        return Some(plain(whole));
    }
    let mut figures = String::new();
    let mut repeat = 1;
    let mut tens_before = false;
    for word in words {
        if let Some(times) = repetition(word) {
            repeat = times;
            continue;
        }
        let figure = figure(word);
        if let Some(unit) = figure.filter(|unit| tens_before && *unit > 0) {
            // "twenty seven" is 27, not 207.
            figures.pop();
            figures.push(digit(unit));
        } else if let Some(unit) = figure {
            (0..repeat).for_each(|_| figures.push(digit(unit)));
        } else if let Some(n) = teen(word).or_else(|| tens(word)) {
            figures.push_str(&n.to_string());
        } else if !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()) {
            figures.push_str(word);
        } else {
            return None;
        }
        tens_before = tens(word).is_some();
        repeat = 1;
    }
    (!figures.is_empty() && repeat == 1).then_some(figures)
}

/// Whether a word can be part of a number said as one.
pub fn is_number_word(word: &str) -> bool {
    figure_exact(word).is_some()
        || teen(word).is_some()
        || tens(word).is_some()
        || scale(word).is_some()
        || word == "hundred"
        || is_figures(word)
}

/// Whether a word can be part of a number said figure by figure, mishearings included.
pub fn is_digit_word(word: &str) -> bool {
    is_number_word(word) || figure(word).is_some() || repetition(word).is_some()
}

/// "4", "42", "3.5".
pub fn is_figures(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && word.parse::<f64>().is_ok()
}

/// The number a figure is often heard as ("for" is four), for places where a number must stand.
pub fn misheard(word: &str) -> Option<&'static str> {
    Some(match word {
        "to" | "too" => "two",
        "for" | "fore" | "far" => "four",
        "won" => "one",
        "ate" | "a" | "age" | "eights" => "eight",
        "tree" => "three",
        "sex" | "sixth" => "six",
        "fife" | "fine" => "five",
        "oh" | "o" => "zero",
        _ => return None,
    })
}

/// A number written in figures, without a fraction where it has none: 42, 3.5.
pub fn plain(n: f64) -> String {
    // Ten digits after the point hide the tenth-of-a-cent errors of binary fractions (0.1 + 0.2).
    let text = format!("{n:.10}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
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
];
const TENS: [&str; 10] = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];
const SCALES: [(&str, u64); 4] = [
    ("trillion", 1_000_000_000_000),
    ("billion", 1_000_000_000),
    ("million", 1_000_000),
    ("thousand", 1_000),
];

fn cardinal(words: &[&str]) -> Option<f64> {
    if let [figures] = words
        && is_figures(figures)
    {
        return figures.parse().ok();
    }
    let mut total: u64 = 0;
    // What was said since the last "thousand" or "million", if anything.
    let mut group: Option<u64> = None;
    let mut last_scale = u64::MAX;
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        if let Some(size) = scale(word) {
            if size >= last_scale || group == Some(0) {
                return None;
            }
            last_scale = size;
            total += group.take().unwrap_or(1).checked_mul(size)?;
        } else if *word == "and" {
            if (group.is_none() && total == 0) || words.peek().is_none() {
                return None;
            }
        } else if *word == "a" {
            if !matches!(words.peek(), Some(&&("hundred" | "thousand" | "million"))) {
                return None;
            }
        } else {
            group = Some(grown(group, word)?);
        }
    }
    if group.is_none() && total == 0 {
        return None;
    }
    // Exact below 2^53, and nobody says more.
    #[allow(clippy::cast_precision_loss)]
    Some(total.checked_add(group.unwrap_or(0))? as f64)
}

/// A number below a thousand (or of hundreds: "nineteen hundred") with one more word.
fn grown(group: Option<u64>, word: &str) -> Option<u64> {
    if word == "hundred" {
        let hundreds = group.unwrap_or(1);
        return (1..100).contains(&hundreds).then_some(hundreds * 100);
    }
    if is_figures(word) {
        // "5 million". Longer figures are a number by themselves.
        return word
            .parse()
            .ok()
            .filter(|n| group.is_none() && *n < 1_000_000);
    }
    let before = group.unwrap_or(0);
    let after_hundred = before > 0 && before.is_multiple_of(100);
    if let Some(unit) = figure_exact(word) {
        // A unit follows nothing, a round ten from twenty on, or a round hundred.
        let fits = after_hundred || is_round_ten(before);
        return (group.is_none() || (fits && unit > 0)).then_some(before + u64::from(unit));
    }
    let n = teen(word).or_else(|| tens(word))?;
    (group.is_none() || after_hundred).then_some(before + u64::from(n))
}

fn is_round_ten(group: u64) -> bool {
    group.is_multiple_of(10) && (20..100).contains(&(group % 100))
}

fn figure_exact(word: &str) -> Option<u8> {
    let at = UNITS[..10].iter().position(|unit| *unit == word)?;
    u8::try_from(at).ok()
}

fn figure(word: &str) -> Option<u8> {
    figure_exact(word).or_else(|| figure_exact(misheard(word)?))
}

fn teen(word: &str) -> Option<u8> {
    let at = UNITS.iter().position(|unit| *unit == word)?;
    u8::try_from(at).ok().filter(|n| *n >= 10)
}

fn tens(word: &str) -> Option<u8> {
    let word = if word == "fourty" { "forty" } else { word };
    let at = TENS
        .iter()
        .position(|ten| !ten.is_empty() && *ten == word)?;
    u8::try_from(at * 10).ok()
}

fn scale(word: &str) -> Option<u64> {
    SCALES
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, size)| *size)
}

fn repetition(word: &str) -> Option<usize> {
    match word {
        "double" => Some(2),
        "triple" => Some(3),
        _ => None,
    }
}

fn digit(unit: u8) -> char {
    char::from(b'0' + unit)
}

#[cfg(test)]
mod tests;
