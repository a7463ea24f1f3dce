//! What the resampler is held to: frequency, level, aliasing, length, position and independence of
//! chunking, for every pair of the rates the daemon uses.
use std::f64::consts::TAU;

use proptest::prelude::*;

use super::*;

const RATES: [u32; 4] = [8_000, 16_000, 24_000, 48_000];

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).expect("a rate of the test")
}

fn sine(hz: f64, rate: u32, samples: usize) -> Vec<f32> {
    (0..samples)
        .map(|n| (0.5 * (TAU * hz * n as f64 / f64::from(rate)).sin()) as f32)
        .collect()
}

fn resampled(from: u32, to: u32, input: &[f32]) -> Vec<f32> {
    let mut resampler = Resampler::new(rate(from), rate(to));
    let mut out = Vec::new();
    resampler.process(input, &mut out);
    resampler.flush(&mut out);
    out
}

/// Amplitude of `hz` in `audio` over its middle half.
fn amplitude(audio: &[f32], hz: f64, rate: u32) -> f64 {
    let (sin, cos) = quadrature(audio, hz, rate);
    sin.hypot(cos)
}

/// The sine and cosine parts of it, by correlation under a Hann window.
fn quadrature(audio: &[f32], hz: f64, rate: u32) -> (f64, f64) {
    let n = audio.len() / 2;
    let first = audio.len() / 4;
    let (mut sin, mut cos, mut weight) = (0.0, 0.0, 0.0);
    for k in 0..n {
        let window = 0.5 - 0.5 * (TAU * k as f64 / n as f64).cos();
        let phase = TAU * hz * (first + k) as f64 / f64::from(rate);
        sin += window * f64::from(audio[first + k]) * phase.sin();
        cos += window * f64::from(audio[first + k]) * phase.cos();
        weight += window;
    }
    (2.0 * sin / weight, 2.0 * cos / weight)
}

fn rms(audio: &[f32]) -> f64 {
    // Under the same window as `quadrature`, so that the two compare to the last decibel.
    let n = audio.len() / 2;
    let (mut power, mut weight) = (0.0, 0.0);
    for (k, sample) in audio[audio.len() / 4..][..n].iter().enumerate() {
        let window = 0.5 - 0.5 * (TAU * k as f64 / n as f64).cos();
        power += window * f64::from(*sample).powi(2);
        weight += window;
    }
    (power / weight).sqrt()
}

fn db(ratio: f64) -> f64 {
    20.0 * ratio.max(1e-12).log10()
}

fn pairs() -> impl Iterator<Item = (u32, u32)> {
    RATES
        .into_iter()
        .flat_map(|from| RATES.into_iter().map(move |to| (from, to)))
        .filter(|(from, to)| from != to)
}

#[test]
fn tones_keep_frequency_level_and_place() {
    for (from, to) in pairs().chain([(44_100, 16_000), (16_000, 44_100)]) {
        let nyquist = f64::from(from.min(to)) / 2.0;
        for (part, ripple_db) in [(0.05, 0.02), (0.5, 0.05), (0.8, 0.25), (0.84, 2.0)] {
            let hz = part * nyquist;
            let out = resampled(from, to, &sine(hz, from, from as usize / 2));
            let (sin, cos) = quadrature(&out, hz, to);
            let level = db(sin.hypot(cos) / 0.5);
            assert!(
                level.abs() <= ripple_db,
                "{from}->{to} {hz} Hz: {level:.2} dB"
            );
            // In place, to less than a sample of the slower rate.
            let late = -cos.atan2(sin) / (TAU * hz) * f64::from(from.min(to));
            assert!(
                late.abs() < 0.75,
                "{from}->{to} {hz} Hz: {late:.2} samples late"
            );
            // Nothing but the tone: images and noise lie far below it.
            let rest = (rms(&out).powi(2) - (sin * sin + cos * cos) / 2.0)
                .abs()
                .sqrt();
            let rest = db(rest / rms(&out));
            assert!(rest < -50.0, "{from}->{to} {hz} Hz: rest {rest:.1} dB");
        }
    }
}

#[test]
fn what_the_slower_rate_cannot_carry_is_suppressed() {
    for (from, to) in pairs()
        .filter(|(from, to)| from > to)
        .chain([(44_100, 16_000)])
    {
        let nyquist = f64::from(to) / 2.0;
        let top = f64::from(from) / 2.0;
        for hz in [1.12 * nyquist, 1.5 * nyquist, 2.4 * nyquist] {
            if hz < 0.99 * top {
                let out = resampled(from, to, &sine(hz, from, from as usize / 2));
                let alias = db(rms(&out) / (0.5 / 2f64.sqrt()));
                assert!(alias < -55.0, "{from}->{to} {hz} Hz: {alias:.1} dB");
            }
        }
    }
}

