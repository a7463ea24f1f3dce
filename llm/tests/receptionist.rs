//! The example persona understands what people say to it, also as the embedded recogniser hears
//! it, and says so when it does not understand.
#![allow(clippy::unwrap_used)]
use voiced_core::{
    engine::Prompt,
    turn::{Message, Role, ToolRuns, ToolSpec},
};
use voiced_llm::{
    scripted::{Answer, Script, answer},
    strict,
};

const TOOLS: [&str; 6] = [
    "current_time",
    "current_date",
    "calculate",
    "look_up_order",
    "transfer",
    "hang_up",
];

fn script(persona: &str) -> Script {
    let path = format!(
        "{}/../configs/personas/{persona}.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap();
    let read = strict::parse(&path, &text, |persona, findings| {
        let script = persona.table("script", findings).unwrap();
        // The rest of the file is the daemon's to check.
        for key in persona.keys() {
            let _ = match key.value.as_str() {
                "tools" => persona.texts("tools", findings).len(),
                "order" | "transfer" => persona.tables(&key.value, findings).len(),
                "script" => 0,
                key => persona.text(key, findings).map_or(0, |_| 1),
            };
        }
        Script::read(script, "Vera", findings)
    });
    read.unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn prompt(messages: Vec<Message>) -> Prompt {
    let spec = |name: &str| ToolSpec {
        name: name.into(),
        description: String::new(),
        parameters: "{}".into(),
        runs: ToolRuns::Here,
    };
    Prompt {
        messages,
        tools: TOOLS.map(spec).into(),
        ..Prompt::default()
    }
}

fn ask(script: &Script, said: &str) -> Answer {
    answer(script, &prompt(vec![Message::new(Role::User, said)]))
}

/// What came of a table of `rule | words` lines; `-` is no rule.
#[derive(Default)]
struct Checked {
    n: usize,
    /// Answered by a fallback where a rule was meant: the caller is asked again.
    missed: Vec<String>,
    /// Answered by another rule: the caller is misled.
    mistaken: Vec<String>,
}

fn check(script: &Script, table: &str) -> Checked {
    let mut checked = Checked::default();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let (rule, said) = line.split_once('|').unwrap();
        let (rule, said) = (rule.trim(), said.trim());
        let answered = ask(script, said).rule.unwrap_or_else(|| "-".into());
        checked.n += 1;
        if answered == rule {
            continue;
        }
        let wrong = format!("{said}: {answered} instead of {rule}");
        match answered.as_str() {
            "-" => checked.missed.push(wrong),
            _ => checked.mistaken.push(wrong),
        }
    }
    checked
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_people_say_is_understood() {
    let checked = check(&script("receptionist"), include_str!("said.txt"));
    none(&checked.missed);
    none(&checked.mistaken);
}

#[test]
fn of_what_is_misheard_most_is_understood_and_little_mistaken() {
    let checked = check(&script("receptionist"), include_str!("heard.txt"));
    let (n, missed, mistaken) = (checked.n, checked.missed.len(), checked.mistaken.len());
    let listed = [checked.missed, checked.mistaken].concat().join("\n");
    assert!(missed * 100 <= n * 32, "{missed} of {n} missed:\n{listed}");
    assert!(
        mistaken * 100 <= n * 7,
        "{mistaken} of {n} mistaken:\n{listed}"
    );
}

#[test]
fn other_talk_is_answered_by_a_fallback() {
    let checked = check(&script("receptionist"), include_str!("other.txt"));
    none(&checked.mistaken);
}

#[test]
fn an_order_can_be_asked_for_in_two_steps() {
    let script = script("receptionist");
    let first = ask(&script, "where is my order");
    let then = prompt(vec![
        Message::new(Role::User, "where is my order"),
        Message::new(Role::Assistant, first.text),
        Message::new(Role::User, "four to seven"),
    ]);
    let call = answer(&script, &then).call.unwrap();
    assert_eq!(call.name, "look_up_order");
    assert_eq!(call.arguments, r#"{"number":"427"}"#);
}

#[test]
fn a_story_is_long_enough_to_interrupt() {
    for persona in ["receptionist", "storyteller"] {
        let text = ask(&script(persona), "tell me a long story").text;
        let n_words = text.split_whitespace().count();
        assert!((130..=260).contains(&n_words), "{persona}: {n_words} words");
    }
}

#[test]
fn the_storyteller_tells_on_where_it_was_interrupted() {
    let script = script("storyteller");
    for said in [
        "tell me a story",
        "hello",
        "who are you",
        "goodbye",
        "what is your name",
    ] {
        assert!(ask(&script, said).rule.is_some(), "{said}");
    }
}
