//! What is written and what is said, as a table; and what must hold for any line.
use super::*;

fn said(line: &str) -> String {
    let clauses = clauses(line).expect("speakable");
    let texts: Vec<String> = clauses.into_iter().map(|clause| clause.text).collect();
    texts.join(" ").trim().to_owned()
}

#[test]
fn what_is_said_for_what_is_written() {
    for (written, spoken) in [
        ("Hello, how are you?", "Hello, how are you?"),
        ("It's **really** _very_ `good`.", "It's really very good."),
        ("## Opening hours", "Opening hours"),
        ("- milk\n- eggs", "milk, eggs"),
        ("> quoted", "quoted"),
        (
            "See [the manual](https://example.com/a/b?c=d).",
            "See the manual.",
        ),
        ("![a cat](cat.png) here", "a cat here"),
        ("<speak>Hi <break time=\"1s\"/>there</speak>", "Hi there"),
        ("3 < 4 and 5 > 4", "3 less than 4 and 5 greater than 4"),
        (
            "Visit https://www.example.com/docs/.",
            "Visit example dot com slash docs.",
        ),
        (
            "https://example.org/a/very/long/path/that/nobody/will/remember",
            "example dot org",
        ),
        ("example.com, please", "example dot com, please"),
        (
            "Write to bob_lee@example.co.uk!",
            "Write to bob underscore lee at example dot co dot uk!",
        ),
        ("Great 🎉👍🏽 news ❤️", "Great news"),
        (
            "“Smart” ‘quotes’ and it’s fine",
            "Smart quotes and it's fine",
        ),
        ("Well — maybe … yes", "Well, maybe, yes"),
        (
            "It costs $3.50, €5.20 or £7.",
            "It costs $3.50, 5.20 euros or 7 pounds.",
        ),
        ("20% of 5 & 6 = 1 + 1", "20% of 5 and 6 equals 1 plus 1"),
        ("21°C", "21 degrees C"),
        ("10–12 or 3 × 4", "10 to 12 or 3 times 4"),
        ("-5 degrees", "-5 degrees"),
        (
            "Call +1-555-123-4567 #5",
            "Call plus 1-555-123-4567 number 5",
        ),
        ("on 12/31/2026", "on 12 31 2026"),
        ("yes/no", "yes or no"),
        (
            "fruit, e.g. apples, etc.",
            "fruit, for example apples, et cetera",
        ),
        ("Our API and the USA", "Our A.P.I and the U.S.A"),
        (
            "Crème brûlée for Jürgen Weiß",
            "Creme brulee for Jurgen Weiss",
        ),
        ("¿Qué tal? ¡Bien!", "Que tal? Bien!"),
        ("snake_case and 2*3", "snake case and 2 times 3"),
        ("(maybe) \"so\"", "maybe, so"),
        ("well-known co-op", "well-known co-op"),
        ("wait... what?!", "wait. what?"),
        ("Hello 世界", "Hello"),
        ("tab\tnew\u{0}\u{7}line\r\n", "tab newline"),
        ("a | b | c", "a, b, c"),
    ] {
        assert_eq!(said(written), spoken, "{written:?}");
    }
}

#[test]
fn nothing_to_say_is_silence_and_a_foreign_script_is_a_refusal() {
    for line in [
        "",
        "   ",
        "🎉",
        "...",
        "?!",
        "**",
        "---",
        "\u{200d}\u{fe0f}",
        "\n",
    ] {
        assert_eq!(clauses(line), Ok(vec![]), "{line:?}");
    }
    for line in ["你好", "Привет, мир", "مرحبا", "שלום"] {
        assert_eq!(clauses(line), Err(Unspeakable), "{line:?}");
    }
}

#[test]
fn long_lines_are_cut_where_one_breathes() {
    let line = "This is the first part of it, and it goes on for quite a while, as people do \
                when they are in love with their own voice, until at last it ends. Then more.";
    let clauses = clauses(line).expect("speakable");
    assert!(clauses.len() >= 2);
    assert!(clauses[0].text.len() <= FIRST_CLAUSE);
    assert!(clauses[0].text.ends_with(','), "{:?}", clauses[0].text);
    for clause in &clauses {
        assert!(clause.text.len() <= CLAUSE);
    }
}

#[test]
fn a_word_without_end_is_cut() {
    let clauses = clauses(&"a".repeat(10_000)).expect("speakable");
    let words = clauses.iter().flat_map(|clause| clause.text.split(' '));
    assert!(words.clone().all(|word| word.len() <= WORD));
    assert_eq!(words.map(str::len).sum::<usize>(), 10_000);
}

#[test]
fn bytes_know_where_they_come_from() {
    let line = "**Größe**: 5 € — see https://example.com/x now";
    let clauses = clauses(line).expect("speakable");
    let clause = &clauses[0];
    assert_eq!(
        clause.text,
        "Grosse: 5 euros, see example dot com slash x now"
    );
    for (spoken, written) in [
        ("Grosse:", "**Größe**:"),
        ("Grosse: 5 euros,", "**Größe**: 5 € —"),
        ("Grosse: 5 euros, see ", "**Größe**: 5 € — see"),
        (
            "Grosse: 5 euros, see example dot com slash x ",
            "**Größe**: 5 € — see https://example.com/x",
        ),
    ] {
        assert_eq!(&line[..clause.line_end(spoken.len())], written);
    }
    assert_eq!(clause.line_end(clause.text.len() + 9), line.len());
}

#[test]
fn any_line_gives_plain_bounded_clauses() {
    // A line of everything: each plane's characters, marks and controls in a row.
    let all: Vec<char> = (0..0x3_0000)
        .step_by(7)
        .filter_map(char::from_u32)
        .collect();
    for part in all.chunks(60) {
        let line: String = part.iter().flat_map(|c| ['b', *c, '1', *c, ' ']).collect();
        for clause in clauses(&line).expect("it has letters") {
            assert!(clause.text.is_ascii());
            assert!(!clause.text.bytes().any(|b| b.is_ascii_control()));
            assert!(clause.text.len() <= CLAUSE);
            for spoken in 0..=clause.text.len() {
                assert!(line.is_char_boundary(clause.line_end(spoken)));
            }
        }
    }
}
