//! Real sound for the tests: recorded human speech where it is at hand, synthesised speech
//! everywhere, and how well words were understood.
use std::path::PathBuf;

use voiced_core::{audio::SampleRate, resample::Resampler};

use crate::daemon;

/// Samples a second of what callers send over WebSocket.
pub const WIRE: SampleRate = SampleRate::SPEECH;

/// A recording at the wire's rate.
pub fn recording(path: &std::path::Path) -> Vec<f32> {
    let mut reader = hound::WavReader::open(path).unwrap();
    let spec = reader.spec();
    assert_eq!(spec.channels, 1);
    let samples: Vec<f32> = reader
        .samples::<i16>()
        .map(|sample| f32::from(sample.unwrap()) / 32_768.0)
        .collect();
    at_wire_rate(SampleRate::new(spec.sample_rate).unwrap(), &samples)
}

fn at_wire_rate(rate: SampleRate, samples: &[f32]) -> Vec<f32> {
    let mut resampler = Resampler::new(rate, WIRE);
    let mut out = Vec::new();
    resampler.process(samples, &mut out);
    resampler.flush(&mut out);
    out
}

/// Words spoken by the embedded synthesiser.
pub async fn spoken(words: &str) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spoken.wav");
    let args = ["speak", words, "-o", file.to_str().unwrap()];
    let (code, _, errors) = daemon::run(&args, b"").await;
    assert_eq!(code, 0, "{errors}");
    recording(&file)
}

/// What the embedded recogniser makes of sound at the wire's rate.
pub async fn transcribed(samples: &[f32]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heard.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: WIRE.hz(),
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&file, spec).unwrap();
    for sample in samples {
        writer
            .write_sample(voiced_core::audio::pcm16(*sample))
            .unwrap();
    }
    writer.finalize().unwrap();
    let (code, output, errors) = daemon::run(&["transcribe", file.to_str().unwrap()], b"").await;
    assert_eq!(code, 0, "{errors}");
    String::from_utf8(output).unwrap()
}

/// Recorded human speech: the folder, or `None` with a line that says so.
pub fn recordings() -> Option<PathBuf> {
    let folder = match std::env::var_os("VOICED_TEST_AUDIO") {
        Some(folder) => folder.into(),
        None => daemon::root().join("../shared/audio"),
    };
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED: no recorded speech; name its folder in VOICED_TEST_AUDIO");
    None
}

/// Lower-case words without punctuation.
pub fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Share of the words of `truth` that were replaced, left out or added in `heard`.
pub fn word_error_rate(truth: &str, heard: &str) -> f64 {
    let (truth, heard) = (words(truth), words(heard));
    let mut costs: Vec<usize> = (0..=heard.len()).collect();
    for (i, said) in truth.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut costs[0], i + 1);
        for (j, got) in heard.iter().enumerate() {
            let replaced = diagonal + usize::from(said != got);
            diagonal = costs[j + 1];
            costs[j + 1] = replaced.min(costs[j] + 1).min(diagonal + 1);
        }
    }
    costs[heard.len()] as f64 / truth.len().max(1) as f64
}

/// Share of the words of `wanted` that occur in `heard`.
pub fn words_found(wanted: &str, heard: &str) -> f64 {
    let (wanted, heard) = (words(wanted), words(heard));
    let found = wanted.iter().filter(|word| heard.contains(word)).count();
    found as f64 / wanted.len().max(1) as f64
}

/// `ms` milliseconds of silence at the wire's rate.
pub fn silence(ms: usize) -> Vec<f32> {
    vec![0.0; ms * WIRE.hz() as usize / 1_000]
}

/// A sound that is no speech: `ms` milliseconds of a loud noise burst.
pub fn cough(ms: usize) -> Vec<f32> {
    let mut seed = 0x2545_f491_u32;
    let n_samples = silence(ms).len();
    (0..n_samples)
        .map(|n| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = seed as f32 / u32::MAX as f32 - 0.5;
            // It rises quickly and dies away.
            let at = n as f32 / n_samples as f32;
            0.5 * noise * (at * 20.0).min(1.0) * (1.0 - at)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_errors_are_counted() {
        assert!((word_error_rate("one two three four", "one too three") - 0.5).abs() < 1e-9);
        assert!(word_error_rate("Same words!", "same words") < 1e-9);
        assert!((words_found("one two", "two three") - 0.5).abs() < 1e-9);
    }
}
