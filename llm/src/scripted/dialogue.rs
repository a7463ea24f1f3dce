//! What a script says to a conversation: a pure function of the script and the prompt, so that the
//! same call gets the same answers on any day.
use serde_json::{Map, Value, json};
use voiced_core::{
    engine::{Prompt, ToolChoice},
    turn::{Message, Role, ToolCall, ToolRuns, ToolSpec},
};

use crate::scripted::{
    answer::{Template, Values, spoken},
    choice::{Exchange, MEMORY, best_rule, exchanges},
    matching::{Fit, Said, fit},
    schema::arguments_for,
    script::{Rule, Script},
    words::tokens,
};

/// One leg of a reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// What is said; may be empty beside a call.
    pub text: String,
    /// The call made after it.
    pub call: Option<ToolCall>,
    /// The rule it came from; `None` for a fallback.
    pub rule: Option<String>,
}

/// The next leg of the reply to a prompt.
pub fn answer(script: &Script, prompt: &Prompt) -> Answer {
    let exchanges = exchanges(&prompt.messages);
    let Some(now) = exchanges.last() else {
        return without_words(script, &prompt.messages);
    };
    let last = said_before(&prompt.messages, now);
    if let Some((call, output)) = tool_answer(now) {
        return after_tool(script, &exchanges, call, output, last);
    }
    let answered = now.after.last().is_some_and(|m| m.role == Role::Assistant);
    if answered || tokens(&now.heard).is_empty() {
        // Asked to speak again, by a client or by silence.
        return without_words(script, &prompt.messages);
    }
    let turn = exchanges.len() - 1;
    let found = match &prompt.tool_choice {
        ToolChoice::Auto | ToolChoice::None => best_rule(script, &exchanges, turn, MEMORY, None),
        ToolChoice::Required => best_rule(script, &exchanges, turn, MEMORY, Some(None)),
        ToolChoice::Named(name) => best_rule(script, &exchanges, turn, MEMORY, Some(Some(name))),
    };
    let scene = Scene {
        script,
        prompt,
        turn,
        heard: &now.heard,
        last,
    };
    match found {
        // A client that brings a tool for what was asked knows better than a fixed answer.
        Some((rule, _)) if rule.tool.is_none() && scene.is_for_client() => scene.without_rule(),
        Some((rule, fit)) => scene.by_rule(rule, &fit),
        None => scene.without_rule(),
    }
}

/// What an answer needs to know of its moment.
struct Scene<'a> {
    script: &'a Script,
    prompt: &'a Prompt,
    turn: usize,
    heard: &'a str,
    last: &'a str,
}

impl Scene<'_> {
    fn values<'v>(&'v self, captures: &'v [(String, String)]) -> Values<'v> {
        Values {
            captures,
            result: None,
            heard: self.heard,
            last: self.last,
            own_name: &self.script.own_name,
        }
    }

    fn by_rule(&self, rule: &Rule, fit: &Fit) -> Answer {
        let values = self.values(&fit.captures);
        let named = Some(rule.name.clone());
        let Some(tool) = &rule.tool else {
            let text = variant(&rule.say, self.turn, &self.prompt.messages, &values);
            return Answer {
                text,
                call: None,
                rule: named,
            };
        };
        let allowed = self.prompt.tool_choice != ToolChoice::None
            && self.prompt.tools.iter().any(|spec| spec.name == tool.name);
        if !allowed {
            let error = json!({"error": "I may not do that here"});
            let text = failure(self.script, rule, self.turn, &values, &error);
            return Answer {
                text,
                call: None,
                rule: named,
            };
        }
        let mut arguments = Map::new();
        for (key, template) in &tool.arguments {
            let text = template.fill(&values).unwrap_or_default();
            arguments.insert(key.clone(), Value::String(text));
        }
        Answer {
            text: variant(&rule.before, self.turn, &[], &values),
            call: Some(self.call(&tool.name, &Value::Object(arguments))),
            rule: named,
        }
    }

    /// A client's tool that is named by what was said, or that must be called; else the fallback.
    fn without_rule(&self) -> Answer {
        let must = match &self.prompt.tool_choice {
            ToolChoice::Auto => self.client_tool(),
            ToolChoice::None => None,
            ToolChoice::Required => self.client_tool().or(self.prompt.tools.first()),
            ToolChoice::Named(name) => self.prompt.tools.iter().find(|spec| spec.name == *name),
        };
        if let Some(spec) = must {
            let arguments = arguments_for(&spec.parameters, self.heard);
            return Answer {
                text: String::new(),
                call: Some(self.call(&spec.name, &arguments)),
                rule: None,
            };
        }
        let failures = fallbacks_in_a_row(self.script, &self.prompt.messages);
        let text = variant(&self.script.fallback, failures, &[], &self.values(&[]));
        Answer {
            text,
            call: None,
            rule: None,
        }
    }

    /// Whether a client's tool may be called, and was named by what was said.
    fn is_for_client(&self) -> bool {
        self.prompt.tool_choice == ToolChoice::Auto && self.client_tool().is_some()
    }

    /// The client's tool whose name's words were all said ("get_weather": "weather").
    fn client_tool(&self) -> Option<&ToolSpec> {
        let tokens = tokens(self.heard);
        let said = Said::new(&tokens);
        let mut client = (self.prompt.tools.iter()).filter(|spec| spec.runs == ToolRuns::AtClient);
        client.find(|spec| {
            let words = spec.name.replace(['_', '-'], " ").to_lowercase();
            let telling: Vec<&str> = words
                .split(' ')
                .filter(|word| !VERBS.contains(word) && !word.is_empty())
                .collect();
            let pattern = telling.iter().map(|word| format!("{word}!"));
            let pattern = pattern.collect::<Vec<_>>().join(" ");
            let pattern = super::pattern::Pattern::parse(&pattern, &Default::default());
            pattern.is_ok_and(|pattern| fit(&pattern, &said).is_some())
        })
    }

    fn call(&self, name: &str, arguments: &Value) -> ToolCall {
        ToolCall {
            id: format!("call_{}_{}", self.turn, self.prompt.messages.len()),
            name: name.to_owned(),
            arguments: arguments.to_string(),
        }
    }
}

