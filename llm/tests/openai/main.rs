//! The chat client against a server on loopback that answers as servers do, and as they should
//! not: order, tools, retries, time-outs, and that hanging up closes the request.
#![allow(clippy::unwrap_used)]
mod careless;
mod server;

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::{Value, json};
use server::{Answer, Server, delta, ended, sse, usage};
use tokio::time::timeout;
use voiced_core::{
    engine::{Prompt, ReplyEnd, ReplyPiece, ToolChoice},
    turn::{Message, Role, ToolCall, ToolRuns, ToolSpec},
};
use voiced_llm::openai::{OpenAi, OpenAiSettings, Secret};
use voiced_pipeline::lease::{EngineClient, Lease};

fn settings(server: &Server) -> OpenAiSettings {
    OpenAiSettings {
        key: Some(Secret::new("hush")),
        // Longer than any test waits, so that none passes by a time-out it does not mean.
        first_token_within: Duration::from_secs(60),
        next_token_within: Duration::from_secs(60),
        ..OpenAiSettings::new(server.url(), "test-model")
    }
}

fn prompt() -> Prompt {
    Prompt {
        messages: vec![Message::new(Role::User, "Hello?")],
        ..Prompt::default()
    }
}

/// A reply being made. The client is kept: an engine ends with its last one.
struct Asking {
    lease: Lease<Prompt, ReplyPiece>,
    client: EngineClient<Prompt, ReplyPiece>,
}

impl Asking {
    async fn next(&mut self) -> Option<ReplyPiece> {
        // No time-out under test is near as long as this.
        let next = timeout(Duration::from_secs(20), self.lease.yields.recv()).await;
        next.expect("the next piece comes in time")
    }

    /// All pieces to come; the last is no `End` when the row was given up.
    async fn rest(&mut self) -> Vec<ReplyPiece> {
        let mut pieces = Vec::new();
        while let Some(piece) = self.next().await {
            pieces.push(piece);
        }
        pieces
    }

    /// Drops the lease alone.
    fn hang_up(self) -> EngineClient<Prompt, ReplyPiece> {
        self.client
    }
}

async fn ask(settings: OpenAiSettings, prompt: Prompt) -> Asking {
    let client = OpenAi::new(settings).unwrap().serve(4);
    let lease = client.open().await.unwrap();
    lease.feed.send(prompt).await.unwrap();
    Asking { lease, client }
}

async fn reply(settings: OpenAiSettings) -> Vec<ReplyPiece> {
    ask(settings, prompt()).await.rest().await
}

