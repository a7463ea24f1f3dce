//! Recordings: any WAV, FLAC, MP3, Ogg or M4A in, mono samples at the rate the recogniser hears, or
//! the voices speak, out. What cannot be read is an error in words, never a panic.
use std::{io, path::Path};

use voiced_core::audio::SampleRate;

use crate::reader::{Input, Reader};

/// Why a recording could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It could not be opened or read.
    #[error("cannot read {name}")]
    Read {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It is not in a form that is understood.
    #[error("{name} is no WAV, FLAC, MP3, Ogg or M4A recording: {why}")]
    Form {
        /// The file.
        name: String,
        /// Why.
        why: String,
    },
}

/// Reads a whole recording, or standard input for `-`: mono, `SampleRate::HEARING`.
///
/// # Errors
/// When it cannot be read or understood.
pub fn read(path: &Path) -> Result<Vec<f32>, RecordingError> {
    read_at(path, SampleRate::HEARING)
}

/// The same at `SampleRate::SPEECH`: what voices are made of.
///
/// # Errors
/// When it cannot be read or understood.
pub fn read_speech(path: &Path) -> Result<Vec<f32>, RecordingError> {
    read_at(path, SampleRate::SPEECH)
}

fn read_at(path: &Path, rate: SampleRate) -> Result<Vec<f32>, RecordingError> {
    let mut reader = Reader::open(path, Input::Whole, rate)?;
    let mut sound = Vec::new();
    while reader.next(&mut sound)? {}
    Ok(sound)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::f32::consts::TAU;

    use tempfile::TempDir;
    use voiced_transport::soundfile::{Form, SoundFile, Target};

    use super::*;

    fn tone(rate: SampleRate, seconds: f32) -> Vec<f32> {
        let n = (rate.hz() as f32 * seconds) as usize;
        (0..n)
            .map(|i| 0.5 * (TAU * 440.0 * i as f32 / rate.hz() as f32).sin())
            .collect()
    }

    #[test]
    fn stereo_at_another_rate_comes_out_mono_at_the_hearing_rate() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("stereo.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 44_100,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for sample in tone(SampleRate::new(44_100).unwrap(), 1.0) {
            writer.write_sample((sample * 32_767.0) as i16).unwrap();
            writer.write_sample(0_i16).unwrap();
        }
        writer.finalize().unwrap();
        let read = read(&path).unwrap();
        assert!(read.len().abs_diff(16_000) <= 1, "{}", read.len());
        let middle = &read[4_000..12_000];
        let power = middle.iter().map(|s| s * s).sum::<f32>() / middle.len() as f32;
        // Half of a tone of amplitude 0.5: amplitude 0.25.
        assert!((power - 0.25 * 0.25 / 2.0).abs() < 1e-3, "{power}");
    }

    #[test]
    fn a_stream_of_unknown_length_is_read_to_its_end_at_either_rate() {
        let folder = TempDir::new().unwrap();
        for (form, name) in [(Form::Wav, "endless.wav"), (Form::Flac, "endless.flac")] {
            let mut bytes = Vec::new();
            let mut written = SoundFile::new(form, Target::Stream).unwrap();
            written
                .push(&tone(SampleRate::SPEECH, 1.0), &mut bytes)
                .unwrap();
            written.finish(&mut bytes).unwrap();
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            for rate in [SampleRate::HEARING, SampleRate::SPEECH] {
                let read = read_at(&path, rate).unwrap();
                let want = rate.hz() as usize;
                assert!(
                    (want - 1_000..=want).contains(&read.len()),
                    "{}",
                    read.len()
                );
            }
        }
    }

    #[test]
    fn what_is_no_recording_is_an_error_in_words() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("text.wav");
        std::fs::write(&path, "just words, no sound ".repeat(500)).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("text.wav is no WAV"), "{error}");
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("cannot read"), "{error}");
        let error = read(Path::new("no/such.flac")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read no/such.flac"), "{error}");
    }
}
