//! Turns as people speak them: what is whole, what hangs in the air, what waits for another group.
use super::*;

/// Where an answer must lie.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The turn is taken at once: 0.6 or more.
    Yes,
    /// It is waited for: less than 0.6.
    Wait,
    /// It is certainly waited for: less than 0.3.
    No,
}
use End::{No, Wait, Yes};

/// Whether the answer lies there; says so if not.
fn fits(question: &str, words: &str, end: End) -> bool {
    let likely = WordTurns.end_of_turn(TurnContext { words, question });
    let right = match end {
        Yes => (0.6..=1.0).contains(&likely),
        Wait => (0.0..0.6).contains(&likely),
        No => (0.0..0.3).contains(&likely),
    };
    if !right {
        println!("{words:?} after {question:?}: {likely}, wanted {end:?}");
    }
    right
}

/// All of a table at once, so that one run shows everything that is wrong.
fn check<'a>(table: impl IntoIterator<Item = (&'a str, &'a str, End)>) {
    let wrong = |(question, words, end): &(&str, &str, End)| !fits(question, words, *end);
    assert_eq!(table.into_iter().filter(wrong).count(), 0);
}

#[test]
fn english_sentences() {
    let table = [
        ("", No),
        ("um", No),
        ("uh um", No),
        ("hello", Yes),
        ("yes", Yes),
        ("no thank you", Yes),
        ("thank you very much", Yes),
        ("stop", Yes),
        ("what time is it", Yes),
        ("where is my order", Yes),
        ("can you help me please", Yes),
        ("can you help me", Yes),
        ("how are you doing today", Yes),
        ("where are you from", Yes),
        ("what is it for", Yes),
        ("who are you", Yes),
        ("i would like to talk to a person", Yes),
        ("i would like to change my appointment to next tuesday", Yes),
        ("turn the light on", Yes),
        ("tell me a story about the sea", Yes),
        ("please hang up now", Yes),
        ("wait a minute", Yes),
        ("i think so", Yes),
        ("i don't know", Yes),
        ("could you repeat that more slowly", Yes),
        ("i want to", Yes),
        ("and", No),
        ("i would like to order a pizza and", No),
        ("i am calling because", No),
        ("my name is", No),
        ("i'm looking for", No),
        ("i would like", Wait),
        ("i need", Wait),
        ("the", No),
        ("i want to talk to the", No),
        ("what is the", No),
        ("it's about my", No),
        ("i was wondering if", No),
        ("so um", No),
        ("i think that", No),
        ("let me see", Yes),
        ("on", Wait),
        ("what", Wait),
        ("pizza", Wait),
        ("j o h n", Wait),
    ];
    check(table.map(|(words, end)| ("", words, end)));
}

#[test]
fn marks_of_other_recognisers() {
    let table = [
        ("What time is it?", Yes),
        ("I see.", Yes),
        ("Great!", Yes),
        ("I would like to,", No),
        ("Well...", No),
        ("My order is –", No),
        ("And?", Yes),
        ("I’m calling because", No),
        ("Ja, genau.", Yes),
        ("¿Qué hora es?", Yes),
    ];
    check(table.map(|(words, end)| ("", words, end)));
}

#[test]
fn answers_to_questions() {
    check([
        ("Shall I book it?", "yes please", Yes),
        ("Shall I book it?", "sure", Yes),
        ("Which colour would you like?", "blue", Yes),
        ("When shall we come?", "next tuesday", Yes),
        ("When shall we come?", "next tuesday or", No),
        ("What is your name?", "john smith", Yes),
        ("What is your name?", "my name is", No),
    ]);
}

#[test]
fn numbers_come_in_groups() {
    let phone = "What is your phone number?";
    let order = "What is your order number?";
    let four = "Please tell me the last four digits of your card.";
    check([
        (phone, "five five five", No),
        (phone, "it's five five five one two", No),
        (phone, "five five five one two three four", Wait),
        (phone, "two one two five five five one two three four", Yes),
        (phone, "2125551234", Yes),
        (phone, "212 555", No),
        (phone, "double five one two", No),
        (order, "four two", No),
        (order, "four two seven one", Wait),
        (order, "four two seven one nine three eight", Yes),
        (order, "i don't have it", Yes),
        (four, "four two", No),
        (four, "four two seven one", Yes),
        ("Your 6-digit code?", "12 34", No),
        ("Your 6-digit code?", "12 34 56", Yes),
        ("What is your zip code?", "nine four one", No),
        ("What is your zip code?", "nine four one one zero", Yes),
        ("", "my number is five five", No),
        ("", "what is twelve plus thirty four", Yes),
        ("Wie lautet Ihre Telefonnummer?", "null eins sieben", No),
        (
            "Wie lautet Ihre Postleitzahl?",
            "acht null drei drei eins",
            Yes,
        ),
        ("Quel est votre numéro de téléphone ?", "zéro six douze", No),
        ("¿Cuál es su número de teléfono?", "seis cinco cuatro", No),
    ]);
}

#[test]
fn mail_addresses_have_an_end() {
    let mail = "What is your e-mail address?";
    let table = [
        ("john", No),
        ("john dot smith", No),
        ("john dot smith at", No),
        ("john dot smith at gmail", No),
        ("john dot smith at gmail dot", No),
        ("john dot smith at gmail dot com", Yes),
        ("john.smith@gmail", No),
        ("John.Smith@gmail.com", Yes),
        ("i don't have one", Yes),
    ];
    check(table.map(|(words, end)| (mail, words, end)));
}

#[test]
fn french_german_and_spanish() {
    let table = [
        ("oui", Yes),
        ("oui merci", Yes),
        ("quelle heure est-il", Yes),
        ("je voudrais parler à quelqu'un s'il vous plaît", Yes),
        ("je voudrais", Wait),
        ("je m'appelle", No),
        ("c'est pour", No),
        ("je voudrais un café et", No),
        ("parce que", No),
        ("euh", No),
        ("où est la gare", Yes),
        ("ja bitte", Yes),
        ("nein danke", Yes),
        ("wie spät ist es", Yes),
        ("ich möchte einen termin", Yes),
        ("mach bitte das licht aus", Yes),
        ("ich möchte", Wait),
        ("ich möchte einen", No),
        ("ich rufe an weil", No),
        ("mein name ist", No),
        ("ähm ich", No),
        ("kann ich morgen kommen", Yes),
        ("sí gracias", Yes),
        ("qué hora es", Yes),
        ("quiero hablar con una persona por favor", Yes),
        ("me llamo", No),
        ("quiero un café y", No),
        ("quisiera", Wait),
        ("dónde está mi pedido", Yes),
        ("pues", No),
    ];
    check(table.map(|(words, end)| ("", words, end)));
}

#[test]
fn any_words_give_a_probability() {
    for words in [
        "\0",
        "@",
        "@@@ . @",
        "...",
        "????",
        "12345678901234567890",
        "世界",
        "a\u{300}",
    ] {
        for question in [
            "",
            "digits",
            "-digit number e-mail",
            "0 digits",
            "99999999999999999999 digits",
        ] {
            let likely = WordTurns.end_of_turn(TurnContext { words, question });
            assert!((0.0..=1.0).contains(&likely));
        }
    }
}
