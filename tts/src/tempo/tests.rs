//! Length, pitch, smoothness and indifference to pieces.
#![allow(clippy::unwrap_used)]
use std::f32::consts::TAU;

use super::*;

/// Something like a voice: ten harmonics of a gliding pitch, with an envelope of syllables.
fn voice(n: usize) -> Vec<f32> {
    let mut phase = 0.0_f32;
    (0..n)
        .map(|i| {
            let t = i as f32 / 24_000.0;
            phase = (phase + (140.0 + 30.0 * (TAU * 0.7 * t).sin()) / 24_000.0).fract();
            let sound: f32 = (1..=10)
                .map(|k| (TAU * phase * k as f32).sin() / k as f32)
                .sum();
            0.2 * sound * (0.55 - 0.45 * (TAU * 4.0 * t).cos())
        })
        .collect()
}

fn tone(hz: f32, n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| 0.5 * (TAU * hz * i as f32 / 24_000.0).sin())
        .collect()
}

fn stretched(speed: f32, samples: &[f32], piece: usize) -> Vec<f32> {
    let mut tempo = Tempo::new(speed);
    let mut out = Vec::new();
    for piece in samples.chunks(piece) {
        tempo.push(piece, &mut out);
    }
    tempo.finish(&mut out);
    out
}

/// Upward crossings of zero a second.
fn pitch(samples: &[f32]) -> f32 {
    let ups = samples.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0);
    ups.count() as f32 * 24_000.0 / samples.len() as f32
}

const SPEEDS: [f32; 7] = [0.25, 0.5, 0.8, 1.1, 1.25, 1.5, 2.0];

#[test]
fn natural_tempo_is_exact_and_at_once() {
    let samples = voice(24_000);
    let mut tempo = Tempo::new(1.0);
    let mut out = Vec::new();
    for piece in samples.chunks(333) {
        let before = out.len();
        tempo.push(piece, &mut out);
        assert_eq!(out.len() - before, piece.len());
    }
    tempo.finish(&mut out);
    assert_eq!(out, samples);
}

#[test]
fn it_lasts_as_long_as_it_should_and_keeps_its_pitch() {
    for speed in SPEEDS {
        for n in [0, 1, 100, 1_920, 48_000] {
            let got = stretched(speed, &tone(220.0, n), 1_920).len();
            let want = n as f32 / speed;
            assert!((got as f32 - want).abs() <= 1.0, "{n} at {speed}: {got}");
        }
        let got = pitch(&stretched(speed, &tone(220.0, 48_000), 1_920));
        assert!((got / 220.0 - 1.0).abs() < 0.02, "{got} at {speed}");
    }
}

#[test]
fn pieces_do_not_matter() {
    let samples = voice(12_000);
    for speed in SPEEDS {
        let whole = stretched(speed, &samples, usize::MAX);
        for piece in [1, 17, 480, 1_920, 10_000] {
            assert!(
                stretched(speed, &samples, piece) == whole,
                "{piece} at {speed}"
            );
        }
    }
}

/// No step between two samples is much larger than the sound itself has.
#[test]
fn there_are_no_clicks() {
    let steepest = |samples: &[f32]| {
        let steps = samples.windows(2).map(|w| (w[1] - w[0]).abs());
        steps.fold(0.0, f32::max)
    };
    for samples in [voice(96_000), tone(100.0, 48_000), tone(333.0, 48_000)] {
        for speed in SPEEDS {
            let got = steepest(&stretched(speed, &samples, 1_920));
            assert!(got < 1.3 * steepest(&samples) + 0.01, "{got} at {speed}");
        }
    }
}

#[test]
fn the_sound_stays_where_its_time_says() {
    // A burst at 1 s of 2 s of silence.
    let mut samples = vec![0.0; 48_000];
    samples[24_000..26_400].copy_from_slice(&tone(300.0, 2_400));
    for speed in SPEEDS {
        let out = stretched(speed, &samples, 1_920);
        let first = out.iter().position(|s| s.abs() > 0.1).unwrap() as f32;
        let want = 24_000.0 / speed;
        // A stretch may come from as far as it is sought, and the sound begins inside one.
        let near = (SEEK + HOP) as f32 / speed + HOP as f32;
        assert!(
            (first - want).abs() < near,
            "{first} and not {want} at {speed}"
        );
    }
}

#[test]
fn the_tempo_may_change_on_the_way() {
    let samples = tone(200.0, 120_000);
    let mut tempo = Tempo::new(1.0);
    let mut out = Vec::new();
    for (i, piece) in samples.chunks(2_400).enumerate() {
        tempo.set([1.0, 1.25, 1.0, 0.8, 1.1][i / 10]);
        tempo.push(piece, &mut out);
    }
    tempo.finish(&mut out);
    let want = 24_000.0 * (1.0 + 1.0 / 1.25 + 1.0 + 1.0 / 0.8 + 1.0 / 1.1);
    assert!(
        (out.len() as f32 - want).abs() < 1_200.0,
        "{} and not {want}",
        out.len()
    );
    let steepest = out
        .windows(2)
        .map(|w| (w[1] - w[0]).abs())
        .fold(0.0, f32::max);
    assert!(steepest < 0.04, "{steepest}");
}

#[test]
fn what_is_no_number_is_natural() {
    assert_eq!(Tempo::new(f32::NAN).speed(), 1.0);
    assert_eq!(Tempo::new(0.0).speed(), RANGE.0);
    assert_eq!(Tempo::new(99.0).speed(), RANGE.1);
}

#[test]
fn hours_take_no_more_memory() {
    let mut tempo = Tempo::new(1.1);
    let second = voice(24_000);
    let mut out = Vec::new();
    for _ in 0..120 {
        tempo.push(&second, &mut out);
        out.clear();
    }
    assert!(
        tempo.input.len() < 24_000 + 8 * HOP,
        "{}",
        tempo.input.len()
    );
}
