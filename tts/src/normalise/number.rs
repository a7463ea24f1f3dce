//! Numbers in words.
use super::Language;

mod arabic;
mod germanic;
mod hindi;
mod romance;

/// Numbers from here on are said digit by digit.
pub(super) const MOST: u64 = 1_000_000_000_000;

/// A number in words.
pub(super) fn cardinal(language: Language, n: u64) -> String {
    if n >= MOST {
        return digits(language, &n.to_string());
    }
    match language {
        Language::En => germanic::english(n),
        Language::De => germanic::german(n),
        Language::Nl => germanic::dutch(n),
        Language::Fr => romance::french(n),
        Language::Es => romance::spanish(n),
        Language::It => romance::italian(n),
        Language::Pt => romance::portuguese(n),
        Language::Ar => arabic::arabic(n),
        Language::Hi => hindi::hindi(n),
    }
}

/// A number of things, where their gender or a noun behind it shows.
pub(super) fn counted(language: Language, n: u64, feminine: bool) -> String {
    let words = cardinal(language, n);
    let changes: &[(&str, &str, &str)] = match language {
        Language::De => &[("eins", "ein", "eine")],
        Language::Fr => &[("un", "un", "une")],
        Language::Es => &[("veintiuno", "veintiún", "veintiuna"), ("uno", "un", "una")],
        Language::It => &[("uno", "un", "una")],
        Language::Pt => &[("um", "um", "uma"), ("dois", "dois", "duas")],
        _ => &[],
    };
    // Only whole words change in Italian and German: ventuno euro, hunderteins Euro.
    let whole = matches!(language, Language::It | Language::De);
    for (plain, masculine, other) in changes {
        if words == *plain || (!whole && ends_in_word(&words, plain)) {
            let stem = &words[..words.len() - plain.len()];
            return format!("{stem}{}", if feminine { other } else { masculine });
        }
    }
    words
}

fn ends_in_word(words: &str, last: &str) -> bool {
    let before = words.strip_suffix(last);
    before.is_some_and(|rest| rest.is_empty() || rest.ends_with([' ', '-']))
}

/// Digit after digit. Anything else is left out.
pub(super) fn digits(language: Language, all: &str) -> String {
    let digit = |c: char| Some(cardinal(language, u64::from(c.to_digit(10)?)));
    all.chars().filter_map(digit).collect::<Vec<_>>().join(" ")
}

/// A year as it is read.
pub(super) fn year(language: Language, n: u64) -> String {
    let (century, rest) = (n / 100, n % 100);
    match language {
        Language::En if (1100..2000).contains(&n) || (2010..2100).contains(&n) => {
            let first = cardinal(language, century);
            match rest {
                0 => format!("{first} hundred"),
                1..10 => format!("{first} oh {}", cardinal(language, rest)),
                _ => format!("{first} {}", cardinal(language, rest)),
            }
        }
        Language::De if (1100..2000).contains(&n) => {
            let first = format!("{}hundert", cardinal(language, century));
            match rest {
                0 => first,
                _ => first + &cardinal(language, rest),
            }
        }
        Language::Nl if (1100..2000).contains(&n) => match rest {
            0 => format!("{}honderd", cardinal(language, century)),
            _ => format!(
                "{} {}",
                cardinal(language, century),
                cardinal(language, rest)
            ),
        },
        _ => cardinal(language, n),
    }
}

/// An ordinal number, masculine where that shows; `None` where the language has no rule here.
pub(super) fn ordinal(language: Language, n: u64) -> Option<String> {
    match language {
        Language::En => Some(germanic::english_ordinal(n)),
        Language::De => Some(germanic::german_ordinal(n) + "r"),
        Language::Nl => Some(germanic::dutch_ordinal(n)),
        Language::Fr => Some(romance::french_ordinal(n)),
        Language::Es => romance::few(n, &romance::SPANISH_ORDINALS),
        Language::It => romance::few(n, &romance::ITALIAN_ORDINALS),
        Language::Pt => romance::few(n, &romance::PORTUGUESE_ORDINALS),
        Language::Ar | Language::Hi => None,
    }
}

/// Splits off the highest of `scales` that fits: how many of it, its index, and the rest.
fn scaled(n: u64, scales: &[u64]) -> Option<(u64, usize, u64)> {
    let index = scales.iter().position(|s| n >= *s)?;
    Some((n / scales[index], index, n % scales[index]))
}

/// Puts `rest` in words behind what comes first.
fn joined(first: String, gap: &str, rest: u64, words: impl FnOnce(u64) -> String) -> String {
    match rest {
        0 => first,
        rest => first + gap + &words(rest),
    }
}
