//! Other words over the same socket: transcription sessions, vLLM's and Mistral's dialects, and
//! responses outside the conversation.
use super::*;
use crate::{http::tests::front_desk::ANSWER, keys::Keys};

#[tokio::test]
async fn a_transcription_session_writes_down_and_says_nothing() {
    let daemon = daemon(|_| {}).await;
    let mut client = connect(&daemon, "intent=transcription").await;
    client.append(0.0, 200).await;
    client.append(0.5, 400).await;
    client.append(0.0, 1_500).await;
    let done = "conversation.item.input_audio_transcription.completed";
    let seen = client.until(done).await;
    assert_eq!(seen.last().unwrap()["transcript"], HEARD);
    client.append(0.0, 1_000).await;
    client
        .send(json!({"type": "response.create", "event_id": "e"}))
        .await;
    let next = client.next().await;
    assert_eq!(
        (&next["type"], &next["error"]["event_id"]),
        (&json!("error"), &json!("e"))
    );
}

#[tokio::test]
async fn a_client_of_vllm_is_understood_at_the_same_address() {
    let daemon = daemon(|_| {}).await;
    let mut client = connect(&daemon, "").await;
    client
        .send(json!({"type": "session.update", "model": "voxtral"}))
        .await;
    client
        .send(json!({"type": "input_audio_buffer.commit", "final": false}))
        .await;
    // 16 kHz here: 24 samples a millisecond last longer, which is all the same.
    client.append(0.5, 400).await;
    client
        .send(json!({"type": "input_audio_buffer.commit", "final": true}))
        .await;
    let seen = client.until("transcription.done").await;
    assert_eq!(seen.last().unwrap()["text"], HEARD);
    // The next utterance over the same socket; an empty one is answered too.
    client
        .send(json!({"type": "input_audio_buffer.commit", "final": true}))
        .await;
    let seen = client.until("transcription.done").await;
    assert_eq!(seen.last().unwrap()["text"], "");
}

#[tokio::test]
async fn a_client_of_mistral_is_served_at_its_own_address() {
    let daemon = daemon(|_| {}).await;
    let path = "/v1/audio/transcriptions/realtime?model=voxtral";
    let mut client = connect(&daemon, path).await;
    let pcm = voiced_core::audio::to_pcm16(&vec![0.5; 16 * 400]);
    let audio = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pcm);
    client
        .send(json!({"type": "input_audio.append", "audio": audio}))
        .await;
    client.send(json!({"type": "input_audio.end"})).await;
    let seen = client.until("transcription.done").await;
    let done = seen.last().unwrap();
    assert_eq!(
        (&done["text"], &done["model"]),
        (&json!(HEARD), &json!("voxtral"))
    );
    let (code, _) = client.closed().await;
    assert_eq!(code, 1000, "nothing more is to come");
}

#[tokio::test]
async fn a_response_outside_the_conversation_is_heard_beside_it() {
    let daemon = daemon(|_| {}).await;
    let mut client = connect(&daemon, "model=m").await;
    let response = json!({"conversation": "none", "metadata": {"topic": "x"}, "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]});
    client
        .send(json!({"type": "response.create", "response": response}))
        .await;
    let seen = client.until("response.done").await;
    let done = &seen.last().unwrap()["response"];
    assert_eq!(done["conversation_id"], serde_json::Value::Null);
    assert_eq!(done["metadata"]["topic"], "x");
    assert_eq!(done["output"][0]["content"][0]["transcript"], ANSWER);
    position(&seen, "response.output_audio.delta");
    assert!(
        !seen
            .iter()
            .any(|event| event["type"] == "conversation.item.added")
    );
    assert!(client.answers().await, "the conversation goes on");
}

#[tokio::test]
async fn who_may_join_a_call_and_what_is_joined() {
    let keys = Keys::new(["sesame"]);
    let now = crate::keys::unix_now();
    let minute = Duration::from_secs(60);
    let (secret, _) = keys.mint("ek_", None, minute, now).unwrap();
    let (mistral, _) = keys.mint("rt_", None, minute, now).unwrap();
    let daemon = daemon(|doors| doors.keys = keys).await;
    let status = async |query: &str, token: &str| {
        let stream = TcpStream::connect(daemon.address).await.unwrap();
        let protocols = format!("realtime, {token}");
        match connect_over(&daemon, stream, query, &protocols).await {
            Ok(client) => client.response.status().as_u16(),
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    };
    let key = "openai-insecure-api-key.sesame";
    let secret = format!("openai-insecure-api-key.{secret}");
    assert_eq!(status("call_id=rtc_nobody", key).await, 404);
    assert_eq!(status("call_id=rtc_nobody&model=m", key).await, 400);
    assert_eq!(status("call_id=rtc_nobody", &secret).await, 403);
    assert_eq!(status("intent=nonsense", key).await, 400);
    assert_eq!(
        status("model=m", "openai-insecure-api-key.ek_forged").await,
        401
    );
    assert_eq!(
        status("/v1/audio/transcriptions/realtime", &mistral).await,
        101
    );
    assert_eq!(
        status("/v1/audio/transcriptions/realtime", "rt_forged").await,
        401
    );
}
