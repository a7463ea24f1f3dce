//! What is said, case by case, and what never happens.
#![allow(clippy::unwrap_used)]
use super::*;

const CASES: &str = include_str!("cases.txt");

fn said(language: Language, text: &str) -> String {
    Normaliser::default().speakable(text, language).text
}

#[test]
fn the_table_of_cases() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for line in CASES.lines().filter(|l| !l.starts_with('#')) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [code, text, want] = cells.as_slice() else {
            panic!("{line:?} is no case");
        };
        let got = said(Language::from_code(code).unwrap(), text);
        count += 1;
        if got != *want {
            wrong.push(format!("{code}: {text:?} is said {got:?} and not {want:?}"));
        }
    }
    assert!(count >= 400, "{count} cases");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

const ALL: [Language; 9] = [
    Language::En,
    Language::Fr,
    Language::Es,
    Language::De,
    Language::It,
    Language::Pt,
    Language::Nl,
    Language::Ar,
    Language::Hi,
];

#[test]
fn numbers_differ_and_are_letters_alone() {
    for language in ALL {
        let mut seen = std::collections::HashMap::new();
        for n in (0..2000).chain((2000..1_200_000).step_by(9_973)) {
            let words = number::cardinal(language, n);
            assert!(!words.contains("  ") && words.trim() == words, "{words:?}");
            assert!(!words.chars().any(|c| c.is_ascii_digit()), "{words:?}");
            if let Some(other) = seen.insert(words.clone(), n) {
                panic!("{language:?}: {n} and {other} are both {words:?}");
            }
        }
    }
}

#[test]
fn every_word_knows_where_it_ends_in_the_source() {
    let text = "It costs $5 million, call +1 415 555 2671 — or 🎤 write “today”.";
    let spoken = Normaliser::default().speakable(text, Language::En);
    let ends: Vec<&str> = spoken.marks.iter().map(|m| &text[..m.source]).collect();
    assert!(ends[2].ends_with("million,"), "{ends:?}");
    assert!(spoken.text[..spoken.marks[2].spoken].ends_with("five million dollars,"));
    assert!(ends.iter().any(|e| e.ends_with("2671")), "{ends:?}");
    assert_eq!(*ends.last().unwrap(), text);
    assert!(
        spoken
            .marks
            .is_sorted_by(|a, b| a.spoken < b.spoken && a.source <= b.source)
    );
}

#[test]
fn a_user_s_pronunciations_come_first() {
    let list = "# ours\nvoiced = voist\nSQL = sequel\n\n3M = three em\n";
    let normaliser = Normaliser::with_pronunciations(list).unwrap();
    let spoken = normaliser.speakable("Voiced speaks (sql), 3M.", Language::En);
    assert_eq!(spoken.text, "voist speaks (sequel), three em.");
    for (list, line) in [("a b", 1), ("x = y\n = z", 2), ("two words = one", 1)] {
        let refused = Normaliser::with_pronunciations(list).unwrap_err();
        assert!(refused.starts_with(&format!("line {line}:")), "{refused}");
    }
}

#[test]
fn verbatim_changes_nothing_but_spaces() {
    let spoken = Normaliser::verbatim().speakable(" **5**  € \n", Language::En);
    assert_eq!(spoken.text, "**5** €");
}

#[test]
fn code_is_not_read_out() {
    let text = "Run this:\n```sh\nrm -rf /\n```\n- first\n- second\nDone.";
    assert_eq!(said(Language::En, text), "Run this: first. second. Done.");
}

#[test]
fn anything_goes_through_without_a_panic() {
    let mut state = 1u64;
    let pieces = [
        "1",
        "9999999999999999999999",
        ".",
        ",",
        "-",
        "+",
        "€",
        "$",
        "%",
        ":",
        "/",
        "@",
        "h",
        "1er",
        "ª",
        " ",
        "\n",
        "[",
        "](",
        ")",
        "#",
        "*",
        "_",
        "🎤",
        "é",
        "٣",
        "९",
        "\u{200d}",
        "km",
        "0",
        "12:60",
        "31.02.2024",
        "½",
        "1/2",
        "٣/٤",
        "www.",
        "a@b",
        "'",
        "°",
        "Mio.",
        "–",
    ];
    for _ in 0..4000 {
        let mut text = String::new();
        for _ in 0..8 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
        }
        for language in ALL {
            let spoken = Normaliser::default().speakable(&text, language);
            let last = spoken.marks.last().map_or(0, |m| m.spoken);
            assert_eq!(last, spoken.text.len());
            assert!(spoken.marks.iter().all(|m| text.is_char_boundary(m.source)));
        }
    }
}
