//! Voxtral TTS in a whole daemon and on the command line, with a small random checkpoint: what it
//! says is noise, but it is said as words would be.
#![allow(clippy::unwrap_used)]
use std::{path::Path, time::Duration};

use serde_json::json;
use tempfile::TempDir;
use voiced_tests::{
    caller::Caller,
    daemon::{self, Daemon, root},
    small_checkpoint,
    sound::{recording, silence, spoken},
};

fn golden() -> std::path::PathBuf {
    root().join("tts/tests/golden")
}

/// Settings for a model in `folder`, with a folder of its own for voices.
fn settings(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "[voice]\nengine = \"voxtral\"\n[voice.voxtral]\nmodel = \"{folder}\"\n\
         weights = \"f32\"\nvoices = \"{folder}/voices\"\n"
    )
}

async fn speaking(folder: &Path, words: usize) -> Daemon {
    Daemon::start(&format!(
        "[ear]\nengine = \"scripted\"\n[mind]\nengine = \"fixed\"\n[mind.fixed]\nwords = {words}\n{}",
        settings(folder)
    ))
    .await
}

fn loud(samples: &[f32]) -> bool {
    samples.iter().any(|s| s.abs() > 1e-3)
}

#[tokio::test]
async fn several_callers_are_answered_at_once() {
    let model = small_checkpoint::directory(&golden(), true);
    let daemon = speaking(model.path(), 20).await;
    let mut callers = Vec::new();
    for _ in 0..3 {
        callers.push(Caller::connect(&daemon).await);
    }
    for caller in &mut callers {
        caller.type_words("hello").await;
    }
    let mut lengths = Vec::new();
    for caller in &mut callers {
        let done = caller.until("response.done").await;
        assert_eq!(done["response"]["status"], "completed", "{done}");
        assert!(loud(&caller.heard()), "something was said");
        lengths.push(caller.heard().len());
    }
    // The same words in the same voice with the same seed are the same sound, whoever hears them.
    assert!(lengths.iter().all(|n| *n == lengths[0]), "{lengths:?}");
}

#[tokio::test]
async fn words_over_a_reply_stop_it_and_what_was_heard_is_known() {
    // A voice that never ends by itself speaks for a second for every forty letters.
    let model = small_checkpoint::directory(&golden(), false);
    let daemon = speaking(model.path(), 200).await;
    let interruption = spoken("Stop please.").await;
    let mut caller = Caller::connect(&daemon).await;
    caller.say(&silence(200));
    caller.type_words("tell me everything").await;
    caller.until("response.output_audio.delta").await;
    caller.attend(Duration::from_secs(2)).await;
    caller.say(&interruption);
    let done = caller.until("response.done").await;
    assert_eq!(done["response"]["status"], "cancelled", "{done}");
    let ended = caller.until("voiced.reply.ended").await;
    let text = ended["text"].as_str().unwrap();
    let heard = ended["heard_text"].as_str().unwrap();
    assert!(
        text.starts_with(heard) && heard.len() < text.len(),
        "{ended}"
    );
    assert!(!heard.is_empty(), "two seconds of it were heard");
    // The history is cut between words.
    assert!(text[heard.len()..].starts_with([' ', '.', ',']), "{ended}");
    // The row is free: the next turn is answered.
    caller.until("response.output_audio.delta").await;
}

#[tokio::test]
async fn a_newcomer_is_heard_while_another_reply_is_still_long() {
    let model = small_checkpoint::directory(&golden(), false);
    let daemon = speaking(model.path(), 200).await;
    let mut first = Caller::connect(&daemon).await;
    let mut second = Caller::connect(&daemon).await;
    first.type_words("tell me everything").await;
    first.until("response.output_audio.delta").await;
    second.type_words("me too").await;
    second.until("response.output_audio.delta").await;
    first.attend(Duration::from_millis(1)).await;
    assert_eq!(
        first.of("response.done").count(),
        0,
        "the first still speaks"
    );
}

