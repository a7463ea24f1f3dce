//! The rarer parts of the protocol: responses outside the conversation, tool servers, arguments as
//! they are written, silences, pictures, sound of items, sessions that only write speech down.
use voiced_core::{
    engine::{Effort, HeardWord},
    turn::{
        Approval, AsideEvent, CommandId, Input, Message, Role, ServerCallError, ToolCall, ToolRuns,
        ToolSpec, Truncation, TurnMode,
    },
};

use super::*;
use crate::openai_realtime::session::NoiseReduction;

fn call(arguments: &str) -> ToolCall {
    ToolCall {
        id: "c".into(),
        name: "read".into(),
        arguments: arguments.into(),
    }
}

fn with(defaults: SessionDefaults) -> Dialect {
    let mut dialect = Dialect::new(options(Carrier::WebSocket), defaults);
    dialect.opened();
    dialect
}

fn arguments(delta: &str) -> CallEvent {
    CallEvent::ToolArguments {
        epoch: Epoch(1),
        item: id("f"),
        call: "c".into(),
        name: "read".into(),
        runs: ToolRuns::AtClient,
        delta: delta.into(),
    }
}

fn server_called(item: &str, approval: bool, request: Option<ItemId>) -> CallEvent {
    CallEvent::ServerCalled {
        epoch: Epoch(1),
        item: id(item),
        server: "files".into(),
        call: call(r#"{"a":1}"#),
        approval,
        request,
    }
}

fn server_returned(item: &str, output: Result<String, ServerCallError>) -> CallEvent {
    CallEvent::ServerReturned {
        epoch: Epoch(1),
        item: id(item),
        output,
    }
}

fn aside(event: AsideEvent) -> CallEvent {
    CallEvent::Aside {
        id: CommandId(5),
        event,
    }
}

/// Events of every kind in this file, for other people's readers.
pub(super) fn everything_else() -> Vec<String> {
    let mut dialect = with(SessionDefaults::default());
    let listed = |tools| CallEvent::ToolsListed {
        item: id("l"),
        server: "files".into(),
        tools,
    };
    let tool = ToolSpec {
        name: "read".into(),
        description: "Reads.".into(),
        parameters: r#"{"type":"object"}"#.into(),
        runs: ToolRuns::AtServer { approval: false },
    };
    let asked = || CallEvent::ToolsAsked {
        item: id("l"),
        server: "files".into(),
    };
    let end = || AsideEvent::Ended {
        outcome: ReplyOutcome::Completed,
        end: ReplyEnd::default(),
    };
    let told = [
        asked(),
        listed(Ok(vec![tool])),
        asked(),
        listed(Err("gone".into())),
        started(1, "a", true),
        server_called("q", true, None),
        ended(1, "a", ReplyOutcome::Completed, "", 0),
        CallEvent::Approved {
            item: id("r"),
            previous: Some(id("q")),
            request: id("q"),
            approve: true,
            reason: Some("fine".into()),
        },
        started(1, "b", false),
        server_called("m", false, Some(id("q"))),
        server_returned("m", Ok("a letter".into())),
        server_called("n", false, None),
        server_returned("n", Err(ServerCallError::Tool("broke".into()))),
        server_called("o", false, None),
        server_returned(
            "o",
            Err(ServerCallError::Protocol {
                code: -32_601,
                message: "no".into(),
            }),
        ),
        server_called("p", false, None),
        server_returned("p", Err(ServerCallError::Unreachable("gone".into()))),
        arguments("{"),
        text(1, "x"),
        ended(1, "b", ReplyOutcome::Completed, "x", 1),
        aside(AsideEvent::Started {
            item: id("s"),
            spoken: true,
        }),
        aside(AsideEvent::Text("Aside.".into())),
        aside(AsideEvent::Audio(vec![0.1; 480].into())),
        aside(AsideEvent::Called {
            item: id("t"),
            call: call("{}"),
        }),
        aside(end()),
        CallEvent::IdleTimeout {
            item: id("i"),
            idle: Duration::from_secs(5),
        },
    ];
    let mut lines: Vec<String> = Vec::new();
    for event in told {
        lines.extend(dialect.told(event));
    }
    lines
}

#[test]
fn arguments_are_told_while_they_are_written() {
    let mut dialect = dialect(Carrier::WebSocket);
    tell(&mut dialect, [started(1, "a", false)]);
    let mut seen = tell(&mut dialect, [arguments("{\"a\""), arguments(":1")]);
    assert_eq!(
        types(&seen),
        [
            "response.output_item.added",
            "conversation.item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.delta",
        ]
    );
    assert_eq!(seen[0]["item"]["status"], "in_progress");
    assert_eq!(seen[0]["item"]["call_id"], "c");
    seen = tell(
        &mut dialect,
        [CallEvent::ToolCalled {
            epoch: Epoch(1),
            item: id("f"),
            call: call("{\"a\":1}"),
            runs: ToolRuns::AtClient,
        }],
    );
    assert_eq!(
        types(&seen),
        [
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "conversation.item.done",
            "response.output_item.done",
        ]
    );
    assert_eq!(seen[0]["delta"], "}");
    assert_eq!(seen[3]["item"]["arguments"], "{\"a\":1}");
    // A call that is cut off is closed all the same.
    tell(
        &mut dialect,
        [ended(1, "a", ReplyOutcome::Completed, "", 0)],
    );
    tell(&mut dialect, [started(1, "b", false), arguments("{")]);
    let seen = tell(
        &mut dialect,
        [ended(1, "b", ReplyOutcome::Cancelled, "", 0)],
    );
    let done = seen
        .iter()
        .find(|e| e["type"] == "response.output_item.done")
        .unwrap();
    assert_eq!(done["item"]["status"], "incomplete");
}

#[test]
fn a_servers_call_runs_inside_the_response() {
    let mut dialect = dialect(Carrier::WebSocket);
    let seen = tell(
        &mut dialect,
        [
            started(1, "a", false),
            server_called("m", false, None),
            server_returned("m", Ok("a letter".into())),
            text(1, "It is a letter."),
            ended(1, "a", ReplyOutcome::Completed, "It is a letter.", 15),
        ],
    );
    assert_eq!(
        types(&seen)[..9],
        [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.mcp_call_arguments.delta",
            "response.mcp_call_arguments.done",
            "response.mcp_call.in_progress",
            "response.mcp_call.completed",
            "conversation.item.done",
            "response.output_item.done",
        ]
    );
    let output = &seen.last().unwrap()["response"]["output"];
    assert_eq!(output[0]["output"], "a letter");
    assert_eq!(output[1]["content"][0]["text"], "It is a letter.");
}

#[test]
fn an_approval_is_asked_for_and_answered_by_items() {
    let mut dialect = dialect(Carrier::WebSocket);
    let seen = tell(
        &mut dialect,
        [started(1, "a", false), server_called("q", true, None)],
    );
    assert_eq!(seen[1]["item"]["type"], "mcp_approval_request");
    assert_eq!(types(&seen).last(), Some(&"response.output_item.done"));
    let answer = json!({"type": "conversation.item.create", "item": {"type":
        "mcp_approval_response", "id": "r", "approval_request_id": "q", "approve": false,
        "reason": "no"}});
    let wanted = Command::Approve {
        id: Some(id("r")),
        request: id("q"),
        approve: false,
        reason: Some("no".into()),
    };
    assert_eq!(command(&mut dialect, &answer), wanted);
}

#[test]
fn tool_servers_are_named_in_the_session_where_their_host_is_allowed() {
    let mut dialect = with(SessionDefaults {
        tool_hosts: vec!["tools.example".into(), "*.safe.example".into()],
        ..SessionDefaults::default()
    });
    let server = |url: &str| {
        update(&json!({"tools": [
            {"type": "function", "name": "f"},
            {"type": "mcp", "server_label": "files", "server_url": url,
             "authorization": "secret", "headers": {"x-team": "secret"},
             "allowed_tools": {"tool_names": ["read"]},
             "require_approval": {"never": {"tool_names": ["read"]}}},
        ]}))
    };
    let received = send(&mut dialect, &server("https://tools.example/mcp"));
    let Command::Configure(settings) = &received.commands[0].1 else {
        panic!("{received:?}");
    };
    let named = &settings.tool_servers.as_ref().unwrap()[0];
    assert_eq!(named.authorization.as_ref().unwrap().reveal(), "secret");
    assert_eq!(named.allowed.as_deref(), Some(&["read".to_owned()][..]));
    assert_eq!(named.approval, Approval::AlwaysBut(vec!["read".into()]));
    assert!(
        !received.replies[0].contains("secret"),
        "{}",
        received.replies[0]
    );
    let shown = &events(received.replies)[0]["session"]["tools"];
    assert_eq!(shown[1]["server_url"], "https://tools.example/mcp");
    assert!(
        send(&mut dialect, &server("http://a.safe.example:1/x")).replies[0].contains("updated")
    );
    for url in [
        "https://evil.example/",
        "https://tools.example.evil/",
        "https://evil.example#tools.example",
        "https://tools.example@evil.example/",
        "https://xsafe.example/",
        "https://safe.example/",
        "ftp://tools.example/",
        "file:///etc/passwd",
        "tools.example",
        "",
    ] {
        let error = answer(&mut dialect, &server(url));
        assert_eq!(
            error["error"]["param"], "session.tools[1].server_url",
            "{url}"
        );
    }
}

#[test]
fn a_response_outside_the_conversation_leaves_no_items_in_it() {
    let mut dialect = dialect(Carrier::WebSocket);
    let asked = send(
        &mut dialect,
        &json!({"type": "response.create", "response": {
        "conversation": "none", "output_modalities": ["text"], "metadata": {"k": "v"},
        "input": [
            {"type": "item_reference", "id": "u"},
            {"type": "message", "role": "user",
             "content": [{"type": "input_text", "text": "Classify."}]},
        ]}}),
    );
    let (number, Command::Respond(options)) = asked.commands[0].clone() else {
        panic!("{asked:?}");
    };
    assert!(options.aside);
    let input = [
        Input::Item(id("u")),
        Input::Message(Message::new(Role::User, "Classify.")),
    ];
    assert_eq!(options.input.as_deref(), Some(&input[..]));
    tell(&mut dialect, [started(1, "a", true)]);
    let told = |event| CallEvent::Aside { id: number, event };
    let seen = tell(
        &mut dialect,
        [
            told(AsideEvent::Started {
                item: id("s"),
                spoken: false,
            }),
            text(1, "Meanwhile "),
            told(AsideEvent::Text("yes".into())),
        ],
    );
    let created = &seen[0]["response"];
    assert_eq!(created["conversation_id"], Value::Null);
    assert_eq!(created["metadata"], json!({"k": "v"}));
    let aside_id = created["id"].clone();
    let cancel = json!({"type": "response.cancel", "response_id": aside_id});
    assert_eq!(command(&mut dialect, &cancel), Command::CancelAside(number));
    let end = AsideEvent::Ended {
        outcome: ReplyOutcome::Completed,
        end: ReplyEnd::default(),
    };
    let mut all = seen;
    all.extend(tell(&mut dialect, [told(end)]));
    let own: Vec<&str> = all
        .iter()
        .filter(|e| e["response_id"] == aside_id || e["response"]["id"] == aside_id)
        .map(|e| e["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        own,
        [
            "response.created",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.done",
        ]
    );
    let retrieve = json!({"type": "conversation.item.retrieve", "item_id": "s"});
    let error = answer(&mut dialect, &retrieve);
    assert_eq!(error["error"]["code"], "item_retrieve_invalid_item_id");
    let spoken = json!({"type": "response.create", "response": {"conversation": "none"}});
    let mut beside = super::dialect(Carrier::WebRtc);
    let error = answer(&mut beside, &spoken);
    assert_eq!(error["error"]["param"], "response.output_modalities");
}

#[test]
fn an_idle_timeout_names_the_silence() {
    let mut dialect = dialect(Carrier::WebSocket);
    let audio = json!({"type": "input_audio_buffer.append", "audio": "A".repeat(64_000)});
    for _ in 0..7 {
        send(&mut dialect, &audio);
    }
    let seen = tell(
        &mut dialect,
        [CallEvent::IdleTimeout {
            item: id("i"),
            idle: Duration::from_secs(5),
        }],
    );
    assert_eq!(types(&seen), ["input_audio_buffer.timeout_triggered"]);
    let end = seen[0]["audio_end_ms"].as_u64().unwrap();
    assert!((6_900..=7_000).contains(&end), "7 s were sent: {end}");
    assert_eq!(seen[0]["audio_start_ms"].as_u64().unwrap(), end - 5_000);
}

#[test]
fn pictures_go_to_models_that_take_them() {
    let item = json!({"type": "conversation.item.create", "item": {"type": "message",
        "role": "user", "content": [
            {"type": "input_text", "text": "What is it?"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"}]}});
    let mut blind = dialect(Carrier::WebSocket);
    let error = answer(&mut blind, &item);
    assert_eq!(error["error"]["param"], "item.content[1].type");
    let mut seeing = with(SessionDefaults {
        images: true,
        ..SessionDefaults::default()
    });
    let Command::AddItem { message, .. } = command(&mut seeing, &item) else {
        panic!("no item");
    };
    assert_eq!(message.images[0].detail, "low");
    let shown = tell(
        &mut seeing,
        [CallEvent::ItemAdded {
            item: id("p"),
            previous: None,
            message,
        }],
    );
    assert_eq!(shown[0]["item"]["content"][1]["type"], "input_image");
    let mut far = item.clone();
    far["item"]["content"][1]["image_url"] = json!("https://example.com/x.png");
    let error = answer(&mut seeing, &far);
    assert_eq!(error["error"]["param"], "item.content[1].image_url");
}

#[test]
fn what_was_said_is_retrieved_with_its_sound() {
    let mut dialect = dialect(Carrier::WebSocket);
    send(
        &mut dialect,
        &update(&json!({"audio": {"input": {"turn_detection": null}}})),
    );
    // A second of a steady level at 24 kHz.
    let level = 8_192_i16.to_le_bytes().repeat(24_000);
    let audio = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, level);
    send(
        &mut dialect,
        &json!({"type": "input_audio_buffer.append", "audio": audio}),
    );
    send(&mut dialect, &json!({"type": "input_audio_buffer.commit"}));
    tell(
        &mut dialect,
        [
            CallEvent::Committed {
                item: id("u"),
                previous: None,
            },
            started(1, "a", true),
            text(1, "Yes."),
        ],
    );
    for _ in 0..10 {
        dialect.played(&frame(1, 0.5));
    }
    tell(
        &mut dialect,
        [ended(1, "a", ReplyOutcome::Completed, "Yes.", 4)],
    );
    let sound = |dialect: &mut Dialect, item: &str| {
        let retrieve = json!({"type": "conversation.item.retrieve", "item_id": item});
        let retrieved = answer(dialect, &retrieve);
        let text = retrieved["item"]["content"][0]["audio"]
            .as_str()
            .map(str::to_owned);
        text.map(|text| crate::openai_realtime::sound::decode_base64(&text).unwrap())
    };
    let heard = sound(&mut dialect, "u").unwrap();
    assert!(
        (47_000..=49_000).contains(&heard.len()),
        "one second: {}",
        heard.len()
    );
    let middle = i16::from_le_bytes([heard[24_000], heard[24_001]]);
    assert!((8_000..8_400).contains(&middle), "{middle}");
    assert_eq!(sound(&mut dialect, "a").unwrap().len(), 10 * FRAME * 2);
    // What was cut is not shown any more, and what was deleted is gone.
    let cut = json!({"type": "conversation.item.truncate", "item_id": "a", "content_index": 0,
        "audio_end_ms": 40});
    send(&mut dialect, &cut);
    let at = Duration::from_millis(40);
    tell(
        &mut dialect,
        [CallEvent::ItemTruncated {
            item: id("a"),
            audio_end: at,
        }],
    );
    assert_eq!(sound(&mut dialect, "a").unwrap().len(), 2 * FRAME * 2);
    tell(&mut dialect, [CallEvent::ItemDeleted { item: id("u") }]);
    let retrieve = json!({"type": "conversation.item.retrieve", "item_id": "u"});
    assert_eq!(answer(&mut dialect, &retrieve)["type"], "error");
}

#[test]
fn settings_have_their_effect() {
    let mut dialect = with(SessionDefaults {
        languages: vec!["en".into()],
        ..SessionDefaults::default()
    });
    let all = update(&json!({
        "parallel_tool_calls": false, "reasoning": {"effort": "low"},
        "truncation": {"type": "retention_ratio", "retention_ratio": 0.5,
            "token_limits": {"post_instructions": 100}},
        "audio": {"input": {
            "noise_reduction": {"type": "far_field"},
            "transcription": {"language": "en-US", "delay": "high"},
            "turn_detection": {"type": "server_vad", "threshold": 0.8, "prefix_padding_ms": 250,
                "idle_timeout_ms": 5000}}}}));
    let received = send(&mut dialect, &all);
    assert_eq!(received.noise, Some(NoiseReduction::FarStrong));
    let Command::Configure(settings) = &received.commands[0].1 else {
        panic!("{received:?}");
    };
    let policy = settings.policy.as_ref().unwrap();
    assert_eq!(policy.threshold, Some(0.8));
    assert_eq!(policy.prefix, Duration::from_millis(250));
    assert!(policy.idle_by_model);
    let hearing = settings.hearing.as_ref().unwrap();
    assert_eq!(hearing.language.as_deref(), Some("en"));
    assert_eq!(hearing.delay, Some(Duration::from_millis(960)));
    assert_eq!(settings.parallel_calls, Some(Some(false)));
    assert_eq!(settings.effort, Some(Some(Effort::Low)));
    let wanted = Truncation::Ratio {
        keep: 0.5,
        chars: Some(400),
    };
    assert_eq!(settings.truncation, Some(wanted));
    let gentle = update(&json!({"audio": {"input": {"noise_reduction": {"strength": 0.2}}}}));
    assert_eq!(send(&mut dialect, &gentle).noise, Some(NoiseReduction::Far));
    let off = update(&json!({"audio": {"input": {"noise_reduction": null}}}));
    assert_eq!(send(&mut dialect, &off).noise, Some(NoiseReduction::Usual));
    let french = update(&json!({"audio": {"input": {"transcription": {"language": "fr"}}}}));
    let error = answer(&mut dialect, &french);
    assert_eq!(
        error["error"]["param"],
        "session.audio.input.transcription.language"
    );
}

#[test]
fn how_sure_the_recogniser_was_is_told_to_who_asks() {
    let said = || CallEvent::UserSaid {
        item: id("u"),
        text: "hi".into(),
        audio: Duration::from_secs(1),
        words: vec![HeardWord {
            text: "hi".into(),
            start: Duration::ZERO,
            end: Duration::from_secs(1),
            confidence: 0.5,
        }],
    };
    let mut dialect = dialect(Carrier::WebSocket);
    let transcribed = update(&json!({"audio": {"input": {"transcription": {"model": "x"}}}}));
    send(&mut dialect, &transcribed);
    let seen = tell(&mut dialect, [said()]);
    assert!(seen[1].get("logprobs").is_none());
    let asked = update(&json!({"include": ["item.input_audio_transcription.logprobs"]}));
    send(&mut dialect, &asked);
    let seen = tell(&mut dialect, [said()]);
    let logprob = &seen[1]["logprobs"][0];
    assert_eq!(logprob["token"], "hi");
    assert_eq!(logprob["bytes"], json!([104, 105]));
    assert!((logprob["logprob"].as_f64().unwrap() + 0.693).abs() < 0.001);
}

#[test]
fn a_session_for_transcription_writes_down_and_answers_nothing() {
    let mut dialect = Dialect::new(
        DialectOptions {
            kind: SessionKind::Transcription,
            ..options(Carrier::WebSocket)
        },
        SessionDefaults::default(),
    );
    let policy = dialect.settings().policy.unwrap();
    assert!(!policy.reply && !policy.interrupt);
    let created = events(dialect.opened()).remove(0);
    let session = &created["session"];
    assert_eq!(session["object"], "realtime.transcription_session");
    assert_eq!(
        session["audio"]["input"]["transcription"]["model"],
        "voiced"
    );
    assert!(session.get("instructions").is_none());
    let update = json!({"type": "session.update", "session": {"type": "transcription",
        "audio": {"input": {"turn_detection": null, "transcription": {"model": "x"}}}}});
    let (updated, settings) = answer_and_settings(&mut dialect, &update);
    assert_eq!(
        updated["session"]["audio"]["input"]["turn_detection"],
        Value::Null
    );
    assert_eq!(settings.policy.unwrap().mode, TurnMode::Manual);
    for (event, param) in [
        (json!({"type": "response.create"}), "type"),
        (json!({"type": "conversation.item.create"}), "type"),
        (super::update(&json!({})), "session.type"),
        (
            json!({"type": "session.update", "session": {"type": "transcription", "tools": []}}),
            "session.tools",
        ),
    ] {
        assert_eq!(
            answer(&mut dialect, &event)["error"]["param"],
            param,
            "{event}"
        );
    }
}
