//! Whole personas are read, broken ones told about in full.
#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn the_personas_of_this_build_are_whole() {
    let personas = Persona::built_in();
    let names: Vec<&str> = personas.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["receptionist", "storyteller"]);
    for persona in personas {
        assert!(persona.greeting.is_some() && persona.script.is_some_and(|s| s.len() > 10));
        assert!(persona.instructions.len() > 100);
    }
}

#[test]
fn all_mistakes_are_found_with_their_lines() {
    let text = r#"name = "Vera X"
tools = ["calculate", "fly", "calculate", "transfer", "look_up_order"]
greetings = "hello"

[[order]]
number = 5
item = "x"
"#;
    let found = Persona::parse("p.toml", text, None)
        .unwrap_err()
        .to_string();
    let expected = [
        "p.toml:1: `instructions` is missing",
        "p.toml:1: `name` must be lower-case letters, digits, `-` and `_`",
        "p.toml:2: `calculate` stands here twice",
        "p.toml:2: `look_up_order` needs an [[order]]",
        "p.toml:2: `transfer` needs a [[transfer]] target",
        "p.toml:2: there is no tool `fly`; there are: current_time, current_date, calculate, \
             look_up_order, transfer, hand_off, hang_up",
        "p.toml:3: there is no key `greetings`, is `greeting` meant?",
        "p.toml:5: `order.status` is missing",
        "p.toml:6: `order.number` must be a text, not integer",
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

const SCRIPT: &str = r#"
[script]
fallback = "?"
no_words = "?"
tool_failed = "?"
[[script.rule]]
name = "sum"
hear = "{sum:expression}"
tool = "calculate"
"#;

#[test]
fn a_script_may_only_call_what_the_persona_may() {
    let text = format!("name = 'a'\ninstructions = 'x'\n{SCRIPT}");
    let found = Persona::parse("p.toml", &text, None)
        .unwrap_err()
        .to_string();
    assert_eq!(
        found,
        "p.toml:1: the script calls `calculate`, which `tools` does not allow"
    );
}

#[test]
fn a_folder_is_read_with_its_scripts_and_all_its_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
    };
    write("notes.txt", "not a persona");
    assert!(
        Persona::load_folder(folder.path()).is_err(),
        "an empty folder"
    );
    std::fs::create_dir(folder.path().join("scripts")).unwrap();
    write("scripts/s.toml", SCRIPT);
    let good = "name = 'a'\ninstructions = 'x'\ntools = ['calculate']\nscript = 'scripts/s.toml'";
    write("a.toml", good);
    let personas = Persona::load_folder(folder.path()).unwrap();
    assert_eq!(personas[0].script.as_ref().unwrap().len(), 1);

    write("b.toml", good);
    write("c.toml", "name = 'c'\n");
    write("scripts/s.toml", "[script]\n");
    let found = Persona::load_folder(folder.path()).unwrap_err().to_string();
    for expected in [
        "c.toml:1: `instructions` is missing",
        "s.toml:1: `script.fallback` is missing",
    ] {
        assert!(found.contains(expected), "{found}");
    }
    write("scripts/s.toml", SCRIPT);
    write("c.toml", "name = 'c'\ninstructions = 'x'");
    let found = Persona::load_folder(folder.path()).unwrap_err().to_string();
    assert!(
        found.contains("b.toml: there is another persona `a`"),
        "{found}"
    );
}
