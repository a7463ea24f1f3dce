//! What a client asks for, and how it is refused.
use voiced_core::{
    engine::ToolChoice,
    turn::{CommandId, Message, Place, Refusal, ReplyOptions, Role},
};

use super::*;

#[test]
fn a_truncation_by_command_is_acknowledged() {
    let mut dialect = dialect(Carrier::WebSocket);
    tell(
        &mut dialect,
        [
            started(1, "a", true),
            text(1, "One two."),
            ended(1, "a", ReplyOutcome::Interrupted, "One two.", 3),
        ],
    );
    let event = json!({"type": "conversation.item.truncate", "item_id": "a", "content_index": 0,
        "audio_end_ms": 1500});
    assert_eq!(
        command(&mut dialect, &event),
        Command::Truncate {
            item: id("a"),
            audio_end: Duration::from_millis(1_500)
        }
    );
    let told = CallEvent::ItemTruncated {
        item: id("a"),
        audio_end: Duration::from_millis(40),
    };
    let seen = tell(&mut dialect, [told]);
    assert_eq!(types(&seen), ["conversation.item.truncated"]);
    assert_eq!(seen[0]["audio_end_ms"], 40);
    let item = answer(
        &mut dialect,
        &json!({"type": "conversation.item.retrieve", "item_id": "a"}),
    );
    assert_eq!(item["item"]["content"][0]["transcript"], "");
}

#[test]
fn a_response_is_asked_for_with_overrides_and_metadata() {
    let mut dialect = dialect(Carrier::WebSocket);
    let asked = send(
        &mut dialect,
        &json!({"type": "response.create", "event_id": "e1", "response": {
            "instructions": "Greet.", "output_modalities": ["text"], "max_output_tokens": 50,
            "tool_choice": "none", "metadata": {"client_event_id": "x"}}}),
    );
    let commands: Vec<&Command> = asked.commands.iter().map(|(_, command)| command).collect();
    assert_eq!(
        commands,
        [&Command::Respond(ReplyOptions {
            instructions: Some("Greet.".into()),
            spoken: Some(false),
            max_tokens: Some(Some(50)),
            tool_choice: Some(ToolChoice::None),
            ..ReplyOptions::default()
        })]
    );
    let seen = tell(
        &mut dialect,
        [
            CallEvent::ReplyStarted {
                epoch: Epoch(1),
                item: id("a"),
                previous: None,
                spoken: false,
                asked: Some(asked.commands[0].0),
            },
            text(1, "Hello."),
            ended(1, "a", ReplyOutcome::Completed, "Hello.", 6),
        ],
    );
    assert_eq!(
        types(&seen),
        [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]
    );
    for response in [&seen[0]["response"], &seen[9]["response"]] {
        assert_eq!(response["metadata"], json!({"client_event_id": "x"}));
        assert_eq!(response["output_modalities"], json!(["text"]));
        assert_eq!(response["max_output_tokens"], 50);
    }
    // The next one is the session's own again.
    let seen = tell(&mut dialect, [started(2, "b", true)]);
    assert_eq!(seen[0]["response"]["metadata"], Value::Null);
}

#[test]
fn refusals_have_the_codes_clients_branch_on_and_name_the_event() {
    let cases = [
        (
            json!({"type": "response.create"}),
            Refusal::ReplyActive,
            "conversation_already_has_active_response",
        ),
        (
            json!({"type": "response.cancel"}),
            Refusal::NoReply,
            "response_cancel_not_active",
        ),
        (
            json!({"type": "conversation.item.delete", "item_id": "x"}),
            Refusal::NoSuchItem,
            "item_delete_invalid_item_id",
        ),
        (
            json!({"type": "conversation.item.truncate", "item_id": "x", "content_index": 0,
            "audio_end_ms": 1}),
            Refusal::NoSuchItem,
            "item_truncate_invalid_item_id",
        ),
        (
            json!({"type": "conversation.item.truncate", "item_id": "x", "content_index": 0,
            "audio_end_ms": 1}),
            Refusal::NotSpoken,
            "unsupported_content_type",
        ),
        (
            json!({"type": "conversation.item.create", "item": {"type": "message", "role": "user",
            "id": "x", "content": [{"type": "input_text", "text": "t"}]}}),
            Refusal::DuplicateItem,
            "item_create_duplicate_item_id",
        ),
    ];
    for (mut event, refusal, code) in cases {
        let mut dialect = dialect(Carrier::WebSocket);
        event["event_id"] = json!("mine");
        let (id, _) = send(&mut dialect, &event).commands[0].clone();
        let seen = tell(&mut dialect, [CallEvent::Refused { id, refusal }]);
        assert_eq!(types(&seen), ["error"]);
        let error = &seen[0]["error"];
        assert_eq!(
            (&error["code"], &error["event_id"]),
            (&json!(code), &json!("mine"))
        );
        if refusal == Refusal::NoReply {
            assert!(
                error["message"]
                    .as_str()
                    .unwrap()
                    .starts_with("Cancellation failed")
            );
        }
        // Said once.
        assert!(tell(&mut dialect, [CallEvent::Refused { id, refusal }]).is_empty());
    }
    let unknown = CallEvent::Refused {
        id: CommandId(77),
        refusal: Refusal::NoReply,
    };
    assert!(tell(&mut dialect(Carrier::WebSocket), [unknown]).is_empty());
}

#[test]
fn a_refused_response_does_not_lend_its_metadata_to_the_next() {
    let mut dialect = dialect(Carrier::WebSocket);
    let event = json!({"type": "response.create", "response": {"metadata": {"k": "v"}}});
    let (id, _) = send(&mut dialect, &event).commands[0].clone();
    tell(
        &mut dialect,
        [CallEvent::Refused {
            id,
            refusal: Refusal::ReplyActive,
        }],
    );
    let seen = tell(&mut dialect, [started(1, "a", true)]);
    assert_eq!(seen[0]["response"]["metadata"], Value::Null);
}

#[test]
fn items_are_added_where_asked() {
    let mut dialect = dialect(Carrier::WebSocket);
    let create = |previous: Value| {
        json!({"type": "conversation.item.create", "previous_item_id": previous, "item": {
            "id": "mine", "type": "message", "role": "assistant",
            "content": [{"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}]}})
    };
    for (previous, wanted) in [
        (Value::Null, Place::End),
        (json!("root"), Place::Start),
        (json!("x"), Place::After(id("x"))),
    ] {
        assert_eq!(
            command(&mut dialect, &create(previous)),
            Command::AddItem {
                id: Some(id("mine")),
                place: wanted,
                message: Message::new(Role::Assistant, "a\nb"),
            }
        );
    }
}
