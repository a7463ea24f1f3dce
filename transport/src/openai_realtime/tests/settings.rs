//! The session object: whole at first, merged afterwards.
use voiced_core::{engine::ToolChoice, turn::TurnMode};

use super::*;

#[test]
fn a_session_is_created_whole() {
    let mut dialect = Dialect::new(options(Carrier::WebSocket), SessionDefaults::default());
    // What happens before the client is there comes after `session.created`.
    assert!(dialect.told(CallEvent::InputCleared).is_empty());
    let opened = events(dialect.opened());
    assert_eq!(
        types(&opened),
        ["session.created", "input_audio_buffer.cleared"]
    );
    assert_eq!(
        opened[0]["session"],
        json!({
            "type": "realtime", "object": "realtime.session", "id": "sess_t",
            "expires_at": 1_800_000_000, "model": "voiced", "output_modalities": ["audio"],
            "instructions": "", "tools": [], "tool_choice": "auto", "max_output_tokens": "inf",
            "truncation": "auto", "prompt": null, "tracing": null, "include": null,
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000}, "transcription": null,
                    "noise_reduction": null,
                    "turn_detection": {"type": "semantic_vad", "eagerness": "auto",
                        "create_response": true, "interrupt_response": true},
                },
                "output": {
                    "format": {"type": "audio/pcm", "rate": 24000}, "voice": "default",
                    "speed": 1.0,
                },
            },
        })
    );
}

#[test]
fn an_update_merges_and_configures() {
    let mut dialect = dialect(Carrier::WebSocket);
    let received = send(
        &mut dialect,
        &update(&json!({
            "instructions": "Be brief.", "tool_choice": "required",
            "audio": {
                "input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
                    "transcription": {"model": "x"}},
                "output": {"speed": 1.25},
            },
        })),
    );
    let Command::Configure(settings) = &received.commands[0].1 else {
        panic!("{received:?}");
    };
    let policy = settings.policy.as_ref().unwrap();
    assert_eq!(policy.mode, TurnMode::Silence(Duration::from_millis(300)));
    assert!(policy.reply && policy.interrupt);
    assert_eq!(settings.instructions.as_deref(), Some("Be brief."));
    assert_eq!(settings.tool_choice, Some(ToolChoice::Required));
    assert_eq!(settings.speed, Some(1.25));
    assert_eq!(settings.voice, None);
    let session = events(received.replies).remove(0)["session"].clone();
    assert_eq!(session["instructions"], "Be brief.");
    assert_eq!(session["audio"]["output"]["voice"], "default");

    // A second update keeps what it does not mention, and replaces only what it does.
    let again = answer_and_settings(
        &mut dialect,
        &update(&json!({"audio": {"input": {"turn_detection": {
            "type": "server_vad", "idle_timeout_ms": 6000, "create_response": false}}}})),
    );
    let detection = &again.0["session"]["audio"]["input"]["turn_detection"];
    assert_eq!(detection["silence_duration_ms"], 300);
    assert_eq!(detection["idle_timeout_ms"], 6000);
    let policy = again.1.policy.unwrap();
    assert!(!policy.reply);
    assert_eq!(policy.idle, Some(Duration::from_secs(6)));
    assert_eq!(
        again.0["session"]["audio"]["input"]["transcription"]["model"],
        "x"
    );

    // Null is manual; another type starts from its own defaults.
    let manual = update(&json!({"audio": {"input": {"turn_detection": null}}}));
    let (_, settings) = answer_and_settings(&mut dialect, &manual);
    let policy = settings.policy.unwrap();
    assert_eq!(policy.mode, TurnMode::Manual);
    assert!(!policy.reply);
    let semantic = update(&json!({"audio": {"input": {"turn_detection":
        {"type": "semantic_vad", "eagerness": "low"}}}}));
    let (_, settings) = answer_and_settings(&mut dialect, &semantic);
    let policy = settings.policy.unwrap();
    assert!(matches!(policy.mode, TurnMode::Detector { patience, .. } if patience.as_secs() == 8));
    assert!(policy.reply);
}
