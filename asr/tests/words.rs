//! How well the embedded recogniser hears: recorded people, the embedded voices, sounds that are
//! no speech. Bounds are measured figures with a margin; the figures stand beside them.
#![allow(clippy::unwrap_used)]
mod support;

use std::fs;

use support::{Errors, hear, in_a_room, recordings, said, sentences, wav};
use voiced_asr::embedded::{Embedded, EmbeddedOptions};
use voiced_tts::embedded::Embedded as Voice;

/// What people say to an agent.
const SAID: [&str; 20] = [
    "hello",
    "what time is it",
    "what is the date today",
    "can you help me please",
    "i would like to talk to a person",
    "where is my order",
    "tell me a story about the sea",
    "what is twelve plus thirty four",
    "thank you very much",
    "goodbye",
    "stop",
    "yes please",
    "no thank you",
    "i would like to change my appointment to next tuesday",
    "my order number is four two seven one",
    "how are you doing today",
    "what can you do for me",
    "please hang up now",
    "could you repeat that more slowly",
    "wait a minute",
];

fn ear(rows: usize) -> Embedded {
    Embedded::new(rows, &EmbeddedOptions::default()).unwrap()
}

#[test]
fn the_embedded_voices_are_understood() {
    let mut voice = Voice::new(1).unwrap();
    let mut ear = ear(1);
    let mut all = Errors::default();
    for name in ["slt", "rms", "awb"] {
        let mut errors = Errors::default();
        for text in SAID {
            let heard = hear(&mut ear, &in_a_room(&said(&mut voice, text, name)));
            println!("{name}: {text} -> {}", heard.words);
            errors.add(text, &heard.words);
            all.add(text, &heard.words);
        }
        println!("{name}: {:.1} % of words wrong", errors.rate() * 100.0);
    }
    println!("all voices: {:.1} % of words wrong", all.rate() * 100.0);
    // Measured: 10 to 13 %.
    assert!(all.rate() < 0.17);
}

#[test]
fn recorded_people_are_half_understood() {
    let Some(folder) = recordings("recorded sentences") else {
        return;
    };
    let mut ear = ear(1);
    let mut errors = Errors::default();
    for sentence in sentences(&folder) {
        let heard = hear(&mut ear, &in_a_room(&sentence.audio));
        println!("{}: {}", sentence.name, heard.words);
        errors.add(&sentence.words, &heard.words);
    }
    println!("{:.1} % of words wrong", errors.rate() * 100.0);
    // Measured: 39 to 41 %.
    assert!(errors.rate() < 0.45);
}

#[test]
fn a_quiet_microphone_is_heard_as_well() {
    let mut voice = Voice::new(1).unwrap();
    let mut ear = ear(1);
    let mut errors = Errors::default();
    for text in SAID {
        let mut audio = said(&mut voice, text, "slt");
        audio.iter_mut().for_each(|s| *s *= 0.1);
        errors.add(text, &hear(&mut ear, &in_a_room(&audio)).words);
    }
    println!("20 dB down: {:.1} % of words wrong", errors.rate() * 100.0);
    // Measured: 24 to 26 %.
    assert!(errors.rate() < 0.33);
}

#[test]
fn spoken_digits_give_words() {
    let Some(folder) = recordings("recorded digits") else {
        return;
    };
    const NAMES: [&str; 10] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    ];
    let mut ear = ear(1);
    let (mut right, mut nothing, mut all) = (0, 0, 0);
    let mut files: Vec<_> = fs::read_dir(folder.join("digits"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with("_0.wav"))
        .collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let digit = usize::from(name.as_bytes()[0] - b'0');
        let heard = hear(&mut ear, &in_a_room(&wav(&file)));
        right += usize::from(heard.words == NAMES[digit]);
        nothing += usize::from(heard.words.is_empty());
        all += 1;
    }
    println!("of {all} digits {right} right, {nothing} not heard");
    // Measured: 8 right and 6 not heard, of 60.
    assert!(right > 0);
    assert!(nothing * 6 <= all, "speech is rarely taken for noise");
}

#[test]
fn sounds_that_are_no_speech_give_no_words() {
    let mut state = 3u32;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32 - 0.5
    };
    let mut ear = ear(1);
    // A cough: two bursts of dark noise that fade.
    let mut cough = Vec::new();
    for length in [2_400, 3_200] {
        let mut last = 0.0;
        for n in 0..length {
            last = 0.8 * last + noise();
            cough.push(last * 0.5 * (1.0 - n as f32 / length as f32));
        }
        cough.extend([0.0; 1_600]);
    }
    let click: Vec<f32> = (0..40)
        .map(|n| if n % 8 < 4 { 0.8 } else { -0.8 })
        .collect();
    let rush: Vec<f32> = (0..32_000).map(|_| noise() * 0.2).collect();
    let silence = vec![0.0; 16_000];
    for (what, sound) in [
        ("a cough", cough),
        ("a click", click),
        ("wind", rush),
        ("silence", silence),
    ] {
        let heard = hear(&mut ear, &in_a_room(&sound));
        assert_eq!(heard.words, "", "{what}");
        assert_eq!(heard.partials, Vec::<String>::new(), "{what}");
    }
}