fn text(pieces: &[ReplyPiece]) -> String {
    let texts = pieces.iter().filter_map(|piece| match piece {
        ReplyPiece::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn end(pieces: &[ReplyPiece]) -> Option<ReplyEnd> {
    match pieces.last() {
        Some(ReplyPiece::End(end)) => Some(*end),
        _ => None,
    }
}

fn calls(pieces: &[ReplyPiece]) -> Vec<ToolCall> {
    let calls = pieces.iter().filter_map(|piece| match piece {
        ReplyPiece::ToolCall(call) => Some(call.clone()),
        _ => None,
    });
    calls.collect()
}

fn hello() -> Answer {
    sse(&[
        json!({"choices": [{"delta": {"role": "assistant", "content": ""}}]}),
        delta("Hel"),
        delta("lo "),
        delta("there."),
        ended("stop"),
        usage(7, 3),
    ])
}

#[tokio::test]
async fn text_streams_in_order_with_its_counts() {
    let server = Server::start(vec![hello()]).await;
    let pieces = reply(settings(&server)).await;
    let expected = ["Hel", "lo ", "there."].map(|text| ReplyPiece::Text(text.into()));
    assert_eq!(pieces[..3], expected);
    let expected = ReplyEnd {
        cut_short: false,
        input_tokens: Some(7),
        output_tokens: Some(3),
    };
    assert_eq!(end(&pieces), Some(expected));
    let asked = server.requests().remove(0);
    assert_eq!(asked.path, "/v1/chat/completions");
    assert_eq!(asked.authorization.as_deref(), Some("Bearer hush"));
    assert_eq!(
        asked.body["messages"],
        json!([{"role": "user", "content": "Hello?"}])
    );
    assert_eq!(asked.body["stream_options"], json!({"include_usage": true}));
}

#[tokio::test]
async fn text_is_passed_on_before_the_reply_is_complete() {
    let mut held = hello();
    held.cut_after(2);
    held.then_hang = true;
    let server = Server::start(vec![held]).await;
    let mut asking = ask(settings(&server), prompt()).await;
    assert_eq!(asking.next().await, Some(ReplyPiece::Text("Hel".into())));
}

#[tokio::test]
async fn tools_are_called_alone_and_together_with_split_arguments() {
    let part = |value: Value| json!({"choices": [{"delta": {"tool_calls": [value]}}]});
    let server = Server::start(vec![sse(&[
        delta("One moment."),
        part(json!({"index": 0, "id": "a", "type": "function",
            "function": {"name": "look_up_order", "arguments": ""}})),
        part(json!({"index": 0, "function": {"arguments": "{\"num"}})),
        part(
            json!({"index": 1, "id": "b", "function": {"name": "current_time", "arguments": "{}"}}),
        ),
        part(json!({"index": 0, "function": {"arguments": "ber\":\"427\"}"}})),
        ended("tool_calls"),
    ])])
    .await;
    let mut asked = prompt();
    asked.tools = vec![ToolSpec {
        name: "look_up_order".into(),
        description: "Looks an order up.".into(),
        parameters: r#"{"type":"object"}"#.into(),
        runs: ToolRuns::Here,
    }];
    asked.tool_choice = ToolChoice::Required;
    asked.max_tokens = Some(50);
    let pieces = ask(settings(&server), asked).await.rest().await;
    assert_eq!(text(&pieces), "One moment.");
    let made: Vec<_> = (calls(&pieces).into_iter())
        .map(|call| (call.id, call.name, call.arguments))
        .collect();
    let call = |id: &str, name: &str, arguments: &str| (id.into(), name.into(), arguments.into());
    let expected: [(String, String, String); 2] = [
        call("a", "look_up_order", r#"{"number":"427"}"#),
        call("b", "current_time", "{}"),
    ];
    assert_eq!(made, expected);
    assert!(end(&pieces).is_some());
    let body = server.requests().remove(0).body;
    assert_eq!(body["tool_choice"], "required");
    assert_eq!(body["max_tokens"], 50);
    assert_eq!(body["tools"][0]["function"]["name"], "look_up_order");
}

#[tokio::test]
async fn a_reply_goes_on_after_its_tool_with_a_blank() {
    let server = Server::start(vec![hello()]).await;
    let mut asked = prompt();
    asked.messages.push(Message {
        tool_calls: vec![ToolCall {
            id: "a".into(),
            name: "current_time".into(),
            arguments: "{}".into(),
        }],
        ..Message::new(Role::Assistant, "One moment.")
    });
    asked.messages.push(Message {
        answers: Some("a".into()),
        ..Message::new(Role::Tool, "noon")
    });
    let pieces = ask(settings(&server), asked).await.rest().await;
    assert_eq!(text(&pieces), " Hello there.");
}

#[tokio::test]
async fn a_passing_failure_is_asked_again_and_waits_as_told() {
    let server = Server::start(vec![
        Answer::status(500, "oops"),
        Answer::status(429, r#"{"error":{"message":"slow down"}}"#).header("retry-after-ms", "30"),
        hello(),
    ])
    .await;
    let pieces = reply(settings(&server)).await;
    assert_eq!(text(&pieces), "Hello there.");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_server_that_wants_too_much_patience_is_given_up() {
    let server = Server::start(vec![
        Answer::status(503, "").header("retry-after", "3600"),
        hello(),
    ])
    .await;
    assert_eq!(reply(settings(&server)).await, []);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_will_not_pass_is_not_asked_again() {
    for status in [400, 401, 404] {
        let server = Server::start(vec![Answer::status(status, "{}"), hello()]).await;
        assert_eq!(reply(settings(&server)).await, [], "{status}");
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn attempts_are_bounded() {
    let server = Server::start(vec![
        Answer::status(502, ""),
        Answer::status(502, ""),
        hello(),
    ])
    .await;
    let twice = OpenAiSettings {
        attempts: 2,
        ..settings(&server)
    };
    assert_eq!(reply(twice).await, []);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_server_that_does_not_begin_is_asked_again() {
    let mut silent = sse(&[]);
    silent.then_hang = true;
    // The head of a reply and comments are no token.
    let mut head = sse(&[json!({"choices": [{"delta": {"role": "assistant", "content": ""}}]})]);
    head.cut_after(1);
    head.chunks.push(": keep-alive\n\n".into());
    head.then_hang = true;
    let server = Server::start(vec![silent, head, hello()]).await;
    let hasty = OpenAiSettings {
        first_token_within: Duration::from_millis(150),
        ..settings(&server)
    };
    assert_eq!(text(&reply(hasty).await), "Hello there.");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_reply_that_stops_midway_is_given_up_and_not_said_twice() {
    let mut stuck = hello();
    stuck.cut_after(3);
    stuck.then_hang = true;
    let server = Server::start(vec![stuck, hello()]).await;
    let hasty = OpenAiSettings {
        next_token_within: Duration::from_millis(150),
        ..settings(&server)
    };
    let pieces = reply(hasty).await;
    assert_eq!(text(&pieces), "Hello ");
    assert_eq!(end(&pieces), None);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn hanging_up_closes_the_request() {
    let mut endless = hello();
    endless.cut_after(2);
    endless.then_hang = true;
    let server = Server::start(vec![endless]).await;
    let mut asking = ask(settings(&server), prompt()).await;
    assert!(asking.next().await.is_some());
    assert_eq!(server.closed.load(Ordering::SeqCst), 0);
    let _client = asking.hang_up();
    server.until_closed(1).await;
}

#[tokio::test]
async fn hanging_up_before_the_first_token_closes_the_request() {
    let mut silent = sse(&[]);
    silent.then_hang = true;
    let server = Server::start(vec![silent]).await;
    let asking = ask(settings(&server), prompt()).await;
    server.until_asked(1).await;
    let _client = asking.hang_up();
    server.until_closed(1).await;
}
