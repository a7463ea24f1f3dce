//! Numbers as people say them: words into figures and figures into words. Pure.

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

/// A number in words: "forty-two", "minus three point five". Beyond a quadrillion, and for what is
/// no number, the figures.
pub fn spell(n: f64) -> String {
    let figures = plain(n.abs());
    let (whole, fraction) = figures.split_once('.').unwrap_or((&figures, ""));
    let Some(whole) = whole.parse::<u64>().ok().filter(|w| *w < 1_000_000_000_000_000) else {
        return plain(n);
    };
    let mut words = String::new();
    if n < 0.0 && figures != "0" {
        words.push_str("minus ");
    }
    words.push_str(&spell_whole(whole));
    if !fraction.is_empty() {
        words.push_str(" point");
        for figure in fraction.bytes() {
            words.push(' ');
            words.push_str(UNITS[usize::from(figure - b'0')]);
        }
    }
    words
}

/// Figures read one by one, other characters as they are: "4 2 7" is "four two seven".
pub fn spell_digits(text: &str) -> String {
    let words: Vec<String> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| match c.to_digit(10) {
            Some(d) => UNITS[d as usize].to_owned(),
            None => c.to_string(),
        })
        .collect();
    words.join(" ")
}

/// "first", "twenty-second": for days of a month, 1 to 31; figures beyond 99.
pub fn ordinal(n: u8) -> String {
    const FIRST: [&str; 20] = [
        "zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth",
        "ninth", "tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth",
        "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    ];
    match (n / 10, n % 10) {
        (10.., _) => n.to_string(),
        (0 | 1, _) => FIRST[usize::from(n)].to_owned(),
        (ten, 0) => format!("{}ieth", TENS[usize::from(ten)].trim_end_matches('y')),
        (ten, unit) => format!("{}-{}", TENS[usize::from(ten)], FIRST[usize::from(unit)]),
    }
}

const UNITS: [&str; 20] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
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

fn spell_whole(n: u64) -> String {
    if n == 0 {
        return UNITS[0].to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut rest = n;
    for (name, size) in SCALES {
        if rest >= size {
            words.push(format!("{} {name}", below_thousand(rest / size)));
            rest %= size;
        }
    }
    if rest > 0 {
        if !words.is_empty() && rest < 100 {
            words.push("and".to_owned());
        }
        words.push(below_thousand(rest));
    }
    words.join(" ")
}

/// 1 to 999.
fn below_thousand(n: u64) -> String {
    let unit = |n: u64| UNITS[usize::try_from(n).unwrap_or(0).min(19)];
    match n {
        0..20 => unit(n).to_owned(),
        20..100 => {
            let ten = TENS[usize::try_from(n / 10).unwrap_or(0).min(9)];
            match n % 10 {
                0 => ten.to_owned(),
                rest => format!("{ten}-{}", unit(rest)),
            }
        }
        _ => match n % 100 {
            0 => format!("{} hundred", unit(n / 100)),
            rest => format!("{} hundred and {}", unit(n / 100), below_thousand(rest)),
        },
    }
}

fn cardinal(words: &[&str]) -> Option<f64> {
    if let [figures] = words
        && is_figures(figures)
    {
        return figures.parse().ok();
    }
    let mut total: u64 = 0;
    let mut group: u64 = 0;
    let mut group_open = false;
    let mut last_scale = u64::MAX;
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        if let Some(unit) = figure_exact(word) {
            // A unit follows nothing, a round ten from twenty on, or a round hundred.
            let fits = !group_open || (group % 100 == 0 && group > 0) || is_round_ten(group);
            if !fits || (unit == 0 && group_open) {
                return None;
            }
            group += u64::from(unit);
        } else if let Some(n) = teen(word).or_else(|| tens(word)) {
            if group_open && (group % 100 != 0 || group == 0) {
                return None;
            }
            group += u64::from(n);
        } else if *word == "hundred" {
            if !(1..100).contains(&group) && group_open {
                return None;
            }
            group = group.max(1) * 100;
        } else if let Some(size) = scale(word) {
            if size >= last_scale || (group_open && group == 0) {
                return None;
            }
            last_scale = size;
            total += group.max(1).checked_mul(size)?;
            (group, group_open) = (0, false);
            continue;
        } else if *word == "and" {
            let before = group_open || total > 0;
            if !before || words.peek().is_none() {
                return None;
            }
            continue;
        } else if *word == "a" && matches!(words.peek(), Some(&&("hundred" | "thousand" | "million")))
        {
            continue;
        } else if is_figures(word) && !group_open {
            // "5 million"
            group = word.parse().ok()?;
        } else {
            return None;
        }
        group_open = true;
    }
    if !group_open && total == 0 {
        return None;
    }
    // Exact below 2^53, and nobody says more.
    #[allow(clippy::cast_precision_loss)]
    Some((total + group) as f64)
}

fn is_round_ten(group: u64) -> bool {
    group % 10 == 0 && (20..100).contains(&(group % 100))
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
    let at = TENS.iter().position(|ten| !ten.is_empty() && *ten == word)?;
    u8::try_from(at * 10).ok()
}

fn scale(word: &str) -> Option<u64> {
    SCALES.iter().find(|(name, _)| *name == word).map(|(_, size)| *size)
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
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        text.split(' ').collect()
    }

    #[test]
    fn words_become_numbers() {
        let table = [
            ("twelve", Some(12.0)),
            ("twenty seven", Some(27.0)),
            ("one hundred and five", Some(105.0)),
            ("a hundred", Some(100.0)),
            ("hundred", Some(100.0)),
            ("nine hundred ninety nine thousand nine hundred ninety nine", Some(999_999.0)),
            ("two million and three", Some(2_000_003.0)),
            ("five thousand", Some(5_000.0)),
            ("three point one four", Some(3.14)),
            ("point five", Some(0.5)),
            ("minus two", Some(-2.0)),
            ("zero", Some(0.0)),
            ("42", Some(42.0)),
            ("3.5", Some(3.5)),
            ("5 million", Some(5_000_000.0)),
            ("twelve thirty", None),
            ("one two", None),
            ("twenty zero", None),
            ("and", None),
            ("five and", None),
            ("thousand million", None),
            ("cat", None),
        ];
        for (said, expected) in table {
            assert_eq!(value(&words(said)), expected, "{said}");
        }
    }

    #[test]
    fn figures_are_read_one_by_one() {
        let table = [
            ("four two seven", Some("427")),
            ("four twenty seven", Some("427")),
            ("four to seven", Some("427")),
            ("for too seven", Some("427")),
            ("forty two seven", Some("427")),
            ("double four one", Some("441")),
            ("oh oh seven", Some("007")),
            ("427", Some("427")),
            ("4 2 7", Some("427")),
            ("four hundred twenty seven", Some("427")),
            ("one zero five", Some("105")),
            ("twelve", Some("12")),
            ("double", None),
            ("cat", None),
        ];
        for (said, expected) in table {
            assert_eq!(digits(&words(said)).as_deref(), expected, "{said}");
        }
    }

    #[test]
    fn numbers_become_words() {
        let table = [
            (0.0, "zero"),
            (42.0, "forty-two"),
            (105.0, "one hundred and five"),
            (1_001.0, "one thousand and one"),
            (999_999.0, "nine hundred and ninety-nine thousand nine hundred and ninety-nine"),
            (-3.5, "minus three point five"),
            (0.1 + 0.2, "zero point three"),
            (1e15, "1000000000000000"),
        ];
        for (n, expected) in table {
            assert_eq!(spell(n), expected);
        }
    }

    #[test]
    fn what_is_spelt_is_read_back() {
        for n in (0..3_000).chain([9_999, 10_000, 123_456, 7_000_010]) {
            let said = spell(f64::from(n)).replace('-', " ");
            assert_eq!(value(&words(&said)), Some(f64::from(n)), "{said}");
        }
    }

    #[test]
    fn days_have_ordinals() {
        let said: Vec<String> = [1, 2, 3, 12, 20, 21, 30, 31].map(ordinal).into();
        let expected = [
            "first", "second", "third", "twelfth", "twentieth", "twenty-first", "thirtieth",
            "thirty-first",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn order_numbers_are_said_figure_by_figure() {
        assert_eq!(spell_digits("427"), "four two seven");
        assert_eq!(spell_digits("A1"), "A one");
    }
}
