//! Laws of the engine on a small model.
#![allow(clippy::unwrap_used)]
use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use voiced_core::engine::FaultKind;
use voiced_nn::matrix::Format;

use super::*;

mod rig;

use rig::{Heard, Rig, endless, line, options, rig as small, rig_of};

fn texts() -> [Vec<Line>; 3] {
    [
        vec![
            line("Hello there, how are you?", "tiny_a"),
            line("Fine.", "tiny_a"),
        ],
        vec![line("Grüße aus München — die Straße ist schön.", "tiny_b")],
        vec![
            line("नमस्ते, आप कैसे हैं?", "tiny_b"),
            line("And a second line.", "tiny_a"),
        ],
    ]
}

#[test]
fn a_line_is_said_and_ends() {
    let heard = Rig::alone(Format::F32, &texts()[0]);
    assert_eq!(heard.ends, 2);
    // Whole frames, and the pause between the two lines.
    let sound = heard.samples.len() - 2_400;
    assert!(sound > 0 && sound.is_multiple_of(192));
    assert!(heard.samples.iter().any(|s| s.abs() > 1e-3));
    // Words in order, the last at the end of each line.
    let ends: Vec<usize> = heard.words.iter().map(|w| w.0).collect();
    assert!(ends.contains(&texts()[0][0].text.len()), "{ends:?}");
    assert_eq!(*ends.last().unwrap(), 5);
}

#[test]
fn a_row_is_the_same_alone_in_a_batch_and_after_a_neighbour_s_cancel() {
    for format in [Format::F32, Format::Q8] {
        let lines = texts();
        let alone: Vec<Heard> = lines.iter().map(|l| Rig::alone(format, l)).collect();
        let mut rig = rig_of(options(), format);
        // Row 1 is held, cancelled in the middle and held again; row 2 comes late.
        rig.say(0, &lines[0]);
        rig.say(1, &lines[2]);
        let mut cut = None;
        let mut heard = rig.run(|speaker, step| {
            if step == 5 {
                speaker.close(SlotId(1));
                cut = Some(step);
            }
            if step == 7 {
                speaker.open(SlotId(2));
                for line in &lines[2] {
                    speaker.feed(SlotId(2), line.clone()).unwrap();
                }
            }
        });
        assert!(cut.is_some());
        heard.values_mut().for_each(|h| h.first = None);
        assert!(heard[&0] == alone[0], "{format}: beside a cancelled row");
        assert!(heard[&2] == alone[2], "{format}: begun late");
        // In the cancelled row's place, on a machine that has said all this before.
        rig.say(1, &lines[1]);
        let mut heard = rig.run(|_, _| {});
        heard.values_mut().for_each(|h| h.first = None);
        assert!(heard[&1] == alone[1], "{format}: after a cancelled lease");
    }
}

#[test]
fn two_runs_are_identical_and_another_seed_is_not() {
    let lines = &texts()[1];
    let first = Rig::alone(Format::Bf16, lines);
    assert_eq!(first, Rig::alone(Format::Bf16, lines));
    let mut other = rig_of(
        Options {
            seed: 1,
            ..options()
        },
        Format::Bf16,
    );
    other.say(0, lines);
    assert_ne!(other.run(|_, _| {})[&0].samples, first.samples);
}

#[test]
fn a_closed_row_is_silent_at_once() {
    let mut rig = small();
    rig.say(0, &texts()[0]);
    rig.say(1, &texts()[1]);
    let mut after = 0;
    for step in 0..30 {
        if step == 8 {
            rig.speaker.close(SlotId(0));
        }
        let mut emit = |slot: SlotId, _: Speech| after += usize::from(step >= 8 && slot.0 == 0);
        rig.speaker.step(&[true; 3], &mut emit).unwrap();
    }
    assert_eq!(after, 0);
    let fed = rig.speaker.feed(SlotId(0), line("late", "tiny_a"));
    assert_eq!(fed.unwrap_err().kind, FaultKind::BadInput);
}

#[test]
fn a_known_voice_is_not_read_again() {
    let mut rig = small();
    let text = [line("Hello.", "tiny_a")];
    rig.say(0, &text);
    let first = rig.run(|_, _| {})[&0].first.unwrap();
    rig.say(1, &text);
    let second = rig.run(|_, _| {})[&1].first.unwrap();
    // The voice takes a step of its own; with it, the text and the first frame are one.
    assert!(first >= 1, "{first}");
    assert_eq!(second, 0);
    // More voices than places: the oldest goes, and nobody notices but the clock.
    let mut tight = rig_of(
        Options {
            voices_kept: 1,
            ..options()
        },
        Format::F32,
    );
    for voice in ["tiny_a", "tiny_b", "tiny_a"] {
        let lines = [line("Hello.", voice)];
        tight.say(0, &lines);
        let mut heard = tight.run(|_, _| {}).remove(&0).unwrap();
        heard.first = None;
        assert!(heard == Rig::alone(Format::F32, &lines), "{voice}");
    }
    tight.say(0, &[line("Hello.", "tiny_a")]);
    tight.say(1, &[line("Hello.", "tiny_b")]);
    assert_eq!(tight.run(|_, _| {}).len(), 2);
}

