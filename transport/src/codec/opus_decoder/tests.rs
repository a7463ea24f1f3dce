//! What Opus decodes, conceals and recovers, and that hostile packets cost nothing.
#![allow(clippy::unwrap_used)]
use std::f32::consts::TAU;

use proptest::prelude::*;
use voiced_core::playout::FRAME;

use super::*;
use crate::codec::opus_encoder::{OpusEncoder, OpusSettings};

/// A voice-like sound: a gliding pitch with harmonics and syllables.
fn speech(frames: usize) -> Vec<[f32; FRAME]> {
    let mut phase = 0.0_f32;
    (0..frames)
        .map(|f| {
            std::array::from_fn(|n| {
                let t = (f * FRAME + n) as f32 / 24_000.0;
                phase += (140.0 + 30.0 * (t * 2.1).sin()) / 24_000.0;
                let voice: f32 = (1..8)
                    .map(|h| (phase * TAU * h as f32).sin() / h as f32)
                    .sum();
                0.2 * voice * (0.6 + 0.4 * (t * 9.0).sin())
            })
        })
        .collect()
}

fn packets(frames: &[[f32; FRAME]], settings: OpusSettings) -> Vec<bytes::Bytes> {
    let mut encoder = OpusEncoder::new(settings).unwrap();
    frames.iter().map(|f| encoder.encode(f).unwrap()).collect()
}

fn energy(samples: &[f32]) -> f64 {
    samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let difference: Vec<f32> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    energy(&difference) / energy(a)
}

#[test]
fn speech_survives_and_arrives_at_16_khz() {
    let frames = speech(100);
    let packets = packets(&frames, OpusSettings::default());
    let bits: usize = packets.iter().map(|p| p.len() * 8).sum();
    assert!((20_000..45_000).contains(&(bits / 2)), "{} b/s", bits / 2);
    let mut decoder = OpusDecoder::new().unwrap();
    let mut out = Vec::new();
    for packet in &packets {
        assert_eq!(duration_48k(packet), Some(960));
        assert_eq!(decoder.decode(packet, &mut out).unwrap(), 320);
    }
    let sent: f64 = frames.iter().map(|f| energy(f)).sum::<f64>() / 100.0;
    let ratio = energy(&out) / sent;
    assert!((0.7..1.4).contains(&ratio), "energy changed by {ratio}");
}

/// One lost frame: redundancy must come closer to the truth than guessing does.
#[test]
fn redundancy_rebuilds_a_lost_frame() {
    let settings = OpusSettings {
        expected_loss: 20,
        ..OpusSettings::default()
    };
    let packets = packets(&speech(60), settings);
    let mut rebuilt = 0.0;
    let mut guessed = 0.0;
    for lost in 20..50 {
        let run = |recover: bool| {
            let mut decoder = OpusDecoder::new().unwrap();
            let mut out = Vec::new();
            for packet in &packets[..lost] {
                decoder.decode(packet, &mut out).unwrap();
            }
            let mut frame = Vec::new();
            let count = if recover {
                decoder.recover(&packets[lost + 1], 320, &mut frame)
            } else {
                decoder.conceal(320, &mut frame)
            };
            assert_eq!(count.unwrap(), 320);
            decoder.decode(&packets[lost + 1], &mut frame).unwrap();
            frame
        };
        let mut truth_decoder = OpusDecoder::new().unwrap();
        let mut truth = Vec::new();
        for packet in &packets[..=lost + 1] {
            truth_decoder.decode(packet, &mut truth).unwrap();
        }
        let truth = &truth[lost * 320..];
        rebuilt += distance(truth, &run(true));
        guessed += distance(truth, &run(false));
    }
    assert!(
        rebuilt < guessed * 0.8,
        "rebuilt {rebuilt:.2}, guessed {guessed:.2}"
    );
}

#[test]
fn a_guess_begins_as_a_voice_and_never_gets_loud() {
    let packets = packets(&speech(50), OpusSettings::default());
    let mut decoder = OpusDecoder::new().unwrap();
    let mut out = Vec::new();
    for packet in &packets {
        decoder.decode(packet, &mut out).unwrap();
    }
    let spoken = energy(&out);
    let mut guess = Vec::new();
    for _ in 0..100 {
        assert_eq!(decoder.conceal(320, &mut guess).unwrap(), 320);
    }
    assert!(
        energy(&guess[..320]) > spoken * 0.05,
        "the first is a voice"
    );
    for frame in guess.chunks_exact(320) {
        assert!(
            energy(frame) < spoken * 3.0,
            "none is louder than the voice"
        );
    }
}

#[test]
fn lengths_that_libopus_refuses_are_made_whole() {
    let mut decoder = OpusDecoder::new().unwrap();
    let mut out = Vec::new();
    assert_eq!(decoder.conceal(0, &mut out).unwrap(), 40);
    assert_eq!(decoder.conceal(333, &mut out).unwrap(), 320);
    assert_eq!(decoder.conceal(1_000_000, &mut out).unwrap(), 1_920);
    assert!(decoder.decode(&[], &mut out).is_err());
    assert_eq!(duration_48k(&[]), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn any_bytes_are_safe(packet in proptest::collection::vec(any::<u8>(), 0..1_500)) {
        let mut decoder = OpusDecoder::new().unwrap();
        let mut out = Vec::new();
        let _ = duration_48k(&packet);
        if let Ok(count) = decoder.decode(&packet, &mut out) {
            prop_assert!(count <= LONGEST);
        }
        let _ = decoder.recover(&packet, 320, &mut out);
        prop_assert_eq!(decoder.conceal(320, &mut out).unwrap(), 320);
    }
}

/// Not a test: `cargo test --release -p voiced-transport opus_cost -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stderr)]
fn opus_cost() {
    let frames = speech(2_000);
    for complexity in [0, 2, 3, 4, 5, 6, 7, 8, 9, 10] {
        let mut encoder = OpusEncoder::new(OpusSettings {
            complexity,
            ..OpusSettings::default()
        })
        .unwrap();
        let clock = crate::pacer::Clock::start();
        let mut bytes = 0;
        for frame in &frames {
            bytes += encoder.encode(frame).unwrap().len();
        }
        eprintln!(
            "encode complexity {complexity}: {:.0} us per 20 ms, {:.1} kb/s",
            clock.elapsed().as_secs_f64() * 1e6 / 2_000.0,
            bytes as f64 * 8.0 / 40.0 / 1_000.0
        );
    }
    let packets = packets(&frames, OpusSettings::default());
    let mut decoder = OpusDecoder::new().unwrap();
    let mut out = Vec::new();
    let clock = crate::pacer::Clock::start();
    for packet in &packets {
        out.clear();
        decoder.decode(packet, &mut out).unwrap();
    }
    let decoding = clock.elapsed();
    let clock = crate::pacer::Clock::start();
    for _ in 0..500 {
        out.clear();
        decoder.conceal(320, &mut out).unwrap();
    }
    eprintln!(
        "decode {:.0} us, conceal {:.0} us per 20 ms",
        decoding.as_secs_f64() * 1e6 / 2_000.0,
        clock.elapsed().as_secs_f64() * 1e6 / 500.0
    );
}
