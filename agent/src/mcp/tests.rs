//! MCP servers of our own making: one behind HTTP, one a program.
#![allow(clippy::unwrap_used)]
use axum::{Json, Router, http::HeaderMap, response::IntoResponse, routing::post};
use serde_json::json;
use voiced_core::turn::Approval;

use super::*;
use crate::tools::Limited;
use voiced_pipeline::tools::NoTools;

/// What a server says to one message of a client.
fn answer(message: &Value) -> Option<Value> {
    let id = message.get("id")?.clone();
    let result = match message["method"].as_str().unwrap() {
        "initialize" => json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "test", "version": "1"},
        }),
        "tools/list" => json!({"tools": [
            {"name": "echo", "description": "Says it again.",
             "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}},
            {"name": "fail", "inputSchema": {"type": "object"}},
        ]}),
        "tools/call" if message["params"]["name"] == "fail" => {
            json!({"content": [{"type": "text", "text": "it broke"}], "isError": true})
        }
        "tools/call" if message["params"]["name"] == "echo" => {
            let said = &message["params"]["arguments"]["text"];
            json!({"content": [{"type": "text", "text": said}]})
        }
        _ => {
            let error = json!({"code": -32601, "message": "no such method"});
            return Some(json!({"jsonrpc": "2.0", "id": id, "error": error}));
        }
    };
    Some(json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

async fn mcp(headers: HeaderMap, Json(message): Json<Value>) -> axum::response::Response {
    if headers["authorization"] != "Bearer secret" || headers["x-team"] != "voice" {
        return axum::http::StatusCode::UNAUTHORIZED.into_response();
    }
    match answer(&message) {
        Some(answer) => Json(answer).into_response(),
        None => axum::http::StatusCode::ACCEPTED.into_response(),
    }
}

async fn server() -> (String, tokio::task::JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    let router = Router::new().route("/mcp", post(mcp)).route(
        "/moved",
        post(|| async { axum::response::Redirect::temporary("/mcp") }),
    );
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, tasks)
}

fn named(url: &str, token: &str) -> ToolServer {
    ToolServer {
        label: "test".into(),
        url: url.into(),
        authorization: Some(Hidden::new(token)),
        headers: vec![("x-team".into(), Hidden::new("voice"))],
        allowed: None,
        approval: Approval::Never,
    }
}

fn call(name: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: "c".into(),
        name: name.into(),
        arguments: arguments.into(),
    }
}

#[tokio::test]
async fn a_server_behind_http_is_listed_and_called() {
    let (url, _tasks) = server().await;
    let connected = Reach.connect(named(&url, "secret")).await.unwrap();
    let names: Vec<_> = connected.tools.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["echo", "fail"]);
    assert!(connected.tools[0].parameters.contains("properties"));
    let said = connected
        .server
        .call(call("echo", r#"{"text": "hello"}"#))
        .await;
    assert_eq!(said, Ok("hello".into()));
    let failed = connected.server.call(call("fail", "")).await;
    assert_eq!(failed, Err(ServerCallError::Tool("it broke".into())));
    let unknown = connected.server.call(call("nothing", "{}")).await;
    assert!(
        matches!(unknown, Err(ServerCallError::Protocol { code: -32601, .. })),
        "{unknown:?}"
    );
    let wrong = connected.server.call(call("echo", "[1]")).await;
    assert!(matches!(wrong, Err(ServerCallError::Tool(_))));
}

#[tokio::test]
async fn a_server_that_refuses_or_moves_is_not_reached() {
    let (url, _tasks) = server().await;
    assert!(Reach.connect(named(&url, "wrong")).await.is_err());
    let moved = url.replace("/mcp", "/moved");
    assert!(
        Reach.connect(named(&moved, "secret")).await.is_err(),
        "redirects are not followed"
    );
    assert!(!format!("{:?}", named(&url, "secret")).contains("secret"));
}

#[tokio::test]
async fn a_program_serves_a_persona_beside_its_own_tools() {
    let script = r#"
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    if "id" not in m:
        continue
    if m["method"] == "initialize":
        r = {"protocolVersion": m["params"]["protocolVersion"], "capabilities": {"tools": {}},
             "serverInfo": {"name": "t", "version": "1"}}
    elif m["method"] == "tools/list":
        r = {"tools": [{"name": "add", "inputSchema": {"type": "object"}},
                       {"name": "secret", "inputSchema": {"type": "object"}}]}
    elif m["method"] == "tools/call":
        a = m["params"]["arguments"]
        r = {"content": [{"type": "text", "text": str(a["a"] + a["b"])}]}
    else:
        print(json.dumps({"jsonrpc": "2.0", "id": m["id"],
                          "error": {"code": -32601, "message": "no"}}), flush=True)
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}), flush=True)
"#;
    let place = Place::Program {
        program: "python3".into(),
        arguments: vec!["-c".into(), script.into()],
    };
    let server = PersonaServer::new("sums".into(), place, vec!["add".into()]);
    let gone = Place::Program {
        program: "/nowhere/at/all".into(),
        arguments: Vec::new(),
    };
    let gone = PersonaServer::new("gone".into(), gone, Vec::new());
    let tools = WithServers::reach(Limited::new(NoTools), vec![server, gone]).await;
    let names: Vec<_> = tools.specs().into_iter().map(|tool| tool.name).collect();
    assert_eq!(
        names,
        ["add"],
        "only what is allowed; who is not there is left out"
    );
    let sum = tools.run(call("add", r#"{"a": 1, "b": 2}"#)).await;
    assert_eq!(sum.output, "3");
    let other = tools.run(call("secret", "{}")).await;
    assert!(
        other.output.contains("there is no tool"),
        "{}",
        other.output
    );
}
