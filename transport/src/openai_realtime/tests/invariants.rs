//! Whatever the order of events, the rules of the wire hold: one `response.done` for every
//! `response.created` and nothing of it afterwards, a `done` for everything `added`, unique ids,
//! transcripts equal to their deltas.
use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use voiced_core::turn::{CommandId, EndReason, Refusal, ToolCall, ToolRuns};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Told(CallEvent),
    Sent(Value),
    Played(Box<PlayoutFrame>),
}

fn epoch() -> impl Strategy<Value = u64> {
    0..4_u64
}

fn outcome() -> impl Strategy<Value = ReplyOutcome> {
    prop::sample::select(vec![
        ReplyOutcome::Completed,
        ReplyOutcome::CutShort,
        ReplyOutcome::Interrupted,
        ReplyOutcome::Cancelled,
        ReplyOutcome::Failed("no".into()),
    ])
}

fn user_item() -> impl Strategy<Value = ItemId> {
    prop::sample::select(vec![id("u0"), id("u1"), id("u2")])
}

fn told() -> impl Strategy<Value = CallEvent> {
    let at = Duration::from_millis(100);
    prop_oneof![
        4 => (epoch(), any::<bool>()).prop_map(|(e, spoken)| started(e, &format!("a{e}"), spoken)),
        8 => (epoch(), "[a-zä ]{0,6}").prop_map(|(e, t)| text(e, &t)),
        4 => (epoch(), outcome(), "[a-z ]{0,8}", 0..9_usize)
            .prop_map(|(e, o, w, h)| ended(e, &format!("a{e}"), o, &w, h)),
        2 => (epoch(), any::<bool>()).prop_map(|(e, here)| CallEvent::ToolCalled {
            epoch: Epoch(e),
            item: id(&format!("f{e}")),
            call: ToolCall { id: "c".into(), name: "n".into(), arguments: "{}".into() },
            runs: if here { ToolRuns::Here } else { ToolRuns::AtClient },
        }),
        2 => epoch().prop_map(move |e| CallEvent::ItemTruncated {
            item: id(&format!("a{e}")),
            audio_end: at,
        }),
        2 => user_item().prop_map(move |item| CallEvent::SpeechStarted { item, at }),
        2 => (user_item(), "[ab ]{0,9}").prop_map(|(item, text)| CallEvent::Partial { item, text }),
        2 => user_item().prop_map(|item| CallEvent::Committed { item, previous: None }),
        2 => (user_item(), "[ab ]{0,9}").prop_map(move |(item, text)| CallEvent::UserSaid {
            item,
            text,
            audio: at,
            words: Vec::new(),
        }),
        1 => user_item().prop_map(|item| CallEvent::Discarded { item }),
        1 => Just(CallEvent::Held),
        1 => Just(CallEvent::Resumed),
        1 => (0..20_u64).prop_map(|id| CallEvent::Refused {
            id: CommandId(id),
            refusal: Refusal::ReplyActive,
        }),
        1 => Just(CallEvent::Ended { reason: EndReason::Failed }),
    ]
}

fn sent() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"type": "response.create", "response": {"metadata": {"k": "v"}}}),
        json!({"type": "response.cancel"}),
        json!({"type": "input_audio_buffer.append", "audio": "AAAAAAA="}),
        json!({"type": "input_audio_buffer.commit"}),
        json!({"type": "conversation.item.retrieve", "item_id": "a1"}),
        json!({"type": "conversation.item.truncate", "item_id": "a1", "content_index": 0,
            "audio_end_ms": 10}),
        update(&json!({"output_modalities": ["text"]})),
        update(&json!({"audio": {"output": {"format": {"type": "audio/pcmu"}}}})),
        json!("nonsense"),
    ])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => told().prop_map(Step::Told),
        2 => sent().prop_map(Step::Sent),
        3 => (epoch(), any::<bool>()).prop_map(|(e, is_last)| Step::Played(Box::new(PlayoutFrame {
            is_last,
            ..frame(e, 0.1)
        }))),
    ]
}

/// Follows a transcript and panics where it breaks a rule.
#[derive(Default)]
struct Watcher {
    ids: HashSet<String>,
    /// Open responses: items added and not done, with their deltas.
    open: HashMap<String, HashMap<String, String>>,
    parts: HashSet<String>,
    finished: usize,
}

impl Watcher {
    fn see(&mut self, event: &Value) {
        let kind = event["type"].as_str().unwrap();
        let event_id = event["event_id"].as_str().unwrap();
        assert!(self.ids.insert(event_id.to_owned()), "{event_id} twice");
        let response = event["response"]["id"]
            .as_str()
            .or(event["response_id"].as_str());
        match kind {
            "response.created" => {
                let response = response.unwrap().to_owned();
                assert!(self.open.is_empty(), "two responses at once");
                self.open.insert(response, HashMap::new());
            }
            "response.done" => {
                let items = self
                    .open
                    .remove(response.unwrap())
                    .expect("created before done");
                assert!(items.is_empty(), "items left open: {items:?}");
                assert!(self.parts.is_empty(), "parts left open: {:?}", self.parts);
                self.finished += 1;
            }
            _ if kind.starts_with("response.") => self.content(kind, response.unwrap(), event),
            _ => {}
        }
    }

    fn content(&mut self, kind: &str, response: &str, event: &Value) {
        let items = self
            .open
            .get_mut(response)
            .expect("content of an open response");
        let item = event["item_id"]
            .as_str()
            .or(event["item"]["id"].as_str())
            .unwrap();
        match kind {
            "response.output_item.added" => {
                assert!(items.insert(item.to_owned(), String::new()).is_none());
            }
            "response.output_item.done" => {
                let deltas = items.remove(item).expect("added before done");
                let shown = &event["item"];
                let text = shown["content"][0]["transcript"]
                    .as_str()
                    .or(shown["content"][0]["text"].as_str());
                if let Some(text) = text {
                    assert_eq!(text, deltas);
                }
            }
            "response.content_part.added" => assert!(self.parts.insert(item.to_owned())),
            "response.content_part.done" => assert!(self.parts.remove(item)),
            "response.output_text.delta" | "response.output_audio_transcript.delta" => {
                items
                    .get_mut(item)
                    .unwrap()
                    .push_str(event["delta"].as_str().unwrap());
            }
            _ => assert!(items.contains_key(item), "{kind} for an item not open"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hold_for_every_order(
        steps in prop::collection::vec(step(), 0..80),
        webrtc in any::<bool>(),
        extensions in any::<bool>(),
    ) {
        let carrier = if webrtc { Carrier::WebRtc } else { Carrier::WebSocket };
        let mut dialect = Dialect::new(
            DialectOptions { extensions, ..options(carrier) },
            SessionDefaults::default(),
        );
        let mut watcher = Watcher::default();
        let mut lines = dialect.opened();
        for step in steps {
            lines.extend(match step {
                Step::Told(event) => dialect.told(event),
                Step::Sent(event) => dialect.received(&event.to_string()).replies,
                Step::Played(frame) => dialect.played(&frame),
            });
        }
        lines.extend(dialect.told(CallEvent::Ended { reason: EndReason::CallerLeft }));
        for event in events(lines) {
            watcher.see(&event);
        }
        prop_assert!(watcher.open.is_empty(), "every response ends with the call");
    }
}
