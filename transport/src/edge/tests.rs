//! Echo goes, the near voice stays, and switches that are off cost nothing.
use std::f32::consts::TAU;

use voiced_core::{epoch::Epoch, resample::Resampler};

use super::*;

/// Repeatable noise in [-1, 1].
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Something like a voice at `rate`: syllables of pitched and hissing sound.
fn voice(rate: f32, pitch: f32, seconds: f32, seed: u64) -> Vec<f32> {
    let mut noise = Noise(seed);
    let mut phase = 0.0_f32;
    (0..(rate * seconds) as usize)
        .map(|n| {
            let t = n as f32 / rate;
            phase += pitch * (1.0 + 0.2 * (t * 1.7).sin()) / rate;
            let tone: f32 = (1..12)
                .map(|h| (phase * TAU * h as f32).sin() / h as f32)
                .sum();
            let syllable = ((t * 3.3 * TAU).sin() * 0.5 + 0.5).powi(2);
            let hiss = noise.next() * ((t * 1.9 * TAU).sin() * 0.5 + 0.5).powi(6);
            (tone * 0.12 + hiss * 0.1) * syllable
        })
        .collect()
}

fn frame(samples: &[f32]) -> PlayoutFrame {
    let mut frame = PlayoutFrame {
        epoch: Epoch(1),
        samples: [0.0; FRAME],
        is_last: false,
    };
    frame.samples.copy_from_slice(samples);
    frame
}

fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64
}

fn decibels(ratio: f64) -> f64 {
    10.0 * ratio.log10()
}

/// The agent speaks for `seconds`; its voice comes back 70 ms later at a third of its strength,
/// with a near-end voice from second 8 to 10. Returns what the microphone picked up, what was left
/// of it and the near-end voice alone, all at 16 kHz.
fn echo_scene(settings: EdgeSettings, seconds: f32) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let far = voice(24_000.0, 170.0, seconds, 1);
    let mut far_16 = Vec::new();
    let mut resampler = Resampler::new(SampleRate::SPEECH, SampleRate::HEARING);
    resampler.process(&far, &mut far_16);
    resampler.flush(&mut far_16);
    let mut near = voice(16_000.0, 110.0, seconds, 2);
    for (n, sample) in near.iter_mut().enumerate() {
        if !(8 * 16_000..10 * 16_000).contains(&n) {
            *sample = 0.0;
        }
    }
    let mut hum = Noise(3);
    let delay = 16 * 70;
    let mic: Vec<f32> = (0..far_16.len())
        .map(|n| {
            let echo = if n < delay {
                0.0
            } else {
                0.33 * far_16[n - delay]
            };
            echo + near[n] + 0.0003 * hum.next()
        })
        .collect();
    let mut edge = Edge::new(settings);
    let mut left = mic.clone();
    for (played, captured) in far.chunks_exact(FRAME).zip(left.chunks_exact_mut(320)) {
        edge.played(Some(&frame(played)));
        edge.captured(captured);
    }
    (mic, left, near)
}

fn seconds(samples: &[f32], from: usize, to: usize) -> &[f32] {
    &samples[from * 16_000..to * 16_000]
}

#[test]
fn the_agents_own_voice_is_removed() {
    let settings = EdgeSettings {
        echo_cancellation: true,
        ..EdgeSettings::default()
    };
    let (mic, left, _) = echo_scene(settings, 8.0);
    let reduction = decibels(power(seconds(&mic, 5, 8)) / power(seconds(&left, 5, 8)));
    assert!(reduction >= 20.0, "{reduction:.1} dB");
}

#[test]
fn somebody_who_speaks_over_the_agent_is_still_heard() {
    let settings = EdgeSettings {
        echo_cancellation: true,
        ..EdgeSettings::default()
    };
    let (_, left, near) = echo_scene(settings, 10.0);
    let kept = decibels(power(seconds(&left, 8, 10)) / power(seconds(&near, 8, 10)));
    assert!(kept > -6.0, "{kept:.1} dB of the near voice is left");
}

#[test]
fn steady_noise_is_attenuated_and_speech_is_not() {
    let mut noise = Noise(5);
    let speech = voice(16_000.0, 130.0, 8.0, 6);
    let mut mic: Vec<f32> = speech
        .iter()
        .enumerate()
        .map(|(n, s)| 0.01 * noise.next() + if n >= 4 * 16_000 { *s } else { 0.0 })
        .collect();
    let before = mic.clone();
    let mut edge = Edge::new(EdgeSettings {
        noise_suppression: true,
        ..EdgeSettings::default()
    });
    for frame in mic.chunks_exact_mut(320) {
        edge.captured(frame);
    }
    let quiet = decibels(power(seconds(&before, 2, 4)) / power(seconds(&mic, 2, 4)));
    let spoken = decibels(power(seconds(&before, 5, 8)) / power(seconds(&mic, 5, 8)));
    assert!(quiet > 8.0, "noise went down by {quiet:.1} dB");
    assert!(spoken < 3.0, "speech went down by {spoken:.1} dB");
}

#[test]
fn rumble_is_removed_by_the_high_pass() {
    let tone = |hz: f32| -> f64 {
        let mut samples: Vec<f32> = (0..32_000)
            .map(|n| 0.2 * (n as f32 * hz * TAU / 16_000.0).sin())
            .collect();
        let before = power(&samples);
        let mut edge = Edge::new(EdgeSettings {
            high_pass: true,
            ..EdgeSettings::default()
        });
        for frame in samples.chunks_exact_mut(320) {
            edge.captured(frame);
        }
        decibels(before / power(&samples[16_000..]))
    };
    assert!(tone(30.0) > 15.0, "{:.1} dB at 30 Hz", tone(30.0));
    assert!(tone(400.0) < 1.0, "{:.1} dB at 400 Hz", tone(400.0));
}

#[test]
fn switched_off_means_untouched_and_weightless() {
    let mut edge = Edge::new(EdgeSettings::default());
    assert!(edge.is_idle());
    assert_eq!(size_of::<Edge>(), size_of::<usize>());
    let mut samples = [0.5, f32::NAN, -0.5];
    edge.played(None);
    edge.captured(&mut samples);
    assert_eq!((samples[0], samples[2]), (0.5, -0.5));
}

#[test]
fn odd_lengths_lose_nothing() {
    let settings = EdgeSettings {
        high_pass: true,
        ..EdgeSettings::default()
    };
    let source = voice(16_000.0, 200.0, 1.0, 9);
    let whole = {
        let mut edge = Edge::new(settings);
        let mut samples = source.clone();
        edge.captured(&mut samples);
        samples
    };
    let mut edge = Edge::new(settings);
    let mut pieces = source.clone();
    for piece in pieces.chunks_mut(123) {
        edge.captured(piece);
    }
    // The same sound, 10 ms later.
    for (a, b) in whole.iter().zip(&pieces[HEARD..]) {
        assert!((a - b).abs() < 1e-6);
    }
}
