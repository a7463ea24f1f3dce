//! Real sound through a whole daemon with the embedded engines, over WebSocket: what is said is
//! understood, what is answered can be understood, interruptions stop it and coughs do not.
#![allow(clippy::unwrap_used)]
use std::time::Duration;

use voiced_tests::{
    caller::Caller,
    daemon::Daemon,
    sound::{
        cough, recording, recordings, silence, spoken, transcribed, word_error_rate, words_found,
    },
};

/// Share of wrong words allowed for synthesised speech through the embedded recogniser. Measured:
/// 4–15 % in `asr`'s own tests; short questions have few words, so one wrong weighs much.
const SYNTHETIC: f64 = 0.4;
/// The same for recorded human speech: two words in five are wrong (`asr` measures it).
const HUMAN: f64 = 0.6;

#[tokio::test]
async fn a_spoken_question_is_answered_by_a_voice() {
    let daemon = Daemon::embedded().await;
    // Its answer is the same at any time of day.
    let question = spoken("Hello. Can you hear me?").await;
    let mut caller = Caller::connect(&daemon).await;
    caller.say(&silence(300));
    caller.say(&question);
    let done = caller.until("response.done").await;
    assert_eq!(done["response"]["status"], "completed", "{done}");
    let heard = caller.transcript();
    let errors = word_error_rate("hello can you hear me", &heard);
    assert!(errors <= SYNTHETIC, "{errors:.2} of '{heard}'");

    let reply = caller.reply();
    let understood = transcribed(&caller.heard()).await;
    let found = words_found(&reply, &understood);
    assert!(found >= 0.5, "'{reply}' was heard as '{understood}'");
}

#[tokio::test]
async fn recorded_people_are_understood_within_reason() {
    let Some(folder) = recordings() else { return };
    let daemon = Daemon::embedded().await;
    let truth = "And so, my fellow Americans, ask not what your country can do for you. \
                 Ask what you can do for your country.";
    let mut caller = Caller::connect(&daemon).await;
    caller.say(&recording(&folder.join("jfk.wav")));
    caller.say(&silence(1_000));
    // A speech with pauses may be several turns; the last word of it must have been heard.
    caller
        .until_that("end of the speech", |event| {
            event["transcript"]
                .as_str()
                .is_some_and(|text| text.to_lowercase().contains("country"))
                && event["type"] == "conversation.item.input_audio_transcription.completed"
        })
        .await;
    caller.attend(Duration::from_secs(4)).await;
    let heard = caller.transcript();
    let errors = word_error_rate(truth, &heard);
    assert!(errors <= HUMAN, "{errors:.2} of '{heard}'");
}

#[tokio::test]
async fn words_over_a_story_stop_it_and_are_answered() {
    let daemon = Daemon::embedded().await;
    let interruption = spoken("Stop please. What time is it?").await;
    let mut caller = Caller::connect(&daemon).await;
    caller.say(&silence(200));
    caller.type_words("tell me a long story").await;
    caller.until("response.output_audio.delta").await;
    caller.attend(Duration::from_secs(2)).await;
    caller.say(&interruption);
    let done = caller.until("response.done").await;
    assert_eq!(done["response"]["status"], "cancelled", "{done}");
    assert_eq!(
        done["response"]["status_details"]["reason"],
        "turn_detected"
    );
    let ended = caller.until("voiced.reply.ended").await;
    let (text, heard) = (
        ended["text"].as_str().unwrap(),
        ended["heard_text"].as_str().unwrap(),
    );
    assert!(
        text.starts_with(heard) && heard.len() < text.len(),
        "{ended}"
    );
    assert!(!heard.is_empty(), "two seconds of it were heard");
    let done = caller.until("response.done").await;
    assert_eq!(
        done["response"]["status"], "completed",
        "the new turn is answered"
    );
}

#[tokio::test]
async fn a_cough_over_a_story_does_not_stop_it() {
    let daemon = Daemon::embedded().await;
    let mut caller = Caller::connect(&daemon).await;
    caller.say(&silence(200));
    caller.type_words("count to twenty").await;
    caller.until("response.output_audio.delta").await;
    caller.attend(Duration::from_secs(1)).await;
    caller.say(&cough(250));
    let done = caller.until("response.done").await;
    assert_eq!(done["response"]["status"], "completed", "{done}");
    let understood = transcribed(&caller.heard()).await;
    let reply = caller.reply();
    let found = words_found(&reply, &understood);
    assert!(found >= 0.5, "'{reply}' was heard as '{understood}'");
}

#[tokio::test]
async fn the_agent_hangs_up_when_asked_to() {
    let daemon = Daemon::embedded().await;
    let mut caller = Caller::connect(&daemon).await;
    caller.type_words("goodbye").await;
    let ended = caller.until("voiced.call.ended").await;
    assert!(ended["reason"].as_str().is_some(), "{ended}");
}