#[test]
fn a_row_that_is_not_ready_stands_still() {
    let mut rig = small();
    rig.say(0, &texts()[0]);
    for _ in 0..20 {
        let progress = rig
            .speaker
            .step(&[false, true, true], &mut |_, _| panic!("not ready"));
        assert_eq!(progress.unwrap(), Progress::Idle);
    }
    let mut heard = rig.run(|_, _| {}).remove(&0).unwrap();
    heard.first = None;
    assert!(heard == Rig::alone(Format::F32, &texts()[0]));
}

/// A row far ahead of its listener waits while another has said nothing, and only then.
#[test]
fn the_first_chunk_of_a_newcomer_goes_before_the_surplus_of_others() {
    let long = "word and word and word, ".repeat(12);
    let mut rig = endless(Options {
        ahead: Duration::from_millis(16),
        together: 8,
        ..options()
    });
    rig.say(0, &[line(&long, "tiny_a")]);
    let mut ahead = 0;
    let step = |rig: &mut Rig| {
        let (mut old, mut new) = (0, 0);
        let mut emit = |slot: SlotId, speech: Speech| {
            if matches!(speech, Speech::Audio(_)) {
                *(if slot.0 == 0 { &mut old } else { &mut new }) += 1;
            }
        };
        rig.speaker.step(&[true; 3], &mut emit).unwrap();
        (old, new)
    };
    for _ in 0..10 {
        ahead += step(&mut rig).0;
    }
    assert!(ahead >= 4, "alone it never waits: {ahead}");
    // A frame of the small model is 8 ms; the listener has heard nothing yet.
    rig.say(
        1,
        &[line(
            "A newcomer with a voice of its own and some text.",
            "tiny_b",
        )],
    );
    let mut waited = 0;
    loop {
        let (old, new) = step(&mut rig);
        assert_eq!(old, 0, "it waits");
        waited += 1;
        if new > 0 {
            break;
        }
        assert!(waited < 100);
    }
    assert!(waited > 2, "reading takes steps: {waited}");
    let goes_on = (0..6).map(|_| step(&mut rig).0).sum::<usize>();
    assert!(goes_on > 0, "and goes on");
    // A listener who has heard everything is not kept waiting.
    rig.now.store(60_000, SeqCst);
    rig.say(
        2,
        &[line(
            "Another one, at another time, with more text.",
            "tiny_b",
        )],
    );
    assert!((0..3).map(|_| step(&mut rig).0).sum::<usize>() > 0);
}

#[test]
fn anything_is_sound_or_silence_and_ends() {
    let mut rig = small();
    let texts = [
        String::new(),
        "?".to_owned(),
        "a".to_owned(),
        " \n\t\u{200b} ".to_owned(),
        "🎤🔊".to_owned(),
        "[AUDIO][BEGIN_AUDIO]</s>".to_owned(),
        "\0\u{1}\u{feff}\u{202e}x".to_owned(),
        "9".repeat(400),
        "!?!?".repeat(100),
        "a\u{301}\u{301}\u{301}".repeat(50),
    ];
    for text in &texts {
        rig.say(0, &[line(text, "tiny_a")]);
        let heard = rig.run(|_, _| {}).remove(&0).unwrap();
        assert_eq!(heard.ends, 1, "{text:?}");
        let speaks = text.chars().any(char::is_alphanumeric);
        assert_eq!(!heard.samples.is_empty(), speaks, "{text:?}");
        let most = 40 + 3 * (8 * text.chars().count() + 40);
        assert!(
            heard.samples.len() / 192 <= most + 30 * text.len(),
            "{text:?}"
        );
    }
}

/// A model that never says that it is done is cut off in proportion to the text.
#[test]
fn a_voice_that_never_ends_is_cut_off() {
    let mut rig = endless(options());
    for (text, chars) in [("a", 2), ("Hello there.", 12)] {
        rig.say(0, &[line(text, "tiny_a")]);
        let heard = rig.run(|_, _| {}).remove(&0).unwrap();
        assert_eq!(heard.samples.len() / 192, 40 + 3 * chars, "{text}");
        assert_eq!((heard.ends, heard.words.last().unwrap().0), (1, text.len()));
    }
}

/// Ten thousand letters in one word and in many, without an end from the model's side.
#[test]
fn long_texts_are_cut_capped_and_end() {
    let mut rig = small();
    for text in ["x".repeat(10_000), "So it goes. ".repeat(830)] {
        rig.say(0, &[line(&text, "tiny_b")]);
        let heard = rig.run(|_, _| {}).remove(&0).unwrap();
        assert_eq!(heard.ends, 1);
        assert_eq!(heard.words.last().unwrap().0, text.trim_end().len());
        assert!(heard.words.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
    }
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let mut rig = small();
    rig.speaker.open(SlotId(0));
    let refused = rig
        .speaker
        .feed(SlotId(0), line("x", "nobody"))
        .unwrap_err();
    assert_eq!(refused.kind, FaultKind::BadInput);
    assert!(refused.to_string().contains("tiny_a, tiny_b"), "{refused}");
    for _ in 0..WAITING {
        assert!(rig.speaker.has_room(SlotId(0)));
        rig.speaker.feed(SlotId(0), line("x", "tiny_a")).unwrap();
    }
    assert!(!rig.speaker.has_room(SlotId(0)));
    assert!(rig.speaker.feed(SlotId(0), line("x", "tiny_a")).is_err());
    assert_eq!(LEAST_CONTEXT, 376 + 5 + 1200 + 940);
}
