//! Figures in words.
use super::{SCALES, TENS, UNITS, plain};

/// A number in words: "forty-two", "minus three point five". Beyond a quadrillion, and for what is
/// no number, the figures.
pub fn spell(n: f64) -> String {
    let figures = plain(n.abs());
    let (whole, fraction) = figures.split_once('.').unwrap_or((&figures, ""));
    let Some(whole) = whole
        .parse::<u64>()
        .ok()
        .filter(|w| *w < 1_000_000_000_000_000)
    else {
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
        "zeroth",
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
    ];
    match (n / 10, n % 10) {
        (10.., _) => n.to_string(),
        (0 | 1, _) => FIRST[usize::from(n)].to_owned(),
        (ten, 0) => format!("{}ieth", TENS[usize::from(ten)].trim_end_matches('y')),
        (ten, unit) => format!("{}-{}", TENS[usize::from(ten)], FIRST[usize::from(unit)]),
    }
}

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
