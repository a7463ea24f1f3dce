//! What was heard of a reply, and what the model is given of a call.
use super::*;

fn message(role: Role, text: &str) -> Content {
    Content::Message {
        role,
        text: text.into(),
        spoken: None,
        images: Vec::new(),
    }
}

fn ledger(text: &str, marks: &[(u64, usize)]) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.write(text);
    for (samples, end) in marks {
        ledger.mark(*samples, *end);
    }
    ledger
}

#[track_caller]
fn heard(ledger: &Ledger, samples: u64) -> &str {
    &ledger.written()[..ledger.heard(samples)]
}

#[test]
fn a_reply_is_heard_word_by_word() {
    let ledger = ledger("One two three. Four five.", &[(24_000, 14), (48_000, 25)]);
    assert_eq!(heard(&ledger, 0), "");
    assert_eq!(heard(&ledger, 12_000), "One");
    assert_eq!(heard(&ledger, 24_000), "One two three.");
    assert_eq!(heard(&ledger, 47_000), "One two three. Four");
    assert_eq!(heard(&ledger, 48_000), "One two three. Four five.");
    assert_eq!(heard(&ledger, 1 << 40), "One two three. Four five.");
}

#[test]
fn a_line_of_unknown_length_is_estimated() {
    let ledger = ledger("One two three four five six seven eight nine ten", &[]);
    assert_eq!(
        heard(&ledger, 24_000),
        "One two three",
        "14 characters a second"
    );
}

#[test]
fn cuts_fall_between_characters() {
    let ledger = ledger("été à Âgé déjà vu", &[(100, 22)]);
    for samples in 0..120 {
        let _ = heard(&ledger, samples);
    }
}

#[test]
fn marks_that_go_back_are_ignored() {
    let ledger = ledger("One two", &[(100, 3), (50, 7), (200, 7)]);
    assert_eq!(heard(&ledger, 100), "One");
}

#[test]
fn truncation_forgets_what_was_not_heard() {
    let mut history = History::default();
    history.push(
        "a".into(),
        Content::Message {
            role: Role::Assistant,
            text: "One two three.".into(),
            spoken: Some(ledger("One two three.", &[(24_000, 14)])),
            images: Vec::new(),
        },
    );
    history.push("b".into(), message(Role::User, "hello"));
    let half = Duration::from_millis(500);
    assert_eq!(history.truncate(&"a".into(), half), Ok(()));
    assert_eq!(history.last_said(), "One");
    assert_eq!(
        history.truncate(&"b".into(), half),
        Err(HistoryError::NotSpoken)
    );
    assert_eq!(
        history.truncate(&"c".into(), half),
        Err(HistoryError::NoSuchItem)
    );
}

#[test]
fn the_model_sees_one_message_per_speaker_and_no_open_calls() {
    let mut history = History::default();
    let call = ToolCall {
        id: "call_1".into(),
        name: "time".into(),
        arguments: "{}".into(),
    };
    history.push("1".into(), message(Role::User, "what time"));
    history.push("2".into(), message(Role::User, "is it"));
    history.push("3".into(), Content::Call(call));
    let messages = history.messages("Be kind.", 1_000);
    let roles: Vec<Role> = messages.iter().map(|m| m.role).collect();
    assert_eq!(
        roles,
        [Role::System, Role::User, Role::Assistant, Role::Tool]
    );
    assert_eq!(messages[1].text, "what time is it");
    assert_eq!(messages[3].text, "(no result yet)");
}

#[test]
fn the_oldest_items_go_first_and_take_their_answers_with_them() {
    let mut history = History::default();
    let call = ToolCall {
        id: "call_1".into(),
        name: "time".into(),
        arguments: "{\"zone\":\"UTC\"}".into(),
    };
    history.push("1".into(), Content::Call(call));
    history.push(
        "2".into(),
        Content::Answer {
            call: "call_1".into(),
            output: "noon".into(),
        },
    );
    history.push("3".into(), message(Role::User, "thanks"));
    assert_eq!(history.messages("", 1_000).len(), 3);
    let short = history.messages("", 12);
    assert_eq!(short.len(), 1, "an answer without its call is not sent");
    assert_eq!(
        history.messages("", 0).len(),
        1,
        "the newest item always is"
    );
}

#[test]
fn items_go_where_they_are_put() {
    let mut history = History::default();
    let hello = || message(Role::User, "hello");
    assert_eq!(history.insert("b".into(), &Place::End, hello()), Ok(None));
    assert_eq!(history.insert("a".into(), &Place::Start, hello()), Ok(None));
    assert_eq!(
        history.insert("c".into(), &Place::After("a".into()), hello()),
        Ok(Some("a".into()))
    );
    assert_eq!(
        history.insert("c".into(), &Place::End, hello()),
        Err(HistoryError::Duplicate)
    );
    assert_eq!(
        history.insert("d".into(), &Place::After("x".into()), hello()),
        Err(HistoryError::NoSuchItem)
    );
    let order: Vec<&str> = history.items().iter().map(|item| &*item.id.0).collect();
    assert_eq!(order, ["a", "c", "b"]);
}

#[test]
fn an_answer_that_came_before_its_call_stands_behind_it() {
    let mut history = History::default();
    let id = |name: &str| ItemId::from(name);
    let answer = Content::Answer {
        call: "c1".into(),
        output: "drizzle".into(),
    };
    history.insert(id("answer"), &Place::End, answer).unwrap();
    let call = ToolCall {
        id: "c1".into(),
        name: "get_weather".into(),
        arguments: "{}".into(),
    };
    history.push(id("call"), Content::Call(call));
    let order: Vec<&str> = history.items().iter().map(|item| &*item.id.0).collect();
    assert_eq!(order, ["call", "answer"]);
}
