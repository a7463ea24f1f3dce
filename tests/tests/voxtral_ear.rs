//! A whole daemon that hears with Voxtral Realtime, on the tiny checkpoint of its golden tests:
//! the words are nonsense, but they come as they should, in both layouts, for three calls at once;
//! and the commands around it.
#![allow(clippy::unwrap_used)]
use std::path::{Path, PathBuf};

use serde_json::Value;
use voiced_tests::{
    caller::Caller,
    daemon::{self, Daemon},
    sound::{recording, recordings, silence, spoken},
};

fn golden() -> PathBuf {
    daemon::root().join("asr/tests/golden")
}

/// The tiny checkpoint in one of its two layouts, in a folder of its own.
fn model(files: [&str; 2]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files.into_iter().chain(["tekken.json"]) {
        std::fs::copy(golden().join(file), folder.path().join(file)).unwrap();
    }
    folder
}

const MISTRAL: [&str; 2] = ["params.json", "consolidated.safetensors"];
const HUGGING_FACE: [&str; 2] = ["config.json", "model.safetensors"];

fn hearing_with(folder: &Path, more: &str) -> String {
    format!(
        "[ear]\nengine = \"voxtral\"\nrows = 6\n\
         [ear.voxtral]\nmodel = \"{}/\"\n{more}\n\
         [mind]\nengine = \"fixed\"\n[mind.fixed]\nwords = 150\n\
         [voice]\nengine = \"tone\"\n",
        folder.display()
    )
}

const COMPLETED: &str = "conversation.item.input_audio_transcription.completed";

#[tokio::test]
async fn speech_becomes_partial_and_final_words_and_a_reply_in_both_layouts() {
    for files in [MISTRAL, HUGGING_FACE] {
        let folder = model(files);
        let daemon = Daemon::start(&hearing_with(folder.path(), "weights = \"q8\"")).await;
        let mut caller = Caller::connect(&daemon).await;
        caller.say(&silence(300));
        caller.say(&spoken("Hello. Can you hear me?").await);
        let said = caller.until(COMPLETED).await;
        assert!(!said["transcript"].as_str().unwrap().is_empty(), "{said}");
        let deltas = caller.of("conversation.item.input_audio_transcription.delta");
        let deltas: Vec<&str> = deltas.map(|(_, e)| e["delta"].as_str().unwrap()).collect();
        assert!(!deltas.is_empty());
        // It is answered.
        caller.until("response.output_audio.delta").await;
    }
}

#[tokio::test]
async fn three_calls_at_once_are_heard_alike_and_interrupt() {
    let folder = model(MISTRAL);
    let daemon = Daemon::start(&hearing_with(folder.path(), "")).await;
    let words = spoken("Tell me something long, please.").await;
    let mut callers = Vec::new();
    for _ in 0..3 {
        let mut caller = Caller::connect(&daemon).await;
        caller.say(&silence(300));
        caller.say(&words);
        callers.push(caller);
    }
    let calls = callers.into_iter().map(|mut caller| {
        let words = words.clone();
        async move {
            caller.until(COMPLETED).await;
            caller.until("response.output_audio.delta").await;
            // Over the agent's voice, and again in case the first was taken for a cough.
            for _ in 0..2 {
                caller.say(&words);
                caller.say(&silence(1_500));
            }
            let done = caller.until("response.done").await;
            assert_eq!(done["response"]["status"], "cancelled", "{done}");
            caller.until(COMPLETED).await;
            caller.transcript()
        }
    });
    let heard = futures::future::join_all(calls).await;
    assert!(heard.iter().all(|text| !text.is_empty()), "{heard:?}");
}

#[tokio::test]
async fn check_and_engines_say_what_is_missing_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let missing = format!("ear.voxtral.model={}/none", folder.path().display());
    let asked = ["--set", "ear.engine=voxtral", "--set", &missing];
    let (code, _, errors) = daemon::run(&[&["check"], &asked[..]].concat(), b"").await;
    assert_eq!(code, 64, "{errors}");
    assert!(
        errors.contains("voiced models fetch voxtral-realtime"),
        "{errors}"
    );
    let (code, output, errors) = daemon::run(&[&["engines"], &asked[..]].concat(), b"").await;
    assert_eq!(code, 0, "{errors}");
    let output = String::from_utf8(output).unwrap();
    let line = output
        .lines()
        .find(|line| line.contains("*voxtral"))
        .unwrap();
    assert!(
        line.contains("NOT available") && line.contains("fetch"),
        "{line}"
    );
}

