//! Streaming log-mel spectrogram of Voxtral: 128 bins at 100 frames a second from 16 kHz audio,
//! the same frames whatever chunks the audio arrives in.
//!
//! Frames lie on one grid from the first sample on and are scaled by a constant, not by the
//! loudest moment of the clip, so a stream and a file give the same numbers.
use std::{f64::consts::PI, fmt, sync::Arc};

use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};

/// Mel bins of a frame.
pub const BINS: usize = 128;
/// Samples from one frame to the next.
pub const HOP: usize = 160;
/// Samples a frame looks at.
pub const WINDOW: usize = 400;
/// Frequencies of a spectrum.
const FREQUENCIES: usize = WINDOW / 2 + 1;
/// Samples a frame needs before its centre, and as many after it.
const REACH: usize = WINDOW / 2;

/// One mel filter: a triangle over some frequencies.
struct Filter {
    first: usize,
    weights: Vec<f32>,
}

/// What all streams share: window, transform and filters.
pub struct LogMel {
    window: Vec<f64>,
    transform: Arc<dyn RealToComplex<f64>>,
    filters: Vec<Filter>,
    floor: f32,
}

impl fmt::Debug for LogMel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogMel of {} filters", self.filters.len())
    }
}

impl LogMel {
    /// `loudest` is the model's `global_log_mel_max`: values more than 8 below it are cut.
    pub fn new(loudest: f32) -> LogMel {
        let phase = |n: usize| 2.0 * PI * n as f64 / WINDOW as f64;
        LogMel {
            // Periodic, as a filter bank wants it, not symmetric.
            window: (0..WINDOW).map(|n| 0.5 - 0.5 * phase(n).cos()).collect(),
            transform: RealFftPlanner::new().plan_fft_forward(WINDOW),
            filters: (0..BINS).map(filter).collect(),
            floor: loudest - 8.0,
        }
    }

    /// The filter bank as a table `[201][128]`.
    pub fn filter_bank(&self) -> Vec<[f32; BINS]> {
        let mut bank = vec![[0.0; BINS]; FREQUENCIES];
        for (m, filter) in self.filters.iter().enumerate() {
            for (row, w) in bank[filter.first..].iter_mut().zip(&filter.weights) {
                row[m] = *w;
            }
        }
        bank
    }

    /// The frame of [`WINDOW`] samples, appended to `out`.
    fn frame(&self, samples: &[f32], scratch: &mut Scratch, out: &mut Vec<f32>) {
        for ((to, x), w) in scratch.input.iter_mut().zip(samples).zip(&self.window) {
            *to = f64::from(*x) * w;
        }
        self.transform
            .process_with_scratch(&mut scratch.input, &mut scratch.spectrum, &mut scratch.work)
            .expect("buffers of the transform's own sizes");
        for (power, x) in scratch.power.iter_mut().zip(&scratch.spectrum) {
            *power = x.norm_sqr() as f32;
        }
        for filter in &self.filters {
            let powers = &scratch.power[filter.first..];
            let mel: f32 = powers.iter().zip(&filter.weights).map(|(p, w)| p * w).sum();
            out.push((mel.max(1e-10).log10().max(self.floor) + 4.0) / 4.0);
        }
    }
}

struct Scratch {
    input: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    work: Vec<Complex<f64>>,
    power: Vec<f32>,
}

/// Slaney's mel scale: linear to 1 kHz, logarithmic above.
fn to_mel(hz: f64) -> f64 {
    if hz < 1000.0 {
        3.0 * hz / 200.0
    } else {
        15.0 + 27.0 * (hz / 1000.0).ln() / 6.4f64.ln()
    }
}

fn to_hz(mel: f64) -> f64 {
    if mel < 15.0 {
        200.0 * mel / 3.0
    } else {
        1000.0 * ((mel - 15.0) * 6.4f64.ln() / 27.0).exp()
    }
}

/// Filter `m`: a triangle between neighbouring edges, of unit area.
fn filter(m: usize) -> Filter {
    let edge = |i: usize| to_hz(i as f64 * to_mel(8000.0) / (BINS + 1) as f64);
    let (low, middle, high) = (edge(m), edge(m + 1), edge(m + 2));
    let weight = |k: usize| {
        let hz = 40.0 * k as f64;
        let triangle = ((hz - low) / (middle - low)).min((high - hz) / (high - middle));
        (triangle.max(0.0) * 2.0 / (high - low)) as f32
    };
    let first = (0..FREQUENCIES)
        .find(|k| weight(*k) > 0.0)
        .unwrap_or_default();
    let weights = (first..FREQUENCIES)
        .map(weight)
        .take_while(|w| *w > 0.0)
        .collect();
    Filter { first, weights }
}