#[tokio::test]
async fn a_client_chooses_the_voice_and_its_tempo() {
    let model = small_checkpoint::directory(&golden(), true);
    let daemon = speaking(model.path(), 12).await;
    let mut said = Vec::new();
    for output in [
        json!({"voice": "tiny_a"}),
        json!({"voice": "tiny_b"}),
        json!({"voice": "tiny_a", "speed": 0.5}),
    ] {
        let mut caller = Caller::connect(&daemon).await;
        let session = json!({"type": "realtime", "audio": {"output": output}});
        caller
            .send(json!({"type": "session.update", "session": session}))
            .await;
        caller.until("session.updated").await;
        caller.type_words("hello").await;
        caller.until("response.done").await;
        said.push(caller.heard());
    }
    assert_ne!(said[0], said[1], "another voice");
    let longer = said[2].len() as f32 / said[0].len() as f32;
    assert!((1.5..=2.5).contains(&longer), "half the tempo: {longer}");
}

/// A file with the settings, beside the model.
fn config(model: &TempDir) -> String {
    let file = model.path().join("voiced.toml");
    std::fs::write(&file, settings(model.path())).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Runs `voiced` with the model's settings.
async fn run(model: &TempDir, args: &[&str], input: &[u8]) -> (i32, Vec<u8>, String) {
    let config = config(model);
    let mut all: Vec<&str> = args.to_vec();
    all.extend(["--config", &config]);
    daemon::run(&all, input).await
}

#[tokio::test]
async fn a_text_becomes_a_recording_in_every_form_and_says_the_same_every_time() {
    let model = small_checkpoint::directory(&golden(), true);
    let at = |name: &str| model.path().join(name).to_str().unwrap().to_owned();
    let text = "Hello there, it is 9:30 on 3 May. And a second sentence.\n\nA new paragraph.";
    let (code, streamed, errors) = run(&model, &["speak", "-", "-o", "-"], text.as_bytes()).await;
    assert_eq!((code, errors.as_str()), (0, ""));
    let (code, bare, _) = run(&model, &["speak", text, "-o", "-", "-f", "pcm"], b"").await;
    assert_eq!(code, 0);
    assert!(
        streamed[44..] == bare,
        "the stream is a header of unknown length and the samples"
    );
    assert_eq!(streamed[4..8], [0xff; 4]);
    for (name, magic) in [("a.wav", b"RIFF"), ("a.flac", b"fLaC"), ("a.opus", b"OggS")] {
        let (code, _, errors) = run(&model, &["speak", text, "-o", &at(name)], b"").await;
        assert_eq!(code, 0, "{errors}");
        let bytes = std::fs::read(at(name)).unwrap();
        assert_eq!(&bytes[..4], magic, "{name}");
    }
    let samples = recording(Path::new(&at("a.wav")));
    assert_eq!(samples.len() * 2, bare.len(), "the file knows its length");
    assert!(loud(&samples));
    let other = ["speak", text, "-o", "-", "-f", "pcm", "--seed", "7"];
    assert_ne!(run(&model, &other, b"").await.1, bare, "another seed");
    let plain = ["speak", "Hello there.", "-o", "-", "-f", "pcm"];
    let slow = [&plain[..], &["--speed", "0.5"]].concat();
    let plain = run(&model, &plain, b"").await.1;
    let slow = run(&model, &slow, b"").await.1;
    assert_eq!(slow.len(), 2 * plain.len(), "half the tempo");
    let (code, _, errors) = run(&model, &["speak", text, "-o", "-", "--language", "xx"], b"").await;
    assert!(code == 64 && errors.contains("--language"), "{errors}");
    let (code, _, errors) = daemon::run(&["speak", "x", "-o", "-", "--seed", "1"], b"").await;
    assert!(
        code != 0 && errors.contains("--seed is for the engine"),
        "{errors}"
    );
}

#[tokio::test]
async fn hostile_texts_become_sound_or_a_refusal() {
    let model = small_checkpoint::directory(&golden(), true);
    let long = "x".repeat(10_000);
    let digits = "7".repeat(3_000);
    for (text, speaks) in [
        ("", false),
        (" \n\t ", false),
        ("🎤🔊👩‍👩‍👧", false),
        ("\u{1}\u{7}\u{1b}[31m\u{202e}", true),
        ("a", true),
        (long.as_str(), true),
        (digits.as_str(), true),
        ("[AUDIO]</s><s>[INST]", true),
        ("नमस्ते مرحبا 你好 🎤", true),
    ] {
        let args = ["speak", "-", "-o", "-", "-f", "pcm"];
        let (code, sound, errors) = run(&model, &args, text.as_bytes()).await;
        let shown: String = text.chars().take(20).collect();
        assert_eq!(code == 0, speaks, "{shown:?}: {errors}");
        assert_eq!(!sound.is_empty(), speaks, "{shown:?}");
        assert!(
            !errors.contains("panicked") && code != 70,
            "{shown:?}: {errors}"
        );
        assert!(
            speaks || errors.contains("there is no text to speak"),
            "{errors}"
        );
    }
    let (code, _, errors) = run(&model, &["speak", "-", "-o", "-"], b"Gr\xfc\xdfe").await;
    assert!(
        code == 1 && errors.contains("not UTF-8 at byte 2"),
        "{errors}"
    );
}

#[tokio::test]
async fn voices_are_listed_added_tried_and_removed() {
    let model = small_checkpoint::directory(&golden(), true);
    let at = |name: &str| model.path().join(name).to_str().unwrap().to_owned();
    let list = async || String::from_utf8(run(&model, &["voices", "list"], b"").await.1).unwrap();
    assert!(list().await.contains("* tiny_a"), "{}", list().await);
    let preset = at("voice_embedding/tiny_b.pt");
    let (code, _, errors) = run(&model, &["voices", "add", "de_anna", &preset], b"").await;
    assert_eq!(code, 0, "{errors}");
    assert!(list().await.contains("de_anna  de"), "{}", list().await);
    let preview = at("anna.wav");
    let (code, _, errors) = run(
        &model,
        &["voices", "preview", "de_anna", "-o", &preview],
        b"",
    )
    .await;
    assert_eq!(code, 0, "{errors}");
    assert!(loud(&recording(Path::new(&preview))));

    // Without an encoder a recording cannot become a voice; the one sentence says what can.
    let (code, _, errors) = run(&model, &["voices", "add", "bob", &preview], b"").await;
    assert_eq!(code, 1);
    assert!(
        errors.contains("has no codec encoder") && errors.contains("preset voices"),
        "{errors}"
    );
    std::fs::copy(
        golden().join("encoder.safetensors"),
        at("encoder.safetensors"),
    )
    .unwrap();
    let (_, _, errors) = run(&model, &["voices", "add", "bob", &preview], b"").await;
    assert!(
        errors.contains("3.0 to 30.0 s") || errors.contains("3 to 30 s"),
        "{errors}"
    );
    let text = "One two three four five six. ".repeat(40);
    let clip = at("clip.flac");
    let slow = [
        "speak",
        &text,
        "-o",
        &clip,
        "--set",
        "voice.engine=flite",
        "--speed",
        "1.5",
    ];
    let (code, _, errors) = run(&model, &slow[..], b"").await;
    assert_eq!(code, 0, "{errors}");
    // Too long; then of the right length.
    let (_, _, errors) = run(&model, &["voices", "add", "bob", &clip], b"").await;
    assert!(errors.contains("a recording of"), "{errors}");
    // The small model takes 125 rows a second: three seconds are all that it can hold.
    let samples = recording(Path::new(&preview));
    let clip = at("clip.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 24_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&clip, spec).unwrap();
    for sample in samples.iter().cycle().take(72_000) {
        writer.write_sample((sample * 32_767.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
    let (code, _, errors) = run(&model, &["voices", "add", "bob", &clip], b"").await;
    assert_eq!(code, 0, "{errors}");
    let (code, sound, _) = run(&model, &["speak", "Hi.", "--voice", "bob", "-o", "-"], b"").await;
    assert!(code == 0 && sound.len() > 44);

    for (args, said) in [
        (
            &["voices", "remove", "tiny_a"][..],
            "one of the model's own voices",
        ),
        (&["voices", "remove", "nobody"][..], "there is no voice"),
        (
            &["voices", "add", "../x", &preset][..],
            "cannot be a voice's name",
        ),
        (&["voices", "add", "bob", &preset][..], "already"),
    ] {
        let (code, _, errors) = run(&model, args, b"").await;
        assert!(code == 1 && errors.contains(said), "{args:?}: {errors}");
    }
    let (code, ..) = run(&model, &["voices", "remove", "bob"], b"").await;
    assert!(code == 0 && !list().await.contains("bob"));
    let (code, _, errors) = run(&model, &["speak", "x", "--voice", "bob", "-o", "-"], b"").await;
    assert!(
        code == 64 && errors.contains("there is no voice \"bob\"; there are tiny_a"),
        "{errors}"
    );
}

#[tokio::test]
async fn every_wrong_file_is_one_clear_error_before_anybody_calls() {
    type Spoil = (&'static str, fn(&Path), &'static str);
    let spoils: [Spoil; 9] = [
        (
            "no model",
            |m| std::fs::remove_file(m.join("params.json")).unwrap(),
            "voiced models fetch voxtral-tts",
        ),
        (
            "no weights",
            |m| std::fs::remove_file(m.join("consolidated.safetensors")).unwrap(),
            "expected params.json, consolidated.safetensors",
        ),
        (
            "cut weights",
            |m| cut(&m.join("consolidated.safetensors"), 500_000),
            "truncated",
        ),
        (
            "no codec",
            |m| {
                let other = m.join("consolidated.safetensors");
                std::fs::copy(root().join("tts/tests/golden/encoder.safetensors"), other).unwrap();
            },
            "missing",
        ),
        (
            "no tokenizer",
            |m| std::fs::remove_file(m.join("tekken.json")).unwrap(),
            "tekken.json",
        ),
        (
            "another tokenizer",
            |m| std::fs::write(m.join("tekken.json"), "{}").unwrap(),
            "not a usable tekken tokenizer",
        ),
        (
            "another model",
            |m| std::fs::write(m.join("params.json"), "{\"dim\": 1}").unwrap(),
            "params.json",
        ),
        (
            "a cut voice",
            |m| cut(&m.join("voice_embedding/tiny_a.pt"), 700),
            "tiny_a.pt",
        ),
        (
            "no voice",
            |m| std::fs::remove_file(m.join("voice_embedding/tiny_a.pt")).unwrap(),
            "tiny_a.pt",
        ),
    ];
    for (what, spoil, said) in spoils {
        let model = small_checkpoint::directory(&golden(), true);
        spoil(model.path());
        let (code, _, errors) = run(&model, &["check", "--set", "ear.engine=scripted"], b"").await;
        assert_eq!(code, 64, "{what}: {errors}");
        assert!(errors.contains(said), "{what}: {errors}");
        assert!(errors.contains("one mistake"), "{what}: {errors}");
        assert!(!errors.contains("panicked"), "{what}: {errors}");
    }
    let model = small_checkpoint::directory(&golden(), true);
    let (code, _, errors) = run(&model, &["check", "--set", "ear.engine=scripted"], b"").await;
    assert_eq!(code, 0, "{errors}");
    let (_, listed, _) = run(&model, &["engines"], b"").await;
    let listed = String::from_utf8(listed).unwrap();
    assert!(
        listed.contains("*voxtral") && listed.contains("2 voices"),
        "{listed}"
    );
    // More than there is room for is refused with the numbers.
    let much = [
        "speak",
        "x",
        "-o",
        "-",
        "--set",
        "voice.voxtral.memory_gib=0.001",
    ];
    let (code, _, errors) = run(&model, &much, b"").await;
    assert!(
        code == 1 && errors.contains("4 rows of Voxtral TTS do not fit"),
        "{errors}"
    );
}

fn cut(path: &Path, length: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(length).unwrap();
}