#[tokio::test]
async fn recordings_are_transcribed_with_word_times_and_a_bad_one_stops_nobody() {
    let folder = model(MISTRAL);
    let set = format!("ear.voxtral.model={}/", folder.path().display());
    let asked = ["--set", "ear.engine=voxtral", "--set", &set];
    let speech = folder.path().join("speech.wav");
    let (code, _, errors) = daemon::run(
        &["speak", "One two three.", "-o", speech.to_str().unwrap()],
        b"",
    )
    .await;
    assert_eq!(code, 0, "{errors}");
    let other = folder.path().join("other.wav");
    std::fs::copy(&speech, &other).unwrap();
    let bad = folder.path().join("bad.mp3");
    std::fs::write(&bad, "no sound at all ".repeat(100)).unwrap();
    let out = folder.path().join("out");
    let files = [&speech, &bad, &other].map(|file| file.to_str().unwrap());
    let rest = [
        "-o",
        out.to_str().unwrap(),
        "-f",
        "json",
        "--delay-ms",
        "240",
    ];
    let args = [&["transcribe"], &files[..], &rest[..], &asked[..]].concat();
    let (code, _, errors) = daemon::run(&args, b"").await;
    assert_eq!(code, 1, "{errors}");
    assert!(
        errors.contains("bad.mp3") && errors.contains("1 of 3"),
        "{errors}"
    );
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(out.join(name)).unwrap()).unwrap()
    };
    assert_eq!(
        read("speech.json"),
        read("other.json"),
        "a row alone is a row in company"
    );
    assert!(!out.join("bad.json").exists());
    let all = read("speech.json");
    let words = all[0]["words"].as_array().unwrap();
    assert!(!words.is_empty(), "{all}");
    for word in words {
        assert!(word["from"].as_f64() <= word["to"].as_f64(), "{word}");
        let sure = word["confidence"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&sure), "{word}");
    }
    // The same from a pipe, as a live stream: what was said comes a line at a time.
    let bytes = std::fs::read(&speech).unwrap();
    let live = [
        "transcribe",
        "-",
        "--follow",
        "-f",
        "jsonl",
        "--delay-ms",
        "240",
    ];
    let (code, output, errors) = daemon::run(&[&live[..], &asked[..]].concat(), &bytes).await;
    assert_eq!(code, 0, "{errors}");
    let lines: Vec<Value> = String::from_utf8(output)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let finals: Vec<&Value> = lines
        .iter()
        .filter(|line| line["text"].is_string())
        .collect();
    assert_eq!(finals[0], &all[0]);
    assert!(
        lines.iter().any(|line| line["partial"].is_string()),
        "{lines:?}"
    );
}

#[tokio::test]
async fn compressed_recordings_are_read() {
    let Some(folder) = recordings() else { return };
    let wave = recording(&folder.join("jfk.wav"));
    assert!(!wave.is_empty());
    let Ok(probe) = std::process::Command::new("ffmpeg")
        .arg("-version")
        .output()
    else {
        println!("SKIPPED: no ffmpeg to make compressed recordings with");
        return;
    };
    assert!(probe.status.success());
    let made = tempfile::tempdir().unwrap();
    let mut lengths = Vec::new();
    for (name, codec) in [
        ("a.flac", "flac"),
        ("a.mp3", "libmp3lame"),
        ("a.ogg", "libvorbis"),
        ("b.ogg", "libopus"),
        ("a.m4a", "aac"),
    ] {
        let to = made.path().join(name);
        let done = std::process::Command::new("ffmpeg")
            .args(["-loglevel", "error", "-y", "-i"])
            .arg(folder.join("jfk.wav"))
            .args(["-c:a", codec])
            .arg(&to)
            .status()
            .unwrap();
        if !done.success() {
            println!("SKIPPED: this ffmpeg has no {codec}");
            continue;
        }
        let set = ["--set", "ear.engine=scripted", "-f", "json"];
        let args = [&["transcribe", to.to_str().unwrap()], &set[..]].concat();
        let (code, output, errors) = daemon::run(&args, b"").await;
        assert_eq!(code, 0, "{name}: {errors}");
        let all: Value = serde_json::from_slice(&output).unwrap();
        let last = all.as_array().unwrap().last().unwrap();
        lengths.push((name, last["to"].as_f64().unwrap()));
    }
    for (name, to) in &lengths {
        assert!((to - lengths[0].1).abs() < 0.2, "{name}: {lengths:?}");
    }
}
