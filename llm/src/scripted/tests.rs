//! The responder as a call meets it: prompts in, pieces out; and the mistakes of a script.
#![allow(clippy::unwrap_used)]
use voiced_core::{
    engine::{ReplyEnd, ToolChoice},
    turn::{Message, Role, ToolCall, ToolRuns, ToolSpec},
};

use super::*;

const SCRIPT: &str = r#"
[script]
fallback = ["Pardon?", "I still do not follow."]
no_words = ["I am listening."]
tool_failed = ["That did not work."]

[script.words]
hello = ["hello", "good morning"]

[[script.rule]]
name = "hello"
hear = ["@hello [there]"]
say = ["Hello, I am {self}.", "Hello again."]

[[script.rule]]
name = "time"
hear = ["what time is it"]
tool = "current_time"
before = ["Let me look."]
say = ["It is {result.spoken}."]
failed = ["My clock stopped: {result.error}"]

[[script.rule]]
name = "joke"
hear = ["tell me a joke"]
say = ["Knock, knock."]

[[script.rule]]
name = "who_is_there"
hear = ["who is there"]
after = ["joke", "who_is_there"]
say = ["The interrupting cow."]

[[script.rule]]
name = "again"
hear = ["say that again"]
say = ["I said: {last}"]

[[script.rule]]
name = "sum"
hear = ["what is {sum:expression}"]
tool = "calculate"
arguments = { expression = "{sum}" }
say = ["That is {result.spoken}."]

[[script.rule]]
name = "bye"
hear = ["good bye"]
tool = "hang_up"
before = ["Bye."]
"#;

fn script() -> Script {
    Script::parse("test.toml", SCRIPT, "Vera").unwrap()
}

fn spec(name: &str, runs: ToolRuns) -> ToolSpec {
    ToolSpec {
        name: name.into(),
        description: String::new(),
        parameters:
            r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#
                .into(),
        runs,
    }
}

/// `u:` the caller, `a:` the agent, `s:` instructions.
fn prompt(lines: &[&str]) -> Prompt {
    let messages = lines.iter().map(|line| {
        let (role, text) = line.split_once(": ").unwrap();
        let role = match role {
            "u" => Role::User,
            "a" => Role::Assistant,
            _ => Role::System,
        };
        Message::new(role, text)
    });
    Prompt {
        messages: messages.collect(),
        tools: ["current_time", "calculate", "hang_up"]
            .map(|name| spec(name, ToolRuns::Here))
            .into(),
        ..Prompt::default()
    }
}

fn say(lines: &[&str]) -> String {
    answer(&script(), &prompt(lines)).text
}

/// The prompt after its call was answered.
fn returned(mut prompt: Prompt, call: &ToolCall, output: &str) -> Prompt {
    prompt.messages.push(Message {
        tool_calls: vec![call.clone()],
        ..Message::new(Role::Assistant, "")
    });
    prompt.messages.push(Message {
        answers: Some(call.id.clone()),
        ..Message::new(Role::Tool, output)
    });
    prompt
}

#[test]
fn the_best_rule_answers() {
    assert_eq!(say(&["s: be kind", "u: Hello there!"]), "Hello, I am Vera.");
    assert_eq!(say(&["u: tell me a choke"]), "Knock, knock.");
    assert_eq!(say(&["u: purple monkey dishwasher"]), "Pardon?");
}

#[test]
fn consecutive_messages_of_the_caller_are_one() {
    assert_eq!(say(&["u: tell me", "u: a joke"]), "Knock, knock.");
}

#[test]
fn answers_take_turns_and_do_not_repeat_themselves() {
    let again = ["u: hello", "a: Hello, I am Vera.", "u: hello"];
    assert_eq!(say(&again), "Hello again.");
    let later = [
        "u: hello",
        "a: Hello, I am",
        "u: xyzzy",
        "a: Pardon?",
        "u: hello",
    ];
    assert_eq!(say(&later), "Hello again.", "cut short counts as said");
}

#[test]
fn a_second_misunderstanding_is_answered_differently() {
    let twice = ["u: qwertz", "a: Pardon?", "u: uiop asdf"];
    assert_eq!(say(&twice), "I still do not follow.");
    let between = [
        "u: qwertz",
        "a: Pardon?",
        "u: hello",
        "a: Hello again.",
        "u: uiop",
    ];
    assert_eq!(say(&between), "Pardon?");
}

