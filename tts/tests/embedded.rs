//! The embedded synthesiser through its contract: real sound, streamed, cancelled, many at once,
//! and whatever text a model may write.
#![allow(clippy::unwrap_used)]
mod support;

use std::{sync::mpsc, thread, time::Duration};

use support::{Said, line, next, next_counting, say};
use voiced_core::engine::{Engine, FaultKind, Line, Progress, SlotId, Speech};
use voiced_tts::{embedded::Embedded, voices};

const SENTENCE: &str = "Hello, thank you for calling. How can I help you today?";

fn engine(rows: usize) -> Embedded {
    Embedded::new(rows).unwrap()
}

/// Whether two recordings say the same. The voices' breath is noise from the C library's `rand`,
/// so no two are equal to the last sample, and a trimmed end may lie a few blocks of 5 ms off.
fn same(one: &Said, other: &Said) -> bool {
    let words = |said: &Said| said.words.iter().map(|(end, ..)| *end).collect::<Vec<_>>();
    let length = (one.seconds() - other.seconds()).abs() < 0.05;
    let level = (0.9..1.1).contains(&(one.rms() / other.rms()));
    let near = |(a, b): (&(usize, Duration, usize), &(usize, Duration, usize))| {
        a.1.abs_diff(b.1) < Duration::from_millis(50)
    };
    words(one) == words(other) && length && level && one.words.iter().zip(&other.words).all(near)
}

#[test]
fn a_sentence_is_loud_enough_and_as_long_as_people_take() {
    let said = say(&mut engine(1), line(SENTENCE));
    assert!((2.2..4.5).contains(&said.seconds()), "{} s", said.seconds());
    let level = 20.0 * said.rms().log10();
    assert!((-32.0..-12.0).contains(&level), "{level} dB");
    assert!(said.samples.iter().all(|s| s.abs() <= 1.0));
    assert!(said.largest <= 1_920, "pieces of at most 80 ms");
}

#[test]
fn silence_at_the_ends_is_short() {
    let said = say(&mut engine(1), line(SENTENCE));
    let loud = |s: &f32| s.abs() > 0.005;
    let before = said.samples.iter().position(loud).unwrap();
    let after = said.samples.len() - said.samples.iter().rposition(loud).unwrap();
    assert!(before < 24 * 45, "{} ms before", before / 24);
    assert!(after < 24 * 130, "{} ms after", after / 24);
}

#[test]
fn words_are_told_in_order_before_they_are_over() {
    let said = say(&mut engine(1), line(SENTENCE));
    let ends: Vec<&str> = said
        .words
        .iter()
        .map(|(end, ..)| &SENTENCE[..*end])
        .collect();
    assert_eq!(ends.len(), 11);
    assert_eq!(ends[0], "Hello,");
    assert_eq!(ends[10], SENTENCE);
    let length = Duration::from_secs_f64(said.seconds());
    for pair in said.words.windows(2) {
        assert!(pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1, "{pair:?}");
    }
    for (_, at, given) in &said.words {
        let given = Duration::from_secs_f64(*given as f64 / 24_000.0);
        assert!(*at + Duration::from_millis(1) >= given, "told too late");
        assert!(*at <= length);
    }
    // "Hello," takes about half a second; the last word ends close to the end.
    let (first, last) = (said.words[0].1, said.words[10].1);
    assert!((250..800).contains(&first.as_millis()), "{first:?}");
    assert!(
        length - last < Duration::from_millis(250),
        "{last:?} of {length:?}"
    );
}

#[test]
fn the_first_audio_comes_before_the_line_is_worked_out() {
    let text = [SENTENCE; 8].join(" ");
    let mut engine = engine(1);
    engine.open(SlotId(0));
    engine.feed(SlotId(0), line(&text)).unwrap();
    let mut said = Said::default();
    let mut waits = 0;
    'line: loop {
        let sounding = !said.samples.is_empty();
        let mut idle = 0;
        for (_, speech) in next_counting(&mut engine, &[true], &mut idle) {
            if said.take(speech) {
                break 'line;
            }
        }
        waits += if sounding { idle } else { 0 };
    }
    // It was handed out faster than it was made.
    assert!(waits > 0);
    assert!(said.seconds() > 18.0);
    assert_eq!(said.words.last().unwrap().0, text.len());
}

