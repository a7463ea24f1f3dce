//! Recordings: any WAV, FLAC, MP3, Ogg or M4A in, mono samples at the rate the recogniser hears
//! out; and WAV out. What cannot be read is an error in words, never a panic.
use std::{
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

use voiced_core::audio::{SampleRate, to_pcm16};

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

fn read_at(path: &Path, rate: SampleRate) -> Result<Vec<f32>, RecordingError> {
    let mut reader = Reader::open(path, Input::Whole, rate)?;
    let mut sound = Vec::new();
    while reader.next(&mut sound)? {}
    Ok(sound)
}

/// Writes 16-bit mono PCM, with or without a WAV header.
pub struct Writer<W: Write> {
    sink: W,
    n_bytes: u32,
}

impl<W: Write> Writer<W> {
    /// Bare samples.
    pub fn pcm(sink: W) -> Self {
        Self { sink, n_bytes: 0 }
    }

    /// A WAV file whose length is not known yet: a player reads it to its end.
    ///
    /// # Errors
    /// When the sink does not take the header.
    pub fn wav(mut sink: W, rate: SampleRate) -> io::Result<Self> {
        sink.write_all(&wav_header(rate, u32::MAX - 36))?;
        Ok(Self { sink, n_bytes: 0 })
    }

    /// Appends samples.
    ///
    /// # Errors
    /// When the sink does not take them.
    pub fn write(&mut self, samples: &[f32]) -> io::Result<()> {
        let bytes = to_pcm16(samples);
        let n_bytes = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.n_bytes = self.n_bytes.saturating_add(n_bytes);
        self.sink.write_all(&bytes)
    }

    /// Whatever is still on its way.
    ///
    /// # Errors
    /// When the sink does not take it.
    pub fn finish(mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl<W: Write + Seek> Writer<W> {
    /// Puts the length into the header.
    ///
    /// # Errors
    /// When the sink does not take it.
    pub fn finish_wav(mut self, rate: SampleRate) -> io::Result<()> {
        self.sink.seek(SeekFrom::Start(0))?;
        self.sink.write_all(&wav_header(rate, self.n_bytes))?;
        self.finish()
    }
}

fn wav_header(rate: SampleRate, n_bytes: u32) -> [u8; 44] {
    const CHANNELS: u16 = 1;
    const BYTES: u16 = 2;
    let mut header = [0; 44];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        header[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(b"RIFF");
    put(&n_bytes.saturating_add(36).to_le_bytes());
    put(b"WAVEfmt ");
    put(&16_u32.to_le_bytes());
    put(&1_u16.to_le_bytes()); // PCM
    put(&CHANNELS.to_le_bytes());
    put(&rate.hz().to_le_bytes());
    put(&(rate.hz() * u32::from(CHANNELS * BYTES)).to_le_bytes());
    put(&(CHANNELS * BYTES).to_le_bytes());
    put(&(BYTES * 8).to_le_bytes());
    put(b"data");
    put(&n_bytes.to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::f32::consts::TAU;

    use tempfile::TempDir;

    use super::*;

    fn tone(rate: SampleRate, seconds: f32) -> Vec<f32> {
        let n = (rate.hz() as f32 * seconds) as usize;
        (0..n)
            .map(|i| 0.5 * (TAU * 440.0 * i as f32 / rate.hz() as f32).sin())
            .collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("tone.wav");
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = Writer::wav(file, SampleRate::HEARING).unwrap();
        let samples = tone(SampleRate::HEARING, 0.3);
        writer.write(&samples[..1_000]).unwrap();
        writer.write(&samples[1_000..]).unwrap();
        writer.finish_wav(SampleRate::HEARING).unwrap();
        let read = read(&path).unwrap();
        assert_eq!(read.len(), samples.len());
        let apart = read.iter().zip(&samples).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-4);
        assert_eq!(hound::WavReader::open(&path).unwrap().duration(), 4_800);
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
    fn a_stream_of_unknown_length_is_read_to_its_end() {
        let mut bytes = Vec::new();
        let mut writer = Writer::wav(&mut bytes, SampleRate::SPEECH).unwrap();
        writer.write(&tone(SampleRate::SPEECH, 1.0)).unwrap();
        writer.finish().unwrap();
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("endless.wav");
        std::fs::write(&path, bytes).unwrap();
        let read = read(&path).unwrap();
        assert!((15_000..=16_000).contains(&read.len()), "{}", read.len());
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
