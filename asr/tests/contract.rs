//! The embedded recogniser through its contract: one final for each finalize, rows that know
//! nothing of each other, chunks of any size, and sounds nobody would make.
#![allow(clippy::unwrap_used)]
mod support;

use std::thread;

use support::{Transcript, hear, hear_in, in_a_room, said};
use voiced_asr::embedded::{Embedded, EmbeddedOptions, StartError};
use voiced_core::{
    audio::{AudioFrame, SampleRate},
    engine::{Engine, FaultKind, Heard, Hearing, Progress, SlotId},
};
use voiced_tts::embedded::Embedded as Voice;

fn ear(rows: usize) -> Embedded {
    Embedded::new(rows, &EmbeddedOptions::default()).unwrap()
}

fn speech(text: &str) -> Vec<f32> {
    in_a_room(&said(&mut Voice::new(1).unwrap(), text, "rms"))
}

fn audio(samples: &[f32]) -> Hearing {
    Hearing::Audio(AudioFrame::new(SampleRate::HEARING, samples))
}

/// Steps until `finals` finals came, on any row.
fn finals(ear: &mut Embedded, finals: usize) -> Vec<(usize, String)> {
    let ready = vec![true; ear.slots()];
    let mut heard = Vec::new();
    while heard.len() < finals {
        let mut emit = |slot: SlotId, what| {
            if let Heard::Final(words) = what {
                heard.push((slot.0, words.text));
            }
        };
        if ear.step(&ready, &mut emit).unwrap() == Progress::Idle && heard.len() < finals {
            thread::park_timeout(std::time::Duration::from_secs(1));
        }
    }
    heard
}

#[test]
fn words_come_while_they_are_spoken() {
    let text = "can you help me please";
    let heard = hear(&mut ear(1), &speech(text));
    assert_eq!(heard.words, text);
    assert!(heard.partials.len() >= 2, "{:?}", heard.partials);
    let repeated = heard.partials.windows(2).any(|pair| pair[0] == pair[1]);
    assert!(!repeated, "a partial is news: {:?}", heard.partials);
}

#[test]
fn chunks_do_not_change_the_words() {
    let speech = speech("how are you doing today");
    let mut ear = ear(1);
    let mut words = Vec::new();
    for chunk in [320, 7, 1_600, 16_000] {
        ear.open(SlotId(0));
        words.push(hear_in(&mut ear, SlotId(0), &speech, chunk).words);
    }
    assert!(words.windows(2).all(|pair| pair[0] == pair[1]), "{words:?}");
    assert_eq!(words[0], "how are you doing today");
}

#[test]
fn a_row_remembers_nothing_of_the_lease_before() {
    let speech = speech("where is my order");
    let mut ear = ear(2);
    let fresh = hear(&mut ear, &speech);
    // A loud, distorted stranger, cut off in the middle.
    ear.open(SlotId(0));
    ear.feed(SlotId(0), Hearing::SpeechStarted).unwrap();
    let stranger: Vec<f32> = speech.iter().map(|s| (s * 9.0).clamp(-1.0, 1.0)).collect();
    ear.feed(SlotId(0), audio(&stranger)).unwrap();
    for _ in 0..5 {
        ear.step(&[true, true], &mut |_, _| {}).unwrap();
    }
    ear.close(SlotId(0));
    assert_eq!(
        ear.step(&[true, true], &mut |_, _| panic!("closed"))
            .unwrap(),
        Progress::Idle
    );
    assert_eq!(hear(&mut ear, &speech), fresh);
    ear.open(SlotId(1));
    let other: Transcript = hear_in(&mut ear, SlotId(1), &speech, 320);
    assert_eq!(other, fresh, "nor does it matter which row it is");
}

#[test]
fn rows_that_speak_at_once_are_heard_as_alone() {
    let texts = ["what time is it", "wait a minute", "can you help me please"];
    let speeches = texts.map(speech);
    let mut ear = ear(3);
    for slot in 0..3 {
        ear.open(SlotId(slot));
        ear.feed(SlotId(slot), Hearing::SpeechStarted).unwrap();
    }
    let longest = speeches.iter().map(Vec::len).max().unwrap();
    for at in (0..longest).step_by(320) {
        for (slot, speech) in speeches.iter().enumerate() {
            if at < speech.len() {
                let end = (at + 320).min(speech.len());
                ear.feed(SlotId(slot), audio(&speech[at..end])).unwrap();
            }
        }
        ear.step(&[true; 3], &mut |_, _| {}).unwrap();
    }
    for slot in 0..3 {
        ear.feed(SlotId(slot), Hearing::Finalize).unwrap();
    }
    let mut heard = finals(&mut ear, 3);
    heard.sort();
    let words: Vec<&str> = heard.iter().map(|(_, words)| words.as_str()).collect();
    assert_eq!(words, texts);
}