/// Words of tool names that say nothing about when to call them.
const VERBS: [&str; 10] = [
    "get", "set", "find", "lookup", "look", "fetch", "query", "do", "run", "up",
];

/// The agent's last words before the exchange going on.
fn said_before<'a>(messages: &'a [Message], now: &Exchange<'_>) -> &'a str {
    let before = &messages[..messages.len() - now.after.len().min(messages.len())];
    let said = before
        .iter()
        .rev()
        .find(|message| message.role == Role::Assistant && !message.text.is_empty());
    said.map_or("", |message| message.text.as_str())
}

/// The call that was just answered, and its answer, when the exchange ends with one.
fn tool_answer<'a>(now: &Exchange<'a>) -> Option<(&'a ToolCall, &'a str)> {
    let answer = now
        .after
        .last()
        .filter(|message| message.role == Role::Tool)?;
    let calls = now
        .after
        .iter()
        .rev()
        .flat_map(|message| &message.tool_calls);
    let mut calls = calls.filter(|call| answer.answers.as_deref() == Some(call.id.as_str()));
    Some((calls.next()?, answer.text.as_str()))
}

fn after_tool(
    script: &Script,
    exchanges: &[Exchange<'_>],
    call: &ToolCall,
    output: &str,
    last: &str,
) -> Answer {
    let turn = exchanges.len() - 1;
    let result: Value =
        serde_json::from_str(output).unwrap_or_else(|_| Value::String(output.to_owned()));
    let found = best_rule(script, exchanges, turn, MEMORY, Some(Some(&call.name)));
    let captures = found.as_ref().map_or(&[][..], |(_, fit)| &fit.captures);
    let values = Values {
        captures,
        result: Some(&result),
        heard: &exchanges[turn].heard,
        last,
        own_name: &script.own_name,
    };
    let Some((rule, _)) = &found else {
        // A client's tool: what it said is all there is to say.
        let text = spoken(&result).map(shortened).unwrap_or_default();
        return Answer {
            text,
            call: None,
            rule: None,
        };
    };
    let failed = result.get("error").is_some_and(|error| !error.is_null());
    let said = if failed {
        None
    } else if rule.say.is_empty() {
        Some(String::new())
    } else {
        rule.say[turn % rule.say.len()].fill(&values)
    };
    Answer {
        text: said.unwrap_or_else(|| failure(script, rule, turn, &values, &result)),
        call: None,
        rule: Some(rule.name.clone()),
    }
}

fn failure(
    script: &Script,
    rule: &Rule,
    turn: usize,
    values: &Values<'_>,
    result: &Value,
) -> String {
    let values = Values {
        result: Some(result),
        ..*values
    };
    let filled = (!rule.failed.is_empty())
        .then(|| rule.failed[turn % rule.failed.len()].fill(&values))
        .flatten();
    filled.unwrap_or_else(|| variant(&script.tool_failed, turn, &[], &values))
}

/// A result nobody wrote an answer for is not read out at length.
fn shortened(text: String) -> String {
    const LONGEST: usize = 300;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}, and so on.", &text[..at]),
        None => text,
    }
}

fn without_words(script: &Script, messages: &[Message]) -> Answer {
    let said = messages
        .iter()
        .filter(|m| m.role == Role::Assistant)
        .count();
    let values = Values {
        own_name: &script.own_name,
        ..Values::default()
    };
    Answer {
        text: variant(&script.no_words, said, &[], &values),
        call: None,
        rule: None,
    }
}

/// One of several answers: the one whose turn it is, or the next that was not said before.
fn variant(answers: &[Template], turn: usize, messages: &[Message], values: &Values<'_>) -> String {
    let n = answers.len();
    let said = |answer: &Template| {
        messages
            .iter()
            .any(|m| m.role == Role::Assistant && answer.begins(&m.text))
    };
    let in_turn = || (0..n).map(|i| &answers[(turn + i) % n]);
    let fresh = in_turn().find(|answer| !said(answer));
    let chosen = fresh.or_else(|| in_turn().next());
    chosen
        .and_then(|answer| answer.fill(values))
        .unwrap_or_default()
}

/// How many of the agent's last messages were fallbacks.
fn fallbacks_in_a_row(script: &Script, messages: &[Message]) -> usize {
    (messages.iter().rev())
        .filter(|message| message.role == Role::Assistant)
        .take_while(|message| {
            script
                .fallback
                .iter()
                .any(|answer| answer.begins(&message.text))
        })
        .count()
}