#[test]
fn a_tone_that_was_not_there_does_not_appear() {
    let out = resampled(24_000, 16_000, &sine(1_000.0, 24_000, 12_000));
    assert!(db(amplitude(&out, 3_000.0, 16_000) / 0.5) < -70.0);
    assert!(db(amplitude(&out, 1_000.0, 16_000) / 0.5).abs() < 0.1);
}

#[test]
fn equal_rates_pass_samples_untouched() {
    let input = [0.25, f32::MAX, -1.0, 0.0];
    assert_eq!(resampled(16_000, 16_000, &input), input);
    let same = Resampler::new(rate(16_000), rate(16_000));
    assert_eq!(same.delay(), Duration::ZERO);
}

#[test]
fn output_lasts_as_long_as_input() {
    for (from, to) in pairs().chain([(44_100, 16_000), (11_025, 24_000)]) {
        for samples in [0, 1, 7, 160, 4_801] {
            let out = resampled(from, to, &sine(300.0, from, samples));
            let due = (samples as u64 * u64::from(to)).div_ceil(u64::from(from));
            assert_eq!(out.len() as u64, due, "{from}->{to} {samples}");
        }
    }
}

#[test]
fn delay_is_a_few_milliseconds_and_is_what_it_says() {
    for (from, to) in pairs() {
        let mut resampler = Resampler::new(rate(from), rate(to));
        let mut out = Vec::new();
        let second = from as usize;
        resampler.process(&sine(300.0, from, second), &mut out);
        let missing = rate(to).duration_of((to as usize - out.len()) as u64);
        let delay = resampler.delay();
        assert!(missing <= delay, "{from}->{to}: {missing:?} > {delay:?}");
        assert!(
            delay <= Duration::from_micros(4_200),
            "{from}->{to}: {delay:?}"
        );
    }
}

#[test]
fn a_flushed_resampler_remembers_nothing() {
    let input = sine(440.0, 24_000, 2_000);
    let mut resampler = Resampler::new(rate(24_000), rate(48_000));
    let mut first = Vec::new();
    resampler.process(&input, &mut first);
    resampler.flush(&mut first);
    let mut again = Vec::new();
    resampler.process(&input, &mut again);
    resampler.flush(&mut again);
    assert_eq!(first, again);
}

#[test]
fn samples_that_are_no_numbers_are_silence() {
    let mut input = sine(440.0, 16_000, 1_600);
    input[3] = f32::NAN;
    input[700] = f32::INFINITY;
    let out = resampled(16_000, 24_000, &input);
    assert!(out.iter().all(|s| s.is_finite()));
}

#[test]
fn ten_minutes_do_not_drift() {
    // The position is a floating point number; after ten minutes it must still hit the exact phase.
    let mut resampler = Resampler::new(rate(24_000), rate(16_000));
    let silence = vec![0.0; 24_000];
    let mut out = Vec::new();
    for _ in 0..600 {
        out.clear();
        resampler.process(&silence, &mut out);
    }
    let tone = sine(1_000.0, 24_000, 12_000);
    out.clear();
    resampler.process(&tone, &mut out);
    resampler.flush(&mut out);
    let fresh = resampled(24_000, 16_000, &tone);
    let tail = out.len() - fresh.len();
    for (late, early) in out[tail..].iter().zip(&fresh) {
        assert!((late - early).abs() < 1e-6);
    }
}

proptest! {
    #[test]
    fn chunking_never_changes_the_result(
        from in 0..6usize,
        to in 0..6usize,
        cuts in proptest::collection::vec(0..700usize, 0..40),
    ) {
        let rates = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000];
        let (from, to) = (rates[from], rates[to]);
        let total: usize = cuts.iter().sum();
        let input: Vec<f32> = (0..total).map(|n| ((n * n) as f32 * 0.37).sin()).collect();
        let whole = resampled(from, to, &input);
        let mut resampler = Resampler::new(rate(from), rate(to));
        let mut out = Vec::new();
        let mut rest = input.as_slice();
        for cut in cuts {
            let (now, later) = rest.split_at(cut);
            resampler.process(now, &mut out);
            rest = later;
        }
        resampler.flush(&mut out);
        prop_assert_eq!(out, whole);
    }
}

/// Not a test: prints what a stream costs. `cargo test --release -p voiced-core resample -- --ignored --nocapture`
#[test]
#[ignore = "prints a measurement"]
#[allow(clippy::print_stdout, clippy::disallowed_methods)]
fn cost_of_a_stream() {
    for (from, to) in pairs().chain([(44_100, 16_000)]) {
        let mut resampler = Resampler::new(rate(from), rate(to));
        let frame = sine(300.0, from, from as usize / 50);
        let mut out = Vec::new();
        let began = std::time::Instant::now();
        for _ in 0..5_000 {
            out.clear();
            resampler.process(&frame, &mut out);
        }
        let us = began.elapsed().as_secs_f64() * 1e6 / 5_000.0;
        println!(
            "{from} -> {to}: {us:.1} us per 20 ms, delay {:?}",
            resampler.delay()
        );
    }
}
