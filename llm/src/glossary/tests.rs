//! Phrases exchanged whole and in pieces, both ways, and tables with mistakes.
#![allow(clippy::unwrap_used)]
use voiced_core::{
    interpret::prompt::{Exchange, Marks},
    turn::Message,
};

use super::*;

fn tag(tag: &str) -> Language {
    Language::parse(tag).unwrap()
}

fn american() -> Arc<Direction> {
    let glossary = Glossary::built_in();
    glossary
        .direction(Some(&tag("en-GB")), &tag("en-US"))
        .unwrap()
        .clone()
}

fn whole(text: &str) -> String {
    american().translate(text, true).join(" ")
}

#[test]
fn phrases_are_exchanged_and_all_else_stays() {
    assert_eq!(
        whole("The lift is next to the car park, isn't it?"),
        "The elevator is next to the parking lot, isn't it?"
    );
    assert_eq!(
        whole("Petrol! And a petrol station."),
        "Gas! And a gas station."
    );
    assert_eq!(whole("The flat, please"), "The apartment, please");
    // No phrase goes across a mark.
    assert_eq!(whole("my car, park it"), "my car, park it");
    assert_eq!(whole("qué pasa"), "qué pasa");
}

#[test]
fn both_ways_differ_where_the_table_says_so() {
    let glossary = Glossary::built_in();
    let british = glossary
        .direction(Some(&tag("en-US")), &tag("en-GB"))
        .unwrap();
    assert_eq!(
        british.translate("on the second floor", true).join(" "),
        "on the second floor"
    );
    assert_eq!(whole("on the first floor"), "on the second floor");
    assert!(
        glossary
            .direction(Some(&tag("fr")), &tag("en-US"))
            .is_none()
    );
    assert!(glossary.direction(None, &tag("en-US")).is_some());
    assert!(
        glossary
            .direction(Some(&tag("en-US")), &tag("en-US"))
            .is_none()
    );
}

/// Asks for a text cut into pieces, as an interpreter does.
fn in_pieces(pieces: &[&str]) -> String {
    let direction = american();
    let mut exchanges = Vec::new();
    let mut said = Vec::new();
    for (n, text) in pieces.iter().enumerate() {
        let marks = Marks {
            is_pause: n + 1 == pieces.len(),
            be_brief: false,
        };
        let piece = prompt::piece(text, marks);
        let asked = prompt::prompt(None, &tag("en-US"), &exchanges, &piece, 3);
        let answer = direction.answer(&asked);
        if !prompt::is_nothing(&answer) {
            said.push(answer.clone());
        }
        exchanges.push(Exchange { piece, answer });
    }
    said.join(" ")
}

#[test]
fn it_does_not_matter_where_the_speaker_was_cut() {
    let whole = whole("turn left at the car park and take the lift");
    for pieces in [
        &["turn left at the car", "park and take the", "lift"][..],
        &["turn left at the car park and take the lift", ""],
        &["turn", "left at", "the", "car", "park", "and take the lift"],
    ] {
        assert_eq!(in_pieces(pieces), whole, "{pieces:?}");
    }
    assert_eq!(in_pieces(&["it is my car", ""]), "it is my car");
}

#[test]
fn a_new_utterance_knows_nothing_of_the_last_one() {
    let exchanges = [Exchange {
        piece: "my car [pause]".into(),
        answer: "my car".into(),
    }];
    let asked = prompt::prompt(None, &tag("en-US"), &exchanges, "park it [pause]", 2);
    assert_eq!(american().answer(&asked), "park it");
    let nothing = Prompt {
        messages: vec![Message::new(Role::System, "x")],
        ..Prompt::default()
    };
    assert_eq!(american().answer(&nothing), NOTHING);
}

#[test]
fn every_mistake_in_a_table_is_told_with_its_line() {
    let text = "between = [\"en-GB\", \"english\"]\nspeed = 3\npairs = [\n\"a = b\",\n\"lift\",\n\
                \"a = c\",\n]\n";
    let mistakes = Glossary::parse("t.toml", text).unwrap_err().to_string();
    for wanted in [
        "t.toml:1:",
        "t.toml:2:",
        "t.toml:5:",
        "t.toml:6:",
        "twice",
        "no pair",
    ] {
        assert!(mistakes.contains(wanted), "{wanted} in {mistakes}");
    }
    let none = Glossary::parse("t.toml", "between = [\"en\"]").unwrap_err();
    assert_eq!(none.0.len(), 1, "{none}");
}
