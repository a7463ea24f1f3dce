//! Scripts of windows, and what must hold for any of them.
use proptest::prelude::*;

use super::*;

const WINDOW: Duration = Duration::from_millis(16);

/// Each character is a window of 16 ms: `#` voice, `-` in between, `.` silence, `s` a softer voice,
/// `q` what a network still takes for one when it is over.
/// Answers the changes as (index of the window, change).
fn changes(script: &str) -> Vec<(usize, ActivityChange)> {
    let mut activity = SpeechActivity::new(ActivityPolicy::default());
    script
        .chars()
        .enumerate()
        .filter_map(|(at, window)| {
            let (probability, level) = match window {
                '#' => (0.9, -20.0),
                '-' => (0.4, -20.0),
                's' => (0.9, -45.0),
                'q' => (0.9, -70.0),
                _ => (0.05, -60.0),
            };
            let change = activity.push(SpeechProbability(probability), WINDOW, level);
            change.map(|change| (at, change))
        })
        .collect()
}

fn started(at: usize, windows: u32) -> (usize, ActivityChange) {
    let onset_before = WINDOW * windows;
    (at, ActivityChange::Started { onset_before })
}

fn stopped(at: usize, windows: u32) -> (usize, ActivityChange) {
    let silence = WINDOW * windows;
    (at, ActivityChange::Stopped { silence })
}

#[test]
fn speech_starts_after_sixty_milliseconds_and_stops_after_two_hundred() {
    assert_eq!(changes("...####"), [started(6, 4)]);
    assert_eq!(
        changes("####.............."),
        [started(3, 4), stopped(16, 13)]
    );
}

#[test]
fn a_click_starts_nothing() {
    assert_eq!(changes("..###...###...##.."), []);
}

#[test]
fn a_plosive_stops_nothing() {
    assert_eq!(changes("####......####......####"), [started(3, 4)]);
}

#[test]
fn what_hovers_in_between_changes_nothing_and_counts_as_time() {
    assert_eq!(changes("-----------"), []);
    assert_eq!(changes("##--##"), [started(5, 6)]);
    assert_eq!(changes("####-----------------------"), [started(3, 4)]);
    assert_eq!(changes("#--------------------###"), []);
}

#[test]
fn a_voice_far_away_is_no_start_and_a_softer_one_keeps_speech_going() {
    assert_eq!(changes("qqqqqqqqqq"), []);
    assert_eq!(changes("####sssssssssssssssssssssssss"), [started(3, 4)]);
}

#[test]
fn a_voice_that_has_fallen_silent_is_not_waited_for_until_the_network_knows() {
    assert_eq!(
        changes("####qqqqqqqqqqqqq"),
        [started(3, 4), stopped(16, 13)]
    );
    // A loud word does not make silence of what is said softly long after it.
    let soft = format!("####{}", "s".repeat(400));
    assert_eq!(changes(&soft), [started(3, 4)]);
}

#[test]
fn a_probability_that_is_no_number_is_silence() {
    let mut activity = SpeechActivity::new(ActivityPolicy::default());
    for _ in 0..100 {
        assert_eq!(
            activity.push(SpeechProbability(f32::NAN), WINDOW, 0.0),
            None
        );
    }
}

#[test]
fn levels() {
    assert_eq!(level_dbfs(&[]), -120.0);
    assert_eq!(level_dbfs(&[0.0; 10]), -120.0);
    assert_eq!(level_dbfs(&[f32::NAN; 10]), -120.0);
    assert!((level_dbfs(&[1.0, -1.0]) - 0.0).abs() < 0.01);
    assert!((level_dbfs(&[0.1, -0.1]) + 20.0).abs() < 0.01);
}

proptest! {
    #[test]
    fn starts_and_stops_alternate_and_take_their_time(
        windows in proptest::collection::vec((0.0..1.0f32, 10..33u64, -80.0..0.0f32), 0..400),
        speech_after in 0..200u64,
        silence_after in 0..500u64,
    ) {
        let policy = ActivityPolicy {
            speech_after: Duration::from_millis(speech_after),
            silence_after: Duration::from_millis(silence_after),
            ..ActivityPolicy::default()
        };
        let mut activity = SpeechActivity::new(policy);
        let mut speaking = false;
        let mut now = Duration::ZERO;
        let mut changed = Duration::ZERO;
        for (probability, ms, level) in windows {
            let window = Duration::from_millis(ms);
            now += window;
            let change = activity.push(SpeechProbability(probability), window, level);
            let (back, needed) = match change {
                None => continue,
                Some(ActivityChange::Started { onset_before }) => {
                    prop_assert!(!speaking, "two starts in a row");
                    (onset_before, policy.speech_after)
                }
                Some(ActivityChange::Stopped { silence }) => {
                    prop_assert!(speaking, "two stops in a row");
                    (silence, policy.silence_after)
                }
            };
            speaking = !speaking;
            prop_assert_eq!(activity.is_speaking(), speaking);
            prop_assert!(back >= needed);
            // What it reaches back to lies after the previous change.
            prop_assert!(now - back >= changed);
            changed = now;
        }
    }
}
