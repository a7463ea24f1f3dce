//! Every kind of mistake is found, together, on its line.
#![allow(clippy::unwrap_used)]
use super::*;

fn read(text: &str) -> Result<Option<String>, Mistakes> {
    parse("f.toml", text, |table, findings| {
        let name = table.required_text("name", findings);
        table.number("speed", 0.5..=2.0, findings);
        table.flag("loud", findings);
        table.texts("says", findings);
        for mut rule in table.tables("rule", findings) {
            rule.required_text("hear", findings);
            rule.finish(findings);
        }
        name.map(|name| name.value)
    })
}

#[test]
fn a_sound_file_is_read() {
    let text = "name = 'a'\nspeed = 1\nloud = true\nsays = 'one'\n[[rule]]\nhear = 'x'\n";
    assert_eq!(read(text).unwrap().as_deref(), Some("a"));
}

#[test]
fn all_mistakes_come_at_once_with_their_lines() {
    let text = "nam = 'a'\nspeed = 3\nloud = 1\nsays = ['', 2]\n\n[[rule]]\nheer = 'x'\n";
    let found = read(text).unwrap_err().to_string();
    let expected = [
        "f.toml:1: `name` is missing",
        "f.toml:1: there is no key `nam`, is `name` meant?",
        "f.toml:2: `speed` must be between 0.5 and 2, not 3",
        "f.toml:3: `loud` must be true or false, not integer",
        "f.toml:4: `says` must be a list of texts, not integer",
        "f.toml:4: `says` must not hold an empty text",
        "f.toml:6: `rule.hear` is missing",
        "f.toml:7: there is no key `rule.heer`, is `hear` meant?",
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn errors_of_form_do_not_hide_errors_of_content() {
    let found = read("name = \nspeed = 9\n").unwrap_err().0;
    assert!(found.iter().any(|m| m.line == 1), "{found:?}");
    assert!(found.iter().any(|m| m.line == 2), "{found:?}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let found = read_file(Path::new("no/such.toml")).unwrap_err();
    assert!(
        found
            .to_string()
            .starts_with("no/such.toml: cannot be read")
    );
}