#[test]
fn an_engine_that_is_parked_is_woken() {
    let (done, is_done) = mpsc::sync_channel(1);
    let thread = thread::spawn(move || {
        let mut engine = engine(1);
        engine.open(SlotId(0));
        engine.feed(SlotId(0), line(SENTENCE)).unwrap();
        let mut said = Said::default();
        let mut ended = false;
        while !ended {
            let mut emit = |_, speech| ended |= said.take(speech);
            if engine.step(&[true], &mut emit).unwrap() == Progress::Idle {
                thread::park();
            }
        }
        done.send(()).unwrap();
    });
    is_done
        .recv_timeout(Duration::from_secs(30))
        .expect("nobody woke the engine");
    thread.join().unwrap();
}

#[test]
fn speed_changes_the_length() {
    let mut engine = engine(1);
    let mut seconds = |speed: f32| {
        let speed = Some(speed);
        let text = SENTENCE.into();
        say(
            &mut engine,
            Line {
                text,
                speed,
                voice: None,
            },
        )
        .seconds()
    };
    let natural = seconds(1.0);
    let quick = seconds(1.5);
    let slow = seconds(0.5);
    assert!(
        (0.6..0.8).contains(&(quick / natural)),
        "{quick} of {natural}"
    );
    assert!(
        (1.6..2.3).contains(&(slow / natural)),
        "{slow} of {natural}"
    );
    assert!((seconds(f32::NAN) - natural).abs() < 0.05);
    assert!((seconds(9.0) - quick).abs() < 0.05);
}

#[test]
fn every_voice_speaks_and_they_differ() {
    let mut engine = engine(1);
    let mut lengths = Vec::new();
    for voice in voices() {
        let voice = Some(voice.name.to_owned());
        let said = say(
            &mut engine,
            Line {
                text: SENTENCE.into(),
                voice,
                speed: None,
            },
        );
        assert!(said.rms() > 0.01);
        lengths.push(said.seconds());
    }
    assert_eq!(lengths.len(), 3);
    let differ = |a: f64, b: f64| (a - b).abs() > 0.05;
    assert!(differ(lengths[0], lengths[1]) && differ(lengths[1], lengths[2]));
    let unknown = Some("alloy".to_owned());
    let said = say(
        &mut engine,
        Line {
            text: SENTENCE.into(),
            voice: unknown,
            speed: None,
        },
    );
    assert!(
        !differ(said.seconds(), lengths[0]),
        "an unknown voice is the default one"
    );
}

#[test]
fn rows_say_what_they_would_say_alone() {
    let texts = [
        "One two three.",
        SENTENCE,
        "Good bye!",
        "It is a quarter past nine.",
    ];
    let alone: Vec<Said> = texts.iter().map(|t| say(&mut engine(1), line(t))).collect();
    let mut engine = engine(texts.len());
    for _ in 0..3 {
        let mut said: Vec<Said> = texts.iter().map(|_| Said::default()).collect();
        for (slot, text) in texts.iter().enumerate() {
            engine.open(SlotId(slot));
            engine.feed(SlotId(slot), line(text)).unwrap();
        }
        let mut left = texts.len();
        while left > 0 {
            for (slot, speech) in next(&mut engine, &[true; 4]) {
                left -= usize::from(said[slot.0].take(speech));
            }
        }
        for (together, alone) in said.iter().zip(&alone) {
            assert!(same(together, alone));
        }
    }
}

