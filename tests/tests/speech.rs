//! Speech without a call at a whole daemon: what calls and requests do to one another, and what
//! strangers may not do.
#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use voiced_core::audio::to_pcm16;
use voiced_tests::{
    caller::Caller,
    daemon::{Daemon, SOON},
};

const BOUNDARY: &str = "x-x-x";

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A WAV file with a tone in it.
fn wav(seconds: f32) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    for i in 0..(16_000.0 * seconds) as usize {
        writer
            .write_sample(((i as f32 * 0.2).sin() * 9_000.0) as i16)
            .unwrap();
    }
    writer.finalize().unwrap();
    file.into_inner()
}

fn form(file: &[u8], fields: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(
            format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
            .into_bytes(),
        );
    }
    body.extend(
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; \
             filename=\"a.wav\"\r\n\r\n"
        )
        .into_bytes(),
    );
    body.extend(file);
    body.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
    body
}

async fn transcribe(daemon: &Daemon, file: &[u8]) -> reqwest::Response {
    client()
        .post(format!("{}/v1/audio/transcriptions", daemon.url))
        .header(
            "content-type",
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .body(form(file, &[("model", "any")]))
        .send()
        .await
        .unwrap()
}

async fn still_answers(caller: &mut Caller) {
    caller.type_words("hello").await;
    let done = caller.until("response.done").await;
    assert_eq!(done["response"]["status"], "completed");
}

/// A request whose body stays away; it holds a place until its connection ends.
async fn half_an_upload(daemon: &Daemon) -> TcpStream {
    let host = daemon.url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let head = format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: {host}\r\nContent-Type: \
         multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: 100000\r\n\r\n--{BOUNDARY}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn requests_and_calls_do_not_take_each_others_rows() {
    let settings = "[ear]\nengine = \"scripted\"\nrows = 3\n[mind]\nengine = \"fixed\"\n\
        [voice]\nengine = \"tone\"\n[services]\ntranscriptions = 1\nspeeches = 1\nwait_ms = 200\n";
    let daemon = Daemon::start(settings).await;
    // The only line is taken by a call; a recording is heard all the same.
    let mut caller = Caller::connect(&daemon).await;
    let answer = transcribe(&daemon, &wav(1.0)).await;
    assert_eq!(answer.status(), 200);
    let heard: Value = answer.json().await.unwrap();
    assert_eq!(heard["text"], "", "a tone is no speech");
    // The only place for requests is taken; calls do not mind, and the next request is told when.
    let held = half_an_upload(&daemon).await;
    let busy = async {
        loop {
            let answer = transcribe(&daemon, &wav(0.2)).await;
            if answer.status() == 429 {
                return answer;
            }
        }
    };
    let busy = timeout(SOON, busy).await.expect("the place is taken");
    assert!(busy.headers().contains_key("retry-after"));
    still_answers(&mut caller).await;
    drop(caller);
    let mut caller = Caller::connect(&daemon).await;
    // A client that goes away gives its place back.
    drop(held);
    let freed = async { while transcribe(&daemon, &wav(0.2)).await.status() != 200 {} };
    timeout(SOON, freed).await.expect("the place is free again");
    still_answers(&mut caller).await;
}

#[tokio::test]
async fn a_listener_that_leaves_frees_the_voice() {
    let daemon = Daemon::scripted(3, "[services]\nspeeches = 1\nwait_ms = 100\n").await;
    let long = "Once there was a kettle. ".repeat(160);
    let ask = |text: &str| {
        client()
            .post(format!("{}/v1/audio/speech", daemon.url))
            .json(
                &json!({"input": text, "voice": "alloy", "model": "any", "response_format": "pcm"}),
            )
            .send()
    };
    let mut speaking = ask(&long).await.unwrap();
    assert_eq!(speaking.status(), 200);
    speaking.chunk().await.unwrap().expect("the first sound");
    drop(speaking);
    let freed = async { while ask("hello").await.unwrap().status() != 200 {} };
    timeout(SOON, freed).await.expect("the voice is free again");
}

#[tokio::test]
async fn hostile_recordings_cost_only_their_own_request() {
    let daemon = Daemon::scripted(
        3,
        "[services]\nmax_upload_mib = 1\nmax_recording_minutes = 1\n",
    )
    .await;
    let mut caller = Caller::connect(&daemon).await;
    let mut truncated = wav(0.5);
    truncated.truncate(1_000);
    let mut lying = wav(0.5);
    lying[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut channels = wav(0.1);
    channels[22..24].copy_from_slice(&u16::MAX.to_le_bytes());
    let mut rate = wav(0.1);
    rate[24..28].copy_from_slice(&0_u32.to_le_bytes());
    let flac = [b"fLaC".as_slice(), &[0xff; 5_000]].concat();
    let ogg = [b"OggS".as_slice(), &[0; 5_000]].concat();
    let mp4 = [b"\0\0\0\x18ftypM4A \0\0\0\0".as_slice(), &[0xff; 5_000]].concat();
    let bare = to_pcm16(&[0.5; 4_000]);
    for file in [
        &[][..],
        b"RIFF",
        &truncated,
        &lying,
        &channels,
        &rate,
        &flac,
        &ogg,
        &mp4,
        &bare,
    ] {
        let answer = transcribe(&daemon, file).await;
        let status = answer.status().as_u16();
        assert!(status == 200 || (400..500).contains(&status), "{status}");
    }
    // A minute and a half of silence packs into little; it is refused for its length.
    let mut long = wav(0.0);
    let n_bytes = 90 * 4_000 * 2;
    long[24..28].copy_from_slice(&4_000_u32.to_le_bytes());
    long[4..8].copy_from_slice(&(36 + n_bytes as u32).to_le_bytes());
    long[40..44].copy_from_slice(&(n_bytes as u32).to_le_bytes());
    long.resize(44 + n_bytes, 0);
    let answer = transcribe(&daemon, &long).await;
    assert_eq!(answer.status(), 413);
    let why: Value = answer.json().await.unwrap();
    assert_eq!(why["error"]["code"], "audio_too_long");
    assert_eq!(transcribe(&daemon, &vec![0; 2 << 20]).await.status(), 413);
    still_answers(&mut caller).await;
}

#[tokio::test]
async fn pages_of_other_sites_may_neither_hear_nor_speak() {
    let daemon = Daemon::scripted(3, "").await;
    for path in [
        "/v1/audio/speech",
        "/v1/audio/transcriptions",
        "/v1/realtime/client_secrets",
    ] {
        let answer = client()
            .post(format!("{}{path}", daemon.url))
            .header("origin", "https://evil.example")
            .json(&json!({"input": "hello"}))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403, "{path}");
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn forged_and_foreign_keys_open_nothing() {
    // Any variable serves as a key; this one is set wherever tests run.
    let key = std::env::var("PATH").unwrap();
    let key = key.split(',').next().unwrap().trim().to_owned();
    let daemon = Daemon::scripted(3, "[listen]\napi_keys_env = \"PATH\"\n").await;
    let ask = async |path: &str, token: &str| {
        let asked = client()
            .post(format!("{}{path}", daemon.url))
            .bearer_auth(token);
        asked.json(&json!({})).send().await.unwrap()
    };
    let made: Value = ask("/v1/realtime/client_secrets", &key)
        .await
        .json()
        .await
        .unwrap();
    let secret = made["value"].as_str().unwrap().to_owned();
    let mut forged = secret.clone();
    let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
    forged.push(last);
    for token in [
        "",
        "ek_",
        "ek_forged",
        &forged,
        &secret[3..],
        "Bearer",
        "null",
    ] {
        for path in [
            "/v1/realtime/client_secrets",
            "/v1/audio/speech",
            "/v1/realtime/calls",
        ] {
            assert_eq!(
                ask(path, token).await.status(),
                401,
                "{path} with {token:?}"
            );
        }
    }
    // A secret opens a session and makes no other secret.
    assert_eq!(
        ask("/v1/realtime/client_secrets", &secret).await.status(),
        403
    );
    let url = daemon.socket_url("model=voiced");
    assert!(tokio_tungstenite::connect_async(&url).await.is_err());
}

#[tokio::test]
async fn a_flood_of_events_is_answered_or_ends_and_hurts_nobody_else() {
    let daemon = Daemon::scripted(3, "").await;
    let mut other = Caller::connect(&daemon).await;
    let mut flood = Caller::connect(&daemon).await;
    let item = json!({"type": "message", "role": "user",
        "content": [{"type": "input_text", "text": "x".repeat(1_000)}]});
    for _ in 0..3_000 {
        flood
            .send(json!({"type": "conversation.item.create", "item": item}))
            .await;
        flood
            .send(json!({"type": "session.update", "session": {"type": "realtime"}}))
            .await;
    }
    still_answers(&mut other).await;
    // As much sound as one event may carry, at once and again.
    let mut loud = Caller::connect(&daemon).await;
    let sound = "A".repeat(4 << 20);
    for _ in 0..4 {
        loud.send(json!({"type": "input_audio_buffer.append", "audio": sound}))
            .await;
    }
    still_answers(&mut other).await;
}

#[tokio::test]
async fn going_down_waits_for_what_is_being_said() {
    let mut daemon = Daemon::scripted(3, "").await;
    let url = format!("{}/v1/audio/speech", daemon.url);
    let asked = json!({"input": "hello there", "voice": "alloy", "response_format": "wav"});
    let answer = client().post(url).json(&asked).send().await.unwrap();
    daemon.terminate();
    let sound = timeout(SOON, answer.bytes()).await.unwrap().unwrap();
    assert!(
        sound.starts_with(b"RIFF") && sound.len() > 10_000,
        "{}",
        sound.len()
    );
    assert_eq!(daemon.ended().await, 0);
}

#[tokio::test]
async fn nobody_talks_plainly_to_a_listener_that_speaks_tls() {
    // Half of one is a mistake that is told at the start.
    let mistake =
        voiced_tests::daemon::run(&["check", "--set", "listen.tls_key=/no/such.pem"], b"");
    let (code, _, why) = mistake.await;
    assert_eq!(code, 64);
    assert!(why.contains("listen.tls_certificate"), "{why}");
    let both = [
        "check",
        "--set",
        "listen.tls_key=/no/such.pem",
        "--set",
        "listen.tls_certificate=/no/such.pem",
    ];
    let (code, _, why) = voiced_tests::daemon::run(&both, b"").await;
    assert_eq!(code, 64);
    assert!(why.contains("/no/such.pem holds no certificate"), "{why}");
}

#[tokio::test]
async fn a_body_that_dribbles_is_cut_off() {
    let daemon = Daemon::scripted(3, "[services]\nupload_within_ms = 1000\n").await;
    let mut stream = half_an_upload(&daemon).await;
    let mut answer = [0; 64];
    let n_bytes = timeout(SOON, stream.read(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let answer = String::from_utf8_lossy(&answer[..n_bytes]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}
