//! The audio callbacks without a sound card.
#![allow(clippy::unwrap_used)]
use std::f32::consts::TAU;

use tokio::sync::watch;
use voiced_core::{
    epoch::{Epoch, EpochWriter, epoch},
    playout::{FRAME, Playback, PlayoutFrame, PlayoutReader, PlayoutWriter, RING_FRAMES, playout},
};
use voiced_pipeline::call::mic;

use super::*;

fn ring() -> (PlayoutWriter, PlayoutReader, EpochWriter) {
    let (epoch, reader) = epoch();
    let (writer, reader, _control) = playout(RING_FRAMES, reader);
    (writer, reader, epoch)
}

fn frame(n: usize) -> PlayoutFrame {
    PlayoutFrame {
        epoch: Epoch(1),
        samples: std::array::from_fn(|k| {
            0.5 * ((n * FRAME + k) as f32 * 440.0 * TAU / 24_000.0).sin()
        }),
        is_last: false,
    }
}

fn hz(rate: u32) -> SampleRate {
    SampleRate::new(rate).unwrap()
}

#[test]
fn the_loudspeaker_plays_the_ring_on_all_channels() {
    for (rate, channels) in [(24_000, 1), (48_000, 2), (44_100, 2), (16_000, 6)] {
        let (mut writer, reader, _epoch) = ring();
        for n in 0..50 {
            assert!(writer.push(&frame(n)));
        }
        let (mut loudspeaker, mut echo) = Loudspeaker::new(reader, hz(rate), Meter::default());
        let mut played = Vec::new();
        // Odd buffer sizes, as sound cards have them.
        while played.len() < rate as usize * 9 / 10 {
            let mut buffer = vec![9_i16; 441 * channels];
            loudspeaker.fill(&mut buffer, channels);
            for frame in buffer.chunks(channels) {
                assert!(frame.iter().all(|s| s == &frame[0]), "the same everywhere");
                played.push(f32::from(frame[0]) / 32_768.0);
            }
            while echo.next().is_some() {}
        }
        let loud = &played[rate as usize / 10..rate as usize * 8 / 10];
        let power = loud.iter().map(|s| s * s).sum::<f32>() / loud.len() as f32;
        assert!((power - 0.125).abs() < 0.01, "{rate}: {power}");
        let crossings = loud
            .windows(2)
            .filter(|w| w[0] < 0.0 && w[1] >= 0.0)
            .count();
        assert!(
            (crossings as f32 / 0.7 - 440.0).abs() < 5.0,
            "{rate}: {crossings}"
        );
    }
}

#[test]
fn an_empty_ring_is_silence_and_still_keeps_time() {
    let (_writer, reader, _epoch) = ring();
    let (mut loudspeaker, mut echo) = Loudspeaker::new(reader, hz(48_000), Meter::default());
    let mut buffer = [9.0_f32; 960 * 2 * 5];
    loudspeaker.fill(&mut buffer, 2);
    assert!(buffer.iter().all(|s| *s == 0.0));
    let pulled = std::iter::from_fn(|| echo.next()).count();
    assert!(
        (5..=6).contains(&pulled),
        "{pulled} frames of silence for 100 ms"
    );
}

#[test]
fn what_was_played_is_reported_and_is_the_echo() {
    let (mut writer, reader, _epoch) = ring();
    writer.push(&frame(0)).then_some(()).unwrap();
    let last = PlayoutFrame {
        is_last: true,
        ..frame(1)
    };
    assert!(writer.push(&last));
    let (mut loudspeaker, mut echo) = Loudspeaker::new(reader, hz(24_000), Meter::default());
    loudspeaker.fill(&mut [0.0_f32; 3 * FRAME], 1);
    let first = echo.next().unwrap();
    assert_eq!(first.frame.unwrap().samples, frame(0).samples);
    assert_eq!(first.playback.samples, FRAME as u64);
    assert!(echo.next().unwrap().playback.last);
    assert!(echo.next().unwrap().frame.is_none());
}

#[test]
fn the_ring_of_echoes_may_overflow() {
    let (_writer, reader, _epoch) = ring();
    let (mut loudspeaker, mut echo) = Loudspeaker::new(reader, hz(24_000), Meter::default());
    loudspeaker.fill(&mut vec![0.0_f32; 1_000 * FRAME], 1);
    assert_eq!(std::iter::from_fn(|| echo.next()).count(), 32);
}

