//! The voice activity detector on speech and silence, and the scripted recogniser.
#![allow(clippy::unwrap_used)]
mod support;

use support::{hear, said};
use voiced_asr::{scripted::ScriptedEar, vad::Earshot};
use voiced_core::{
    activity::{ActivityChange, ActivityPolicy, SpeechActivity, level_dbfs},
    audio::SampleRate,
    engine::VoiceActivityDetector,
};
use voiced_tts::embedded::Embedded as Voice;

fn loud(ms: usize) -> Vec<f32> {
    (0..ms * 16)
        .map(|n| if n % 80 < 40 { 0.2 } else { -0.2 })
        .collect()
}

#[test]
fn speech_is_noticed_within_its_first_syllable_and_so_is_its_end() {
    let mut audio = vec![0.0; 16_000];
    audio.extend(said(&mut Voice::new(1).unwrap(), "hello there", "slt"));
    let end = audio.len();
    audio.extend(vec![0.0; 16_000]);
    let mut vad = Earshot::new();
    let mut activity = SpeechActivity::new(ActivityPolicy::default());
    let window = SampleRate::HEARING.duration_of(vad.window() as u64);
    let mut changes = Vec::new();
    for (n, samples) in audio.chunks_exact(vad.window()).enumerate() {
        let probability = vad.push(samples);
        let change = activity.push(probability, window, level_dbfs(samples));
        changes.extend(change.map(|change| ((n + 1) * vad.window(), change)));
    }
    assert_eq!(changes.len(), 2, "{changes:?}");
    let (started, ActivityChange::Started { onset_before }) = changes[0] else {
        panic!("{changes:?}");
    };
    assert!((16_000..16_000 + 4_800).contains(&started), "{started}");
    let onset = started as i64 - SampleRate::HEARING.samples_in(onset_before) as i64;
    assert!((onset - 16_000).abs() < 3_200, "{onset}");
    let (stopped, ActivityChange::Stopped { .. }) = changes[1] else {
        panic!("{changes:?}");
    };
    assert!(
        (end..end + 8_000).contains(&stopped),
        "{stopped} after {end}"
    );
}

#[test]
fn silence_and_broken_samples_are_no_speech_and_leave_it_intact() {
    let mut vad = Earshot::new();
    let window = vad.window();
    for sample in [0.0, f32::NAN, f32::INFINITY, 1e30] {
        for _ in 0..50 {
            let probability = vad.push(&vec![sample; window]).0;
            assert!((0.0..=1.0).contains(&probability));
        }
    }
    let fresh = Earshot::new().push(&loud(16)).0;
    vad.reset();
    assert_eq!(vad.push(&loud(16)).0, fresh, "reset forgets");
    assert!(Earshot::new().push(&vec![0.0; window]).0 < 0.35);
}

#[test]
fn a_scripted_ear_says_its_words_one_by_one() {
    let mut ear = ScriptedEar::new(1, "one two three");
    let heard = hear(&mut ear, &loud(1_000));
    assert_eq!(heard.partials, ["one two", "one two three"]);
    assert_eq!(heard.words, "one two three");
    assert_eq!(hear(&mut ear, &loud(40)).words, "", "too short");
    assert_eq!(hear(&mut ear, &[0.0; 16_000]).words, "", "silence");
    assert_eq!(hear(&mut ear, &[f32::NAN; 16_000]).words, "");
}
