//! The tone synthesiser: length, words and ends, without waiting.
#![allow(clippy::unwrap_used)]
mod support;

use std::time::Duration;

use support::{line, say};
use voiced_core::engine::Line;
use voiced_tts::tone::{ToneVoice, tone_length};

#[test]
fn a_tone_is_as_long_as_the_text_and_quiet() {
    let text = "Hello wide world.";
    let said = say(&mut ToneVoice::new(1), line(text));
    let length = tone_length(text.chars().count());
    assert_eq!(Duration::from_secs_f64(said.seconds()), length);
    assert_eq!(length, Duration::from_millis(60 * 17));
    let level = 20.0 * said.rms().log10();
    assert!((-30.0..-22.0).contains(&level), "{level}");
    let ends: Vec<&str> = said.words.iter().map(|(end, ..)| &text[..*end]).collect();
    assert_eq!(ends, ["Hello", "Hello wide", text]);
    assert_eq!(said.words[2].1, length);
}

#[test]
fn speed_and_odd_texts() {
    let speed = Some(2.0);
    let text = "twice as fast";
    let said = say(
        &mut ToneVoice::new(1),
        Line {
            text: text.into(),
            speed,
            voice: None,
        },
    );
    assert_eq!(said.seconds(), 0.06 * 13.0 / 2.0);
    for text in ["", "   ", "🎉", "\0"] {
        let said = say(&mut ToneVoice::new(1), line(text));
        assert_eq!(said.samples.len(), text.chars().count() * 1_440);
    }
}