#[test]
fn a_follow_up_needs_its_rule_before_it() {
    assert_eq!(say(&["u: who is there"]), "Pardon?");
    let other = ["u: hello", "a: Hello, I am Vera.", "u: who is there"];
    assert_eq!(say(&other), "Pardon?");
    let after = ["u: tell me a joke", "a: Knock, knock.", "u: who's there?"];
    assert_eq!(say(&after), "The interrupting cow.");
    let chain = [
        "u: tell me a joke",
        "a: Knock, knock.",
        "u: who is there",
        "a: The interrupting cow.",
        "u: who is there",
    ];
    assert_eq!(say(&chain), "The interrupting cow.");
}

#[test]
fn the_last_reply_can_be_repeated() {
    let script = ["a: Welcome.", "u: say that again"];
    assert_eq!(say(&script), "I said: Welcome.");
}

#[test]
fn a_rule_calls_its_tool_and_words_the_result() {
    let asked = prompt(&["u: what is to plus thirty"]);
    let first = answer(&script(), &asked);
    let call = first.call.unwrap();
    assert_eq!((first.text.as_str(), call.name.as_str()), ("", "calculate"));
    assert_eq!(call.arguments, r#"{"expression":"two plus thirty"}"#);

    let then = returned(asked.clone(), &call, r#"{"spoken":"thirty-two"}"#);
    let second = answer(&script(), &then);
    assert_eq!(second.text, "That is thirty-two.");
    assert_eq!(second.call, None);

    let failed = returned(asked, &call, r#"{"error":"too large"}"#);
    assert_eq!(answer(&script(), &failed).text, "That did not work.");
}

#[test]
fn a_failed_tool_is_told_in_the_rules_own_words() {
    let asked = prompt(&["u: what time is it"]);
    let first = answer(&script(), &asked);
    assert_eq!(first.text, "Let me look.");
    let failed = returned(asked, &first.call.unwrap(), r#"{"error":"no zone"}"#);
    assert_eq!(answer(&script(), &failed).text, "My clock stopped: no zone");
}

#[test]
fn a_tool_that_may_not_be_called_is_not() {
    let mut without = prompt(&["u: what time is it"]);
    without.tools.clear();
    let mut forbidden = prompt(&["u: what time is it"]);
    forbidden.tool_choice = ToolChoice::None;
    for prompt in [without, forbidden] {
        let answer = answer(&script(), &prompt);
        assert_eq!(answer.call, None);
        assert_eq!(answer.text, "My clock stopped: I may not do that here");
    }
}

#[test]
fn after_hanging_up_nothing_is_said() {
    let asked = prompt(&["u: Goodbye!"]);
    let first = answer(&script(), &asked);
    assert_eq!(first.text, "Bye.");
    let then = returned(asked, &first.call.unwrap(), r#"{"done":true}"#);
    assert_eq!(answer(&script(), &then).text, "");
}

#[test]
fn a_clients_tool_is_called_when_its_name_is_said_or_it_must_be() {
    let mut asked = prompt(&["u: how is the weather in Paris"]);
    asked.tools.push(spec("get_weather", ToolRuns::AtClient));
    let call = answer(&script(), &asked).call.unwrap();
    assert_eq!(call.name, "get_weather");
    assert_eq!(call.arguments, r#"{"city":"how is the weather in Paris"}"#);
    let then = returned(asked.clone(), &call, "Sunny.");
    assert_eq!(answer(&script(), &then).text, "Sunny.");

    asked.messages[0].text = "hello".into();
    assert_eq!(answer(&script(), &asked).call, None);
    asked.tool_choice = ToolChoice::Named("get_weather".into());
    assert_eq!(answer(&script(), &asked).call.unwrap().name, "get_weather");
    asked.tool_choice = ToolChoice::Required;
    assert!(answer(&script(), &asked).call.is_some());
}

#[test]
fn a_clients_tool_wins_over_a_fixed_answer_but_not_over_a_tool_of_the_script() {
    let mut asked = prompt(&["u: tell me a joke"]);
    asked.tools.push(spec("tell_joke", ToolRuns::AtClient));
    asked.tools.push(spec("what_time", ToolRuns::AtClient));
    assert_eq!(answer(&script(), &asked).call.unwrap().name, "tell_joke");
    asked.tool_choice = ToolChoice::None;
    assert_eq!(answer(&script(), &asked).text, "Knock, knock.");
    asked.tool_choice = ToolChoice::Auto;
    asked.messages[0].text = "what time is it".into();
    assert_eq!(answer(&script(), &asked).call.unwrap().name, "current_time");
}

#[test]
fn asked_to_speak_without_a_question_it_listens() {
    assert_eq!(say(&["s: be kind"]), "I am listening.");
    assert_eq!(
        say(&["u: hello", "a: Hello, I am Vera."]),
        "I am listening."
    );
}

#[test]
fn every_mistake_of_a_script_is_found_with_its_line() {
    let text = r#"[script]
sure = 2
fallback = ["What is {n}?"]
no_words = []

[script.words]
"Bad Name" = ["x"]
none = []

[[script.rule]]
name = "a"
hear = ["say {a:word}", "@nobody"]
say = ["{a}", "{result}", "{"]

[[script.rule]]
name = "a"
hear = ["x"]
after = ["b"]
before = ["y"]
colour = "red"
"#;
    let found = Script::parse("s.toml", text, "Vera")
        .unwrap_err()
        .to_string();
    let expected = [
        "s.toml:1: `script.tool_failed` is missing",
        "s.toml:2: `script.sure` must be between 0.3 and 1, not 2",
        "s.toml:3: `{n}` is not taken by every pattern of the rule",
        "s.toml:7: a group's name is lower-case letters, digits and `_`",
        "s.toml:8: the group `none` is empty",
        "s.toml:12: `@nobody`: there is no group `@nobody`; there are: Bad Name, none",
        "s.toml:13: `{result}` needs a `tool`, and stands in `say` or `failed`",
        "s.toml:13: braces do not pair; write `{{` for a brace",
        "s.toml:15: `before` needs a `tool` (rule `a`)",
        "s.toml:15: `script.rule.say` is missing",
        "s.toml:16: there are two rules `a`",
        "s.toml:18: there is no rule `b`",
    ];
    for line in expected {
        assert!(found.contains(line), "{line}\nis not in\n{found}");
    }
    let unknown = "s.toml:20: there is no key `script.rule.colour`; there are:";
    assert!(found.contains(unknown), "{found}");
    assert_eq!(found.lines().count(), expected.len() + 1, "{found}");
}

async fn served(prompt: Prompt) -> Vec<ReplyPiece> {
    let client = serve(Arc::new(script()), 1);
    let mut lease = client.open().await.unwrap();
    lease.feed.send(prompt).await.unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = lease.yields.recv().await {
        pieces.push(piece);
    }
    pieces
}

#[tokio::test]
async fn a_reply_comes_in_pieces_and_ends() {
    let pieces = served(prompt(&["u: hello"])).await;
    let end = ReplyEnd {
        cut_short: false,
        input_tokens: Some(1),
        output_tokens: Some(4),
    };
    let expected = [
        ReplyPiece::Text("Hello, I am Vera.".into()),
        ReplyPiece::End(end),
    ];
    assert_eq!(pieces, expected);
}

#[tokio::test]
async fn a_reply_keeps_to_its_limit_and_says_so() {
    let mut asked = prompt(&["u: hello"]);
    asked.max_tokens = Some(2);
    let pieces = served(asked).await;
    assert_eq!(pieces[0], ReplyPiece::Text("Hello, I".into()));
    assert!(matches!(
        pieces[1],
        ReplyPiece::End(ReplyEnd {
            cut_short: true,
            ..
        })
    ));
}

#[tokio::test]
async fn text_comes_before_its_call() {
    let pieces = served(prompt(&["u: good bye"])).await;
    assert_eq!(pieces[0], ReplyPiece::Text("Bye.".into()));
    assert!(matches!(&pieces[1], ReplyPiece::ToolCall(call) if call.name == "hang_up"));
    assert!(matches!(pieces[2], ReplyPiece::End(_)));
}

#[tokio::test]
async fn a_reply_goes_on_after_its_tool_with_a_blank() {
    let asked = prompt(&["u: what time is it"]);
    let first = answer(&script(), &asked);
    let call = first.call.unwrap();
    let mut then = returned(asked, &call, r#"{"spoken":"noon"}"#);
    let n = then.messages.len();
    then.messages[n - 2].text = first.text;
    assert_eq!(
        served(then).await[0],
        ReplyPiece::Text(" It is noon.".into())
    );
}

#[tokio::test]
async fn a_dropped_lease_frees_its_row() {
    let client = serve(Arc::new(script()), 1);
    let first = client.open().await.unwrap();
    drop(first);
    // The row is free once its task has noticed; each refusal lets it run.
    for _ in 0..1_000 {
        if client.open().await.is_ok() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the row was never freed");
}