/// The audio of one stream that frames are still to be made of.
#[derive(Clone, Debug)]
pub struct MelStream {
    /// Begins [`REACH`] samples before the centre of the next frame.
    samples: Vec<f32>,
}

impl MelStream {
    /// A stream that begins with `silence` samples of silence, of which the first `frames` frames
    /// were already taken.
    ///
    /// # Panics
    /// When those frames reach beyond the silence.
    pub fn new(silence: usize, frames: usize) -> MelStream {
        let known = REACH + silence;
        MelStream {
            samples: vec![0.0; known - frames * HOP],
        }
    }

    /// Takes more audio, any length, and appends the frames it completes, [`BINS`] values each,
    /// to `out`.
    pub fn push(&mut self, mel: &LogMel, samples: &[f32], out: &mut Vec<f32>) {
        self.samples.extend_from_slice(samples);
        if self.samples.len() < WINDOW {
            return;
        }
        let mut scratch = Scratch {
            input: mel.transform.make_input_vec(),
            spectrum: mel.transform.make_output_vec(),
            work: mel.transform.make_scratch_vec(),
            power: vec![0.0; FREQUENCIES],
        };
        let mut from = 0;
        while from + WINDOW <= self.samples.len() {
            mel.frame(&self.samples[from..from + WINDOW], &mut scratch, out);
            from += HOP;
        }
        self.samples.drain(..from);
    }

    /// Samples that must follow before a frame of what was pushed is cut short by nothing: what
    /// the last frame looks ahead.
    pub const fn look_ahead() -> usize {
        REACH - HOP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_bank_has_the_published_values() {
        let bank = LogMel::new(1.5).filter_bank();
        let all = || bank.iter().flatten();
        assert_eq!(all().filter(|w| **w > 0.0).count(), 394);
        let sum: f64 = all().map(|w| f64::from(*w)).sum();
        assert!((sum - 3.190_985_528_540_699).abs() < 1e-6);
        for (k, m, want) in [
            (1, 0, 0.012_373_99),
            (1, 1, 0.030_392_56),
            (2, 2, 0.024_747_97),
            (41, 63, 0.006_931_38),
            (42, 63, 0.017_935_05),
            (195, 127, 0.005_041_6),
        ] {
            let (got, want): (f32, f32) = (bank[k][m], want);
            assert!((got - want).abs() < 1e-7, "[{k}, {m}] {got}");
        }
        assert!(bank[0].iter().chain(&bank[200]).all(|w| *w == 0.0));
    }

    #[test]
    fn silence_is_the_floor() {
        let mel = LogMel::new(1.5);
        let mut out = Vec::new();
        MelStream::new(1280, 0).push(&mel, &[], &mut out);
        assert_eq!(out.len(), 7 * BINS);
        assert!(out.iter().all(|v| *v == -0.625));
    }

    #[test]
    fn chunks_do_not_matter() {
        let mel = LogMel::new(1.5);
        let audio: Vec<f32> = (0..9000).map(|i| (i as f32 * 0.37).sin() * 0.3).collect();
        let mut whole = Vec::new();
        MelStream::new(800, 0).push(&mel, &audio, &mut whole);
        for size in [1, 37, 160, 4001] {
            let mut stream = MelStream::new(800, 0);
            let mut parts = Vec::new();
            for chunk in audio.chunks(size) {
                stream.push(&mel, chunk, &mut parts);
            }
            assert_eq!(parts, whole);
        }
    }

    #[test]
    fn a_stream_may_begin_behind_its_silence() {
        let mel = LogMel::new(1.5);
        let audio: Vec<f32> = (0..2000).map(|i| (i as f32 * 0.11).cos()).collect();
        let (mut whole, mut rest) = (Vec::new(), Vec::new());
        MelStream::new(1600, 0).push(&mel, &audio, &mut whole);
        MelStream::new(1600, 8).push(&mel, &audio, &mut rest);
        assert_eq!(whole[8 * BINS..], rest);
    }
}