#[test]
fn lines_follow_each_other() {
    let mut engine = engine(1);
    engine.open(SlotId(0));
    for text in ["One.", "Two.", "Three."] {
        engine.feed(SlotId(0), line(text)).unwrap();
    }
    let mut ends = 0;
    let mut said = Said::default();
    while ends < 3 {
        for (_, speech) in next(&mut engine, &[true]) {
            ends += usize::from(said.take(speech));
        }
    }
    assert!(said.seconds() > 0.8);
}

#[test]
fn a_closed_row_is_silent_at_once_and_remembers_nothing() {
    let fresh = say(&mut engine(1), line("Good bye!"));
    let mut engine = engine(1);
    for _ in 0..20 {
        engine.open(SlotId(0));
        engine
            .feed(SlotId(0), line(&[SENTENCE; 20].join(" ")))
            .unwrap();
        let mut heard = 0;
        while heard < 5 {
            heard += next(&mut engine, &[true]).len();
        }
        engine.close(SlotId(0));
        let progress = engine.step(&[true], &mut |_, _| panic!("closed"));
        assert_eq!(progress.unwrap(), Progress::Idle);
        let again = say(&mut engine, line("Good bye!"));
        assert!(same(&again, &fresh), "nothing of the old line");
        engine.close(SlotId(0));
    }
}

#[test]
fn a_row_without_credit_gets_nothing_and_loses_nothing() {
    let mut engine = engine(2);
    for slot in 0..2 {
        engine.open(SlotId(slot));
        engine.feed(SlotId(slot), line(SENTENCE)).unwrap();
    }
    let mut said = [Said::default(), Said::default()];
    let mut ended = [false; 2];
    while !ended[1] {
        for (slot, speech) in next(&mut engine, &[false, true]) {
            assert_eq!(slot, SlotId(1), "row 0 has no credit");
            ended[1] |= said[1].take(speech);
        }
    }
    while !ended[0] {
        for (_, speech) in next(&mut engine, &[true, true]) {
            ended[0] |= said[0].take(speech);
        }
    }
    assert!(same(&said[0], &said[1]));
}

#[test]
fn whatever_a_model_writes_ends() {
    let mut engine = engine(1);
    let long_digits = "1234567890".repeat(20);
    let letters = "x".repeat(400);
    for (text, speaks) in [
        ("", false),
        ("   \n\t ", false),
        ("🎉🎉🎉", false),
        ("...!?", false),
        ("\u{0}\u{1}\u{7f}", false),
        ("nul \0 inside", true),
        ("<speak><prosody rate=\"x-fast\">Hi</prosody></speak>", true),
        ("```rust\nfn main() {}\n```", true),
        ("مرحبا hello", true),
        ("\u{202e}olleh", true),
        ("%s %n %x %p \\ \" ' `rm -rf`", true),
        (
            "a.b.c.d.e.f $ $$ $1.2.3.4 1,2,3,,, ..5 -- -5-- 1e999 0x41",
            true,
        ),
        (&long_digits, true),
        (&letters, true),
        ("!!!!!!!! ha ha ha ha", true),
    ] {
        let said = say(&mut engine, line(text));
        assert_eq!(
            said.seconds() > 0.05,
            speaks,
            "{text:?} {} s",
            said.seconds()
        );
        for (end, ..) in &said.words {
            assert!(text.is_char_boundary(*end));
        }
    }
    engine.open(SlotId(0));
    let refusal = engine.feed(SlotId(0), line("你好，世界")).unwrap_err();
    assert_eq!(refusal.kind, FaultKind::BadInput);
    assert!(refusal.source.to_string().contains("English"));
}

#[test]
fn ten_thousand_letters_can_be_stopped() {
    let mut engine = engine(1);
    engine.open(SlotId(0));
    engine.feed(SlotId(0), line(&"o".repeat(10_000))).unwrap();
    let mut seconds = 0.0;
    while seconds < 3.0 {
        for (_, speech) in next(&mut engine, &[true]) {
            if let Speech::Audio(frame) = speech {
                seconds += frame.duration().as_secs_f64();
            }
        }
    }
    // Ends the threads; it would take half an hour to say.
    drop(engine);
}
