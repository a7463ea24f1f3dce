//! Each tool, its refusals and its limits.
#![allow(clippy::unwrap_used)]
use std::{sync::Arc, time::Duration};

use serde_json::Value;
use time::macros::{date, time};
use voiced_core::turn::{ToolCall, ToolEffect};

use super::{calculate::NoResult, *};

fn runner() -> Limited<Builtins> {
    Builtins::of(&Persona::built_in()[0], "+02:00".parse().unwrap())
}

async fn run(name: &str, arguments: &str) -> (Value, ToolEffect) {
    let call = ToolCall {
        id: "1".into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    let answer = runner().run(call).await;
    (serde_json::from_str(&answer.output).unwrap(), answer.effect)
}

#[test]
fn sums_in_signs_and_words() {
    let table = [
        ("12 + 30", 42.0),
        ("twelve plus thirty", 42.0),
        ("what is twelve plus thirty?", 42.0),
        ("(2+3)*4^2", 80.0),
        ("2*-3", -6.0),
        ("-2^2", -4.0),
        ("2^3^2", 512.0),
        ("2**3", 8.0),
        ("7 x 8", 56.0),
        ("12x3", 36.0),
        ("seven times eight", 56.0),
        ("one hundred divided by four", 25.0),
        ("one hundred and five minus five", 100.0),
        ("twenty percent of fifty", 10.0),
        ("20% of 50", 10.0),
        ("fifty minus ten percent", 45.0),
        ("50 + 10%", 55.0),
        ("the square root of eighty-one", 9.0),
        ("five squared", 25.0),
        ("two to the power of ten", 1024.0),
        ("half of ten", 5.0),
        ("15 and 27", 42.0),
        ("1,000 + .5", 1000.5),
        ("minus two plus five", 3.0),
        ("a hundred plus one", 101.0),
        ("3 (4 + 5)", 27.0),
        ("three point five times two", 7.0),
        ("42", 42.0),
    ];
    for (expression, expected) in table {
        let value = calculate(expression);
        let near = value
            .as_ref()
            .is_ok_and(|value| (value - expected).abs() < 1e-9);
        assert!(near, "{expression}: {value:?} instead of {expected}");
    }
}

#[test]
fn no_sum_is_no_panic() {
    let unknown = |word: &str| NoResult::Unknown(word.into());
    let table = [
        ("", NoResult::Incomplete),
        ("1 +", NoResult::Incomplete),
        ("(1", NoResult::Incomplete),
        ("1)", NoResult::Incomplete),
        ("1 2", NoResult::Incomplete),
        ("1 / 0", NoResult::DivisionByZero),
        ("0 ^ -1", NoResult::DivisionByZero),
        ("sqrt(-1)", NoResult::NotReal),
        ("(-1) ^ 0.5", NoResult::NotReal),
        ("9^9^9^9", NoResult::TooLarge),
        ("apples + 1", unknown("apples")),
        ("system('rm')", unknown("system")),
        ("1 $ 2", unknown("$")),
    ];
    for (expression, expected) in table {
        assert_eq!(calculate(expression), Err(expected), "{expression}");
    }
    let deep = [
        format!("{}1{}", "(".repeat(90), ")".repeat(90)),
        format!("{}1", "-".repeat(150)),
        format!("{}1", "sqrt ".repeat(39)),
        "1+".repeat(200),
    ];
    for deep in deep {
        assert_eq!(calculate(&deep), Err(NoResult::TooLong), "{deep}");
    }
}

#[test]
fn times_are_said_as_people_say_them() {
    let table = [
        (time!(0:00), "midnight"),
        (time!(0:07), "twelve oh seven at night"),
        (time!(9:00), "nine o'clock in the morning"),
        (time!(12:00), "noon"),
        (time!(12:30), "twelve thirty in the afternoon"),
        (time!(15:42), "three forty-two in the afternoon"),
        (time!(20:15), "eight fifteen in the evening"),
        (time!(23:59), "eleven fifty-nine at night"),
    ];
    for (time, expected) in table {
        assert_eq!(spoken_time(time), expected);
    }
}

#[test]
fn dates_are_said_as_people_say_them() {
    let table = [
        (
            date!(2025 - 11 - 21),
            "Friday, the twenty-first of November, twenty twenty-five",
        ),
        (
            date!(2005 - 01 - 01),
            "Saturday, the first of January, two thousand and five",
        ),
        (
            date!(1908 - 03 - 30),
            "Monday, the thirtieth of March, nineteen oh eight",
        ),
        (
            date!(2100 - 02 - 12),
            "Friday, the twelfth of February, twenty-one hundred",
        ),
    ];
    for (date, expected) in table {
        assert_eq!(spoken_date(date), expected);
    }
}

#[test]
fn zones_are_read() {
    for (text, expected) in [
        ("utc", "UTC"),
        ("UTC", "UTC"),
        ("+02:00", "+02:00"),
        ("-3:30", "-03:30"),
        ("+5", "+05:00"),
        ("local", "local"),
    ] {
        assert_eq!(text.parse::<Zone>().unwrap().to_string(), expected);
    }
    for wrong in ["", "Mars", "+99:00", "+02:60", "02:00", "+-2", "+2:"] {
        assert!(wrong.parse::<Zone>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn time_and_date_are_told_for_the_zone() {
    let (time, _) = run("current_time", "{}").await;
    assert_eq!(time["time_zone"], "+02:00");
    assert_eq!(time["time"].as_str().unwrap().len(), 5);
    let (date, _) = run("current_date", "").await;
    assert_eq!(date["date"].as_str().unwrap().len(), 10);
    assert!(date["spoken"].as_str().unwrap().contains(" of "));
}

#[tokio::test]
async fn sums_are_told_in_figures_and_words() {
    let (sum, effect) = run("calculate", r#"{"expression":"0.1 + 0.2"}"#).await;
    assert_eq!(sum["result"], "0.3");
    assert_eq!(sum["spoken"], "zero point three");
    assert_eq!(effect, ToolEffect::None);
    let (error, _) = run("calculate", r#"{"expression":"1/0"}"#).await;
    assert_eq!(error["error"], "nothing can be divided by zero");
}

#[tokio::test]
async fn an_order_is_found_however_its_number_is_said() {
    for number in [
        "\"427\"",
        "427",
        "\"four two seven\"",
        "\"Order 4-2-7\"",
        "\"four hundred and twenty seven\"",
    ] {
        let (order, _) = run("look_up_order", &format!("{{\"number\":{number}}}")).await;
        assert_eq!(order["item"], "a blue enamel kettle", "{number}");
    }
    let (error, _) = run("look_up_order", r#"{"number":"999"}"#).await;
    assert_eq!(error["error"], "there is no order 999");
}

#[tokio::test]
async fn a_caller_is_only_transferred_where_the_persona_allows() {
    let (_, effect) = run("transfer", r#"{"to":"Support"}"#).await;
    assert_eq!(
        effect,
        ToolEffect::Transfer("sip:support@example.com".into())
    );
    for to in ["sip:evil@example.net", "tel:+4990012345", "", "support "] {
        let (answer, effect) = run("transfer", &serde_json::json!({"to": to}).to_string()).await;
        if to.trim() == "support" {
            continue;
        }
        assert_eq!(effect, ToolEffect::None, "{to}");
        assert!(
            answer["error"]
                .as_str()
                .unwrap()
                .ends_with("only to: support, sales")
        );
    }
}

#[tokio::test]
async fn the_model_never_sees_an_address() {
    let specs = format!("{:?}", runner().specs());
    assert!(specs.contains("support") && !specs.contains("sip:"));
    let (answer, _) = run("transfer", r#"{"to":"sales"}"#).await;
    assert!(!answer.to_string().contains("sip:"));
}

#[tokio::test]
async fn hanging_up_is_an_effect() {
    for arguments in ["", "{}", r#"{"reason":"they said goodbye"}"#] {
        assert_eq!(run("hang_up", arguments).await.1, ToolEffect::HangUp);
    }
}

#[tokio::test]
async fn bad_calls_are_answered_in_words_and_do_nothing() {
    let table = [
        (
            "fly",
            "{}",
            "there is no tool 'fly'; there are: current_time",
        ),
        ("hang_up", "[]", "the arguments are not valid"),
        ("hang_up", "{", "the arguments are not valid"),
        ("hang_up", r#"{"now":true}"#, "unknown field `now`"),
        ("calculate", "{}", "missing field `expression`"),
        ("calculate", r#"{"expression":7}"#, "invalid type"),
        (
            "look_up_order",
            r#"{"number":[]}"#,
            "must be the order's number",
        ),
    ];
    for (name, arguments, expected) in table {
        let (answer, effect) = run(name, arguments).await;
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(expected), "{name} {arguments}: {error}");
        assert_eq!(effect, ToolEffect::None, "{name}");
    }
}

#[tokio::test]
async fn what_a_persona_may_not_do_is_not_done() {
    let storyteller = &Persona::built_in()[1];
    let runner = Builtins::of(storyteller, Zone::Local);
    let names: Vec<String> = runner.specs().into_iter().map(|spec| spec.name).collect();
    assert_eq!(names, ["current_time", "hang_up"]);
    for (name, arguments) in [
        ("transfer", r#"{"to":"support"}"#),
        ("calculate", r#"{"expression":"1+1"}"#),
    ] {
        let call = ToolCall {
            id: "1".into(),
            name: name.into(),
            arguments: arguments.into(),
        };
        let answer = runner.run(call).await;
        assert!(
            answer.output.contains("there is no tool"),
            "{}",
            answer.output
        );
        assert_eq!(answer.effect, ToolEffect::None);
    }
}

#[test]
fn schemas_are_objects_that_name_their_fields() {
    for spec in runner().specs() {
        let schema: Value = serde_json::from_str(&spec.parameters).unwrap();
        assert_eq!(schema["type"], "object", "{}", spec.name);
        for field in schema["required"].as_array().unwrap() {
            assert!(schema["properties"].get(field.as_str().unwrap()).is_some());
        }
    }
}

/// Answers after `0`, with `1` bytes.
struct Slow(Duration, usize);

impl ToolRunner for Slow {
    fn specs(&self) -> Vec<ToolSpec> {
        Vec::new()
    }

    fn run(&self, _: ToolCall) -> ToolFuture {
        let (after, n) = (self.0, self.1);
        Box::pin(async move {
            // Never ends by itself when it is told to take for ever.
            let _ = tokio::time::timeout(after, std::future::pending::<()>()).await;
            ToolAnswer {
                output: "é".repeat(n / 2),
                effect: ToolEffect::HangUp,
            }
        })
    }
}

fn call() -> ToolCall {
    ToolCall {
        id: "1".into(),
        name: "slow".into(),
        arguments: "{}".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_tool_is_stopped_and_has_no_effect() {
    let limits = |after| Limited::with(Slow(after, 10), Duration::from_secs(1), 100);
    let slow: Arc<dyn ToolRunner> = Arc::new(limits(Duration::from_secs(2)));
    let answer = slow.run(call()).await;
    assert_eq!(answer.effect, ToolEffect::None);
    assert!(answer.output.contains("took too long"), "{}", answer.output);
    let quick = limits(Duration::from_millis(999)).run(call()).await;
    assert_eq!(quick.effect, ToolEffect::HangUp);
}

#[tokio::test]
async fn a_long_answer_is_cut_between_characters() {
    let limited = Limited::with(Slow(Duration::ZERO, 500), Duration::from_secs(1), 101);
    let answer = limited.run(call()).await;
    assert_eq!(answer.output, format!("{} [cut]", "é".repeat(50)));
}
