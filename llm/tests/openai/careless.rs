//! Servers that think aloud, leave things out, break off or talk nonsense.
use std::sync::atomic::Ordering;

use serde_json::json;
use voiced_llm::openai::{Failure, OpenAi, OpenAiSettings};

use crate::{
    end, hello, prompt, reply,
    server::{Answer, Server, delta, ended, sse},
    settings, text,
};

#[tokio::test]
async fn a_token_limit_is_told() {
    let server = Server::start(vec![sse(&[delta("Once upon"), ended("length")])]).await;
    let pieces = reply(settings(&server)).await;
    assert!(end(&pieces).unwrap().cut_short);
}

#[tokio::test]
async fn thoughts_are_not_spoken() {
    let thinking = json!({"choices": [{"delta": {"reasoning_content": "They said hello."}}]});
    let answer = sse(&[
        thinking,
        delta("<thi"),
        delta("nk>Hm.</think>\n\nHi."),
        ended("stop"),
    ]);
    let server = Server::start(vec![answer]).await;
    assert_eq!(text(&reply(settings(&server)).await), "Hi.");
}

#[tokio::test]
async fn characters_cut_by_the_network_arrive_whole() {
    let mut answer = sse(&[delta("Grüße, 世界 👋"), ended("stop")]);
    answer.byte_by_byte();
    let server = Server::start(vec![answer]).await;
    let pieces = reply(settings(&server)).await;
    assert_eq!(text(&pieces), "Grüße, 世界 👋");
    assert!(end(&pieces).is_some());
}

#[tokio::test]
async fn careless_servers_are_understood() {
    let done = "data: [DONE]\n\n";
    let table = [
        // No space, carriage returns, comments, an event name, no end but the end.
        ("no done", ": hi\r\n\r\nevent: message\r\ndata:{\"choices\":[{\"delta\":{\"content\":\"Hi.\"},\"finish_reason\":\"stop\"}]}\r\n\r\n".to_owned(), false),
        ("no finish reason", format!("data: {}\n\n{done}", delta("Hi.")), false),
        ("no last blank line", format!("data: {}\n\ndata: [DONE]", delta("Hi.")), false),
        ("no end at all", format!("data: {}\n\n", delta("Hi.")), true),
    ];
    for (name, body, cut_short) in table {
        let server = Server::start(vec![Answer::stream(&body)]).await;
        let pieces = reply(settings(&server)).await;
        assert_eq!(text(&pieces), "Hi.", "{name}");
        assert_eq!(
            end(&pieces).map(|end| end.cut_short),
            Some(cut_short),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let whole = json!({
        "choices": [{"message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 2},
    });
    let answer = Answer::status(200, &whole.to_string()).header("content-type", "application/json");
    let server = Server::start(vec![answer]).await;
    let pieces = reply(settings(&server)).await;
    assert_eq!(text(&pieces), "Hi.");
    assert_eq!(end(&pieces).unwrap().output_tokens, Some(2));
}

#[tokio::test]
async fn nonsense_before_the_first_token_is_asked_again_and_after_it_given_up() {
    let nonsense = Answer::stream("data: {\"choices\": [\n\n");
    let inside = Answer::stream("data: {\"error\": {\"message\": \"no\", \"code\": 503}}\n\n");
    let endless = Answer::stream(&format!("data: {}", "x".repeat(400_000)));
    for bad in [nonsense, inside, endless] {
        let server = Server::start(vec![bad.clone(), hello()]).await;
        assert_eq!(text(&reply(settings(&server)).await), "Hello there.");

        let mut late = sse(&[delta("Well, ")]);
        late.cut_after(1);
        late.chunks.extend(bad.chunks);
        let server = Server::start(vec![late, hello()]).await;
        let pieces = reply(settings(&server)).await;
        assert_eq!(text(&pieces), "Well, ");
        assert_eq!(end(&pieces), None);
    }
}

#[tokio::test]
async fn redirects_are_not_followed_with_the_key() {
    let away = Answer::status(307, "").header("location", "http://127.0.0.1:9/elsewhere");
    let server = Server::start(vec![away]).await;
    assert_eq!(reply(settings(&server)).await, []);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_given_up() {
    let server = Server::start(vec![]).await;
    let url = server.url();
    server.stop().await;
    let nobody = OpenAiSettings::new(url, "m");
    let warm = OpenAi::new(nobody.clone()).unwrap().warm_up().await;
    assert!(matches!(warm, Err(Failure::Unreachable(_))), "{warm:?}");
    let once = OpenAiSettings {
        attempts: 1,
        ..nobody
    };
    assert_eq!(reply(once).await, []);
}

#[tokio::test]
async fn warming_up_keeps_the_connection_and_finds_a_wrong_key() {
    let models = Answer::status(404, "not here");
    let server = Server::start(vec![models, hello(), hello()]).await;
    let chat = OpenAi::new(settings(&server)).unwrap();
    chat.warm_up().await.unwrap();
    let client = chat.serve(1);
    for _ in 0..2 {
        let mut lease = loop {
            // The row before is given back a moment after its last piece.
            match client.open().await {
                Ok(lease) => break lease,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        lease.feed.send(prompt()).await.unwrap();
        while lease.yields.recv().await.is_some() {}
    }
    assert_eq!(server.requests().len(), 3);
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);

    let server = Server::start(vec![Answer::status(401, "{}")]).await;
    let refused = OpenAi::new(settings(&server)).unwrap().warm_up().await;
    assert!(matches!(refused, Err(Failure::Refused { status: 401, .. })));
}
