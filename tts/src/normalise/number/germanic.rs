//! English, German and Dutch.
use super::{joined, scaled};

const ENGLISH: [&str; 20] = [
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
const ENGLISH_TENS: [&str; 10] = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];
const SCALES: [u64; 3] = [1_000_000_000, 1_000_000, 1_000];

pub(super) fn english(n: u64) -> String {
    if let Some((count, scale, rest)) = scaled(n, &SCALES) {
        let name = ["billion", "million", "thousand"][scale];
        return joined(format!("{} {name}", english(count)), " ", rest, english);
    }
    match n {
        0..20 => ENGLISH[n as usize].to_owned(),
        20..100 => joined(
            ENGLISH_TENS[n as usize / 10].to_owned(),
            "-",
            n % 10,
            english,
        ),
        _ => joined(
            format!("{} hundred", english(n / 100)),
            " ",
            n % 100,
            english,
        ),
    }
}

pub(super) fn english_ordinal(n: u64) -> String {
    let words = english(n);
    let at = words.rfind([' ', '-']).map_or(0, |at| at + 1);
    let (stem, last) = words.split_at(at);
    let last = match last {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        tens if tens.ends_with('y') => format!("{}ieth", &tens[..tens.len() - 1]),
        other => format!("{other}th"),
    };
    format!("{stem}{last}")
}

const GERMAN: [&str; 20] = [
    "null",
    "eins",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
    "dreizehn",
    "vierzehn",
    "fünfzehn",
    "sechzehn",
    "siebzehn",
    "achtzehn",
    "neunzehn",
];
const GERMAN_TENS: [&str; 10] = [
    "", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig",
];

pub(super) fn german(n: u64) -> String {
    // One is "ein" in front of what it counts.
    let before = |n: u64| match n % 100 {
        1 => german(n).trim_end_matches('s').to_owned(),
        _ => german(n),
    };
    match n {
        0..20 => GERMAN[n as usize].to_owned(),
        20..100 if n.is_multiple_of(10) => GERMAN_TENS[n as usize / 10].to_owned(),
        20..100 => format!("{}und{}", before(n % 10), GERMAN_TENS[n as usize / 10]),
        100..1_000 => joined(format!("{}hundert", before(n / 100)), "", n % 100, german),
        1_000..1_000_000 => joined(
            format!("{}tausend", before(n / 1_000)),
            "",
            n % 1_000,
            german,
        ),
        _ => {
            let (size, one, many) = match n {
                0..1_000_000_000 => (1_000_000, "eine Million", "Millionen"),
                _ => (1_000_000_000, "eine Milliarde", "Milliarden"),
            };
            let first = match n / size {
                1 => one.to_owned(),
                count => format!("{} {many}", german(count)),
            };
            joined(first, " ", n % size, german)
        }
    }
}

/// In its weak form: "dritte", "zwanzigste".
pub(super) fn german_ordinal(n: u64) -> String {
    let words = german(n);
    let last = n % 100;
    let changed = |from: &str, to: &str| words.strip_suffix(from).map(|stem| format!("{stem}{to}"));
    let irregular = match last {
        1 => changed("eins", "erste"),
        3 => changed("drei", "dritte"),
        7 => changed("sieben", "siebte"),
        8 => changed("acht", "achte"),
        _ => None,
    };
    irregular.unwrap_or_else(|| match last {
        1..20 => format!("{words}te"),
        _ => format!("{words}ste"),
    })
}

const DUTCH: [&str; 20] = [
    "nul",
    "een",
    "twee",
    "drie",
    "vier",
    "vijf",
    "zes",
    "zeven",
    "acht",
    "negen",
    "tien",
    "elf",
    "twaalf",
    "dertien",
    "veertien",
    "vijftien",
    "zestien",
    "zeventien",
    "achttien",
    "negentien",
];
const DUTCH_TENS: [&str; 10] = [
    "", "", "twintig", "dertig", "veertig", "vijftig", "zestig", "zeventig", "tachtig", "negentig",
];

pub(super) fn dutch(n: u64) -> String {
    let several = |n: u64| if n == 1 { String::new() } else { dutch(n) };
    match n {
        0..20 => DUTCH[n as usize].to_owned(),
        20..100 if n.is_multiple_of(10) => DUTCH_TENS[n as usize / 10].to_owned(),
        20..100 => {
            let one = DUTCH[n as usize % 10];
            let and = if one.ends_with('e') { "ën" } else { "en" };
            format!("{one}{and}{}", DUTCH_TENS[n as usize / 10])
        }
        100..1_000 => joined(format!("{}honderd", several(n / 100)), "", n % 100, dutch),
        1_000..1_000_000 => joined(
            format!("{}duizend", several(n / 1_000)),
            " ",
            n % 1_000,
            dutch,
        ),
        _ => {
            let (size, name) = match n {
                0..1_000_000_000 => (1_000_000, "miljoen"),
                _ => (1_000_000_000, "miljard"),
            };
            joined(format!("{} {name}", dutch(n / size)), " ", n % size, dutch)
        }
    }
}

pub(super) fn dutch_ordinal(n: u64) -> String {
    let words = dutch(n);
    match n % 100 {
        1 => format!("{}eerste", words.strip_suffix("een").unwrap_or_default()),
        3 => format!("{}derde", words.strip_suffix("drie").unwrap_or_default()),
        8 => format!("{words}ste"),
        2 | 4..=7 | 9..=19 => format!("{words}de"),
        _ => format!("{words}ste"),
    }
}
