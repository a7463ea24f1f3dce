//! Written-out transcripts: what a client sees, in order.
use voiced_core::turn::{EndReason, Place, Role, ToolCall, ToolRuns, TurnTimes};

use super::*;

#[test]
fn a_spoken_turn_and_its_reply() {
    let mut dialect = dialect(Carrier::WebSocket);
    send(
        &mut dialect,
        &update(&json!({"audio": {"input": {"transcription": {"model": "x"}}}})),
    );
    let mut seen = tell(
        &mut dialect,
        [
            CallEvent::SpeechStarted {
                item: id("u"),
                at: Duration::from_millis(300),
            },
            CallEvent::Partial {
                item: id("u"),
                text: "how are".into(),
            },
            CallEvent::Partial {
                item: id("u"),
                text: "how are you".into(),
            },
            CallEvent::SpeechStopped {
                item: id("u"),
                at: Duration::from_millis(1_500),
            },
            CallEvent::Committed {
                item: id("u"),
                previous: None,
            },
            CallEvent::UserSaid {
                item: id("u"),
                text: "how are you".into(),
                audio: Duration::from_millis(1_200),
                words: Vec::new(),
            },
            CallEvent::ReplyStarted {
                epoch: Epoch(1),
                item: id("a"),
                previous: Some(id("u")),
                spoken: true,
                asked: None,
            },
            text(1, "Well, "),
            text(1, "thanks."),
        ],
    );
    seen.extend(events(dialect.played(&frame(1, 0.5))));
    seen.extend(events(dialect.played(&last_frame(1))));
    seen.extend(tell(
        &mut dialect,
        [
            ended(1, "a", ReplyOutcome::Completed, "Well, thanks.", 13),
            CallEvent::TurnTimed(TurnTimes::default()),
            CallEvent::ReplyHeard { epoch: Epoch(1) },
        ],
    ));
    assert_eq!(
        types(&seen),
        [
            "input_audio_buffer.speech_started",
            "conversation.item.input_audio_transcription.delta",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.completed",
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio_transcript.delta",
            "response.output_audio_transcript.delta",
            "response.output_audio.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]
    );
    assert_eq!(seen[0]["audio_start_ms"], 300);
    assert_eq!(seen[1]["delta"], "how");
    assert_eq!(seen[6]["delta"], " are you");
    assert_eq!(seen[7]["transcript"], "how are you");
    assert_eq!(
        seen[7]["usage"],
        json!({"type": "duration", "seconds": 1.2})
    );
    assert_eq!(seen[10]["previous_item_id"], "u");
    let pcm = seen[14]["delta"].as_str().unwrap();
    assert_eq!(pcm.len(), (FRAME * 2).div_ceil(3) * 4);
    assert!(pcm.starts_with("AEAAQABA"), "0.5 is 0x4000: {pcm}");
    let response = &seen[20]["response"];
    assert_eq!(response["status"], "completed");
    assert_eq!(
        response["output"][0]["content"][0]["transcript"],
        "Well, thanks."
    );
    assert_eq!(response["usage"]["total_tokens"], 0);
    let retrieved = answer(
        &mut dialect,
        &json!({"type": "conversation.item.retrieve", "item_id": "u"}),
    );
    assert_eq!(retrieved["item"]["content"][0]["transcript"], "how are you");
}

#[test]
fn without_transcription_the_callers_words_stay_here() {
    let mut dialect = dialect(Carrier::WebSocket);
    let seen = tell(
        &mut dialect,
        [
            CallEvent::Partial {
                item: id("u"),
                text: "a b c".into(),
            },
            CallEvent::Partial {
                item: id("u"),
                text: "a b c d".into(),
            },
            CallEvent::UserSaid {
                item: id("u"),
                text: "a b c d".into(),
                audio: Duration::ZERO,
                words: Vec::new(),
            },
        ],
    );
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn an_interrupted_reply_is_cancelled_and_cut() {
    for carrier in [Carrier::WebSocket, Carrier::WebRtc] {
        let mut dialect = dialect(carrier);
        tell(
            &mut dialect,
            [started(1, "a", true), text(1, "One two three.")],
        );
        dialect.played(&frame(1, 0.1));
        let seen = tell(
            &mut dialect,
            [
                CallEvent::SpeechStarted {
                    item: id("u"),
                    at: Duration::from_secs(2),
                },
                CallEvent::ItemTruncated {
                    item: id("a"),
                    audio_end: Duration::from_millis(20),
                },
                ended(1, "a", ReplyOutcome::Interrupted, "One two three.", 3),
            ],
        );
        let done = seen.iter().find(|e| e["type"] == "response.done").unwrap();
        assert_eq!(done["response"]["status"], "cancelled");
        assert_eq!(
            done["response"]["status_details"]["reason"],
            "turn_detected"
        );
        assert_eq!(done["response"]["output"][0]["status"], "incomplete");
        let after: Vec<&str> = types(&seen)
            .into_iter()
            .skip_while(|t| *t != "response.done")
            .skip(1)
            .collect();
        match carrier {
            // The client holds the audio and will say what it played of it.
            Carrier::WebSocket => assert!(after.is_empty(), "{after:?}"),
            Carrier::WebRtc => assert_eq!(
                after,
                ["output_audio_buffer.cleared", "conversation.item.truncated"]
            ),
        }
        // Either way no unheard words are shown any more, and late audio goes nowhere.
        let item = answer(
            &mut dialect,
            &json!({"type": "conversation.item.retrieve", "item_id": "a"}),
        );
        assert_eq!(item["item"]["content"][0]["transcript"], "One");
        assert!(dialect.played(&frame(1, 0.1)).is_empty());
    }
}

#[test]
fn webrtc_tells_when_audio_flows() {
    let mut dialect = dialect(Carrier::WebRtc);
    tell(&mut dialect, [started(1, "a", true), text(1, "Hi.")]);
    let first = events(dialect.played(&frame(1, 0.1)));
    assert_eq!(types(&first), ["output_audio_buffer.started"]);
    assert!(
        dialect.played(&frame(1, 0.1)).is_empty(),
        "audio goes beside the events"
    );
    assert!(dialect.played(&last_frame(1)).is_empty());
    let seen = tell(
        &mut dialect,
        [ended(1, "a", ReplyOutcome::Completed, "Hi.", 3)],
    );
    assert_eq!(
        types(&seen)[seen.len() - 2..],
        ["response.done", "output_audio_buffer.stopped"]
    );
}

#[test]
fn a_client_tool_is_called_answered_and_replied_to() {
    let mut dialect = dialect(Carrier::WebSocket);
    let tools = json!([{"type": "function", "name": "weather", "parameters": {"type": "object"}}]);
    let (updated, settings) = answer_and_settings(&mut dialect, &update(&json!({"tools": tools})));
    assert_eq!(updated["session"]["tools"][0]["description"], "");
    let tools = settings.client_tools.unwrap();
    assert_eq!(
        (tools[0].name.as_str(), tools[0].runs),
        ("weather", ToolRuns::AtClient)
    );

    let call = ToolCall {
        id: "call_1".into(),
        name: "weather".into(),
        arguments: r#"{"city":"Berlin"}"#.into(),
    };
    let called = |runs| CallEvent::ToolCalled {
        epoch: Epoch(1),
        item: id("f"),
        call: call.clone(),
        runs,
    };
    let seen = tell(
        &mut dialect,
        [
            started(1, "a", true),
            // A tool of the daemon's own is none of the client's business.
            called(ToolRuns::Here),
            called(ToolRuns::AtClient),
            ended(1, "a", ReplyOutcome::Completed, "", 0),
        ],
    );
    assert_eq!(
        types(&seen),
        [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]
    );
    let item = &seen[1]["item"];
    assert_eq!(
        (&item["call_id"], &item["status"]),
        (&json!("call_1"), &json!("in_progress"))
    );
    assert_eq!(seen[4]["name"], "weather");
    assert_eq!(seen[6]["item"]["status"], "completed");
    assert_eq!(
        seen[7]["response"]["output"][0]["arguments"],
        r#"{"city":"Berlin"}"#
    );

    let output = json!({"type": "conversation.item.create", "item": {
        "type": "function_call_output", "call_id": "call_1", "output": "sunny"}});
    let Command::AddItem {
        id: None,
        place: Place::End,
        message,
    } = command(&mut dialect, &output)
    else {
        panic!("an output is added at the end");
    };
    assert_eq!(
        (message.role, message.answers.as_deref()),
        (Role::Tool, Some("call_1"))
    );
    let seen = tell(
        &mut dialect,
        [CallEvent::ItemAdded {
            item: id("o"),
            previous: Some(id("f")),
            message,
        }],
    );
    assert_eq!(
        types(&seen),
        ["conversation.item.added", "conversation.item.done"]
    );
    assert_eq!(seen[0]["item"]["output"], "sunny");
    assert_eq!(seen[0]["previous_item_id"], "f");
}

#[test]
fn a_call_that_ends_closes_its_response_and_says_no_more() {
    let mut dialect = dialect(Carrier::WebSocket);
    tell(&mut dialect, [started(1, "a", true), text(1, "Hi")]);
    let seen = tell(
        &mut dialect,
        [CallEvent::Ended {
            reason: EndReason::TooLong,
        }],
    );
    let seen = types(&seen);
    assert_eq!(seen[seen.len() - 2..], ["response.done", "error"]);
    assert!(dialect.told(text(1, "more")).is_empty());
    assert!(dialect.received("{").replies.is_empty());
}

#[test]
fn the_daemons_own_events_come_only_when_asked_for() {
    let extended = DialectOptions {
        extensions: true,
        ..options(Carrier::WebSocket)
    };
    let mut with = Dialect::new(extended, SessionDefaults::default());
    with.opened();
    let script = || {
        [
            CallEvent::Partial {
                item: id("u"),
                text: "hm".into(),
            },
            CallEvent::Discarded { item: id("u") },
            started(3, "a", true),
            text(3, "One two."),
            CallEvent::Held,
            CallEvent::Resumed,
            CallEvent::TurnTimed(TurnTimes {
                epoch: Epoch(3),
                decided: Some(Duration::from_millis(350)),
                ..TurnTimes::default()
            }),
            ended(3, "a", ReplyOutcome::Interrupted, "One two.", 3),
            CallEvent::Ended {
                reason: EndReason::AgentHungUp,
            },
        ]
    };
    let seen = tell(&mut with, script());
    let own: Vec<&Value> = seen
        .iter()
        .filter(|e| e["type"].as_str().unwrap().starts_with("voiced."))
        .collect();
    let partial = json!({"type": "voiced.transcript.partial", "item_id": "u", "text": "hm"});
    for (key, value) in partial.as_object().unwrap() {
        assert_eq!(&own[0][key], value);
    }
    let names: Vec<&str> = own.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "voiced.transcript.partial",
            "voiced.turn.discarded",
            "voiced.reply.held",
            "voiced.reply.resumed",
            "voiced.turn.timed",
            "voiced.reply.ended",
            "voiced.call.ended",
        ]
    );
    assert_eq!(own[2]["response_id"], "resp_t_3");
    assert_eq!(
        (&own[4]["decided_ms"], &own[4]["heard_ms"]),
        (&json!(350), &Value::Null)
    );
    assert_eq!(own[5]["heard_text"], "One");
    let seen = tell(&mut dialect(Carrier::WebSocket), script());
    assert!(
        types(&seen).iter().all(|t| !t.starts_with("voiced.")),
        "{seen:?}"
    );
    // Typed words over whatever is being said, for the console.
    let mut with = Dialect::new(
        DialectOptions {
            extensions: true,
            ..options(Carrier::WebRtc)
        },
        SessionDefaults::default(),
    );
    with.opened();
    let say = json!({"type": "voiced.say", "text": "stop"});
    assert_eq!(command(&mut with, &say), Command::Say("stop".into()));
    assert_eq!(
        answer(&mut dialect(Carrier::WebRtc), &say)["error"]["code"],
        "invalid_value"
    );
}