#[test]
fn the_microphone_mixes_measures_and_resamples() {
    let meter = Meter::default();
    let (mut microphone, mut captured) = Microphone::new(hz(48_000), meter.clone());
    let mut resampler = Resampler::new(hz(48_000), SampleRate::HEARING);
    let mut heard = Vec::new();
    for block in 0..50 {
        // Left is a tone, right is silent: mixed it is half as loud.
        let interleaved: Vec<i16> = (0..960)
            .flat_map(|k| {
                let t = (block * 960 + k) as f32 / 48_000.0;
                [((t * 300.0 * TAU).sin() * 16_000.0) as i16, 0]
            })
            .collect();
        microphone.take(&interleaved, 2);
        captured.take(&mut resampler, &mut heard);
    }
    let peak = meter.take_peak();
    assert!((peak - 0.244).abs() < 0.01, "{peak}");
    assert_eq!(meter.take_peak(), 0.0, "asked again at once");
    assert!((15_800..=16_000).contains(&heard.len()), "{}", heard.len());
    let power = heard[1_600..].iter().map(|s| s * s).sum::<f32>() / (heard.len() - 1_600) as f32;
    assert!((power - 0.244 * 0.244 / 2.0).abs() < 0.001, "{power}");
}

#[test]
fn a_microphone_nobody_empties_loses_and_does_not_grow() {
    let (mut microphone, mut captured) = Microphone::new(hz(16_000), Meter::default());
    for _ in 0..100 {
        microphone.take(&[0.1_f32; 1_600], 1);
    }
    let mut heard = Vec::new();
    captured.take(
        &mut Resampler::new(hz(16_000), SampleRate::HEARING),
        &mut heard,
    );
    assert_eq!(heard.len(), 16_000);
}

#[tokio::test]
async fn the_pump_moves_whole_frames_and_reports_playback() {
    let (mut writer, reader, _epoch) = ring();
    let (reports, mut playback) = watch::channel(Playback::default());
    let speaker = Speaker::new(reader, reports);
    let (reader, reporter) = speaker.split();
    let (mut loudspeaker, echo) = Loudspeaker::new(reader, hz(48_000), Meter::default());
    let (mut microphone, captured) = Microphone::new(hz(48_000), Meter::default());
    let (mic, mut receiver) = mic();
    let mut pump = Pump {
        captured,
        resampler: Resampler::new(hz(48_000), SampleRate::HEARING),
        heard: Vec::new(),
        echo,
        edge: Edge::new(EdgeSettings::default()),
        mic,
        reporter,
    };
    assert!(writer.push(&frame(0)));
    loudspeaker.fill(&mut [0.0_f32; 1_920], 2);
    microphone.take(&[0.25_f32; 5_000], 1);
    pump.turn();
    assert_eq!(playback.borrow_and_update().samples, FRAME as u64);
    for _ in 0..5 {
        let frame = receiver.recv().await.unwrap();
        assert_eq!(
            (frame.rate, frame.samples.len()),
            (SampleRate::HEARING, 320)
        );
    }
    assert!(pump.heard.len() < MIC_FRAME);
}

#[test]
fn devices_are_found_by_part_of_their_name() {
    let names = [
        "Built-in Audio".to_owned(),
        "USB Headset".into(),
        "usb".into(),
    ];
    assert_eq!(
        device::best_name(&names, "usb"),
        Some(2),
        "the whole name wins"
    );
    assert_eq!(device::best_name(&names, "headset"), Some(1));
    assert_eq!(device::best_name(&names, "hdmi"), None);
}

/// On a machine with a sound card this opens it; elsewhere the error must say what is wrong.
#[tokio::test]
async fn without_a_sound_card_the_error_says_so() {
    let (_writer, reader, _epoch) = ring();
    let (mic, _receiver) = mic();
    let speaker = Speaker::new(reader, watch::channel(Playback::default()).0);
    match LocalAudio::open(&LocalSettings::default(), mic, speaker) {
        Ok(audio) => assert!(!audio.names().0.is_empty()),
        Err(error) => {
            let text = error.to_string();
            assert!(
                text.contains("microphone") || text.contains("loudspeaker"),
                "{text}"
            );
        }
    }
    let settings = LocalSettings {
        microphone: Some("no such thing".into()),
        ..LocalSettings::default()
    };
    let error = device::pick(&settings).err().unwrap().to_string();
    assert!(
        error.contains("no such thing") || error.contains("no microphone"),
        "{error}"
    );
}