#[test]
fn every_finalize_has_one_final() {
    let mut ear = ear(1);
    ear.open(SlotId(0));
    let speech = speech("goodbye");
    // Without speech, twice; then with speech, and more of it behind.
    let said = [Hearing::SpeechStarted, audio(&speech), Hearing::Finalize];
    let inputs = [Hearing::Finalize, Hearing::Finalize]
        .into_iter()
        .chain(said.clone())
        .chain(said);
    let mut heard = Vec::new();
    for input in inputs {
        if !ear.has_room(SlotId(0)) {
            heard.extend(finals(&mut ear, 1));
        }
        ear.feed(SlotId(0), input).unwrap();
    }
    heard.extend(finals(&mut ear, 1));
    let words: Vec<&str> = heard.iter().map(|(_, words)| words.as_str()).collect();
    assert_eq!(words[..2], ["", ""]);
    assert_eq!(words[2], "goodbye");
    assert!(!words[3].is_empty());
    assert_eq!(
        ear.step(&[true], &mut |_, _| panic!("one each")).unwrap(),
        Progress::Idle
    );
}

#[test]
fn what_is_discarded_is_not_said() {
    let mut ear = ear(1);
    ear.open(SlotId(0));
    ear.feed(SlotId(0), Hearing::SpeechStarted).unwrap();
    ear.feed(SlotId(0), audio(&speech("stop"))).unwrap();
    ear.feed(SlotId(0), Hearing::Discard).unwrap();
    ear.feed(SlotId(0), Hearing::Finalize).unwrap();
    assert_eq!(finals(&mut ear, 1), [(0, String::new())]);
}

#[test]
fn without_speech_started_nothing_is_searched() {
    let mut ear = ear(1);
    ear.open(SlotId(0));
    ear.feed(SlotId(0), audio(&speech("tell me a story about the sea")))
        .unwrap();
    assert_eq!(
        ear.step(&[true], &mut |_, _| panic!("idle")).unwrap(),
        Progress::Idle
    );
}

#[test]
fn a_row_without_credit_waits() {
    let mut ear = ear(1);
    ear.open(SlotId(0));
    ear.feed(SlotId(0), Hearing::Finalize).unwrap();
    assert_eq!(
        ear.step(&[false], &mut |_, _| panic!("no credit")).unwrap(),
        Progress::Idle
    );
    assert_eq!(finals(&mut ear, 1).len(), 1);
}

#[test]
fn sounds_nobody_would_make_do_no_harm() {
    let mut ear = ear(1);
    let square: Vec<f32> = (0..32_000)
        .map(|n| if n % 100 < 50 { 1.0 } else { -1.0 })
        .collect();
    let huge: Vec<f32> = square.iter().map(|s| s * 1e30).collect();
    let mut bad = vec![f32::NAN; 8_000];
    bad.extend([f32::INFINITY; 8_000]);
    bad.extend([f32::NEG_INFINITY; 8_000]);
    for sound in [
        square,
        huge,
        bad,
        vec![0.0; 32_000],
        vec![],
        vec![f32::MIN_POSITIVE; 9],
    ] {
        hear(&mut ear, &sound);
    }
    // And it still hears.
    assert_eq!(
        hear(&mut ear, &speech("wait a minute")).words,
        "wait a minute"
    );
}

#[test]
fn an_utterance_without_end_is_cut() {
    let mut ear = ear(1);
    ear.open(SlotId(0));
    ear.feed(SlotId(0), Hearing::SpeechStarted).unwrap();
    let hum: Vec<f32> = (0..16_000)
        .map(|n| if n % 130 < 20 { 0.3 } else { 0.0 })
        .collect();
    for _ in 0..70 {
        ear.feed(SlotId(0), audio(&hum)).unwrap();
    }
    ear.feed(SlotId(0), Hearing::Finalize).unwrap();
    assert_eq!(finals(&mut ear, 1).len(), 1);
}

#[test]
fn mistakes_are_explained() {
    let mut ear = ear(1);
    ear.open(SlotId(0));
    let wrong = AudioFrame::new(SampleRate::SPEECH, vec![0.0; 480]);
    let refusal = ear.feed(SlotId(0), Hearing::Audio(wrong)).unwrap_err();
    assert_eq!(refusal.kind, FaultKind::BadInput);
    assert!(refusal.source.to_string().contains("16000"));
    let nowhere = EmbeddedOptions {
        model: Some("/nowhere".into()),
    };
    let Err(StartError::Load(missing)) = Embedded::new(1, &nowhere) else {
        panic!("there is no model in /nowhere");
    };
    assert!(missing.to_string().contains("/nowhere"), "{missing}");
}
