//! Recordings: any WAV, FLAC, MP3 or Ogg Vorbis in, mono samples at the rate the recogniser hears,
//! or the voices speak, out. What cannot be read is an error in words, never a panic.
use std::{
    io::{self, Cursor, Read},
    path::Path,
    time::Duration,
};

use symphonia::core::{
    codecs::audio::{AudioDecoder, AudioDecoderOptions},
    errors::Error,
    formats::{FormatOptions, FormatReader, TrackType, probe::Hint},
    io::{MediaSource, MediaSourceStream},
    meta::MetadataOptions,
    packet::Packet,
};
use voiced_core::{audio::SampleRate, resample::Resampler};

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
    #[error("{name} is no WAV, FLAC, MP3 or Ogg Vorbis recording: {why}")]
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
    let name = path.display().to_string();
    let read_error = |source| RecordingError::Read {
        name: name.clone(),
        source,
    };
    let mut hint = Hint::new();
    let source: Box<dyn MediaSource> = if path == Path::new("-") {
        // Formats are recognised by looking back and forth, which a pipe does not allow.
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map_err(read_error)?;
        Box::new(Cursor::new(bytes))
    } else {
        if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
            hint.with_extension(extension);
        }
        let file = std::fs::File::open(path).map_err(read_error)?;
        if file.metadata().map_err(read_error)?.is_dir() {
            return Err(read_error(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        Box::new(file)
    };
    decode(source, &hint, rate, usize::MAX).map_err(|error| RecordingError::Form {
        name,
        why: error.to_string(),
    })
}

/// Reads a recording from memory: mono, `SampleRate::HEARING`. `name` helps to tell what it is.
/// Work for a thread that may be busy for a while.
///
/// # Errors
/// When it cannot be understood, or is longer than `at_most`.
pub fn read_bytes(
    name: &str,
    bytes: impl AsRef<[u8]> + Send + Sync + 'static,
    at_most: Duration,
) -> Result<Vec<f32>, BytesError> {
    let mut hint = Hint::new();
    if let Some((_, extension)) = name.rsplit_once('.') {
        hint.with_extension(extension);
    }
    let most = SampleRate::HEARING.samples_in(at_most) as usize;
    let samples = decode(
        Box::new(Cursor::new(bytes)),
        &hint,
        SampleRate::HEARING,
        most,
    )?;
    if samples.len() > most {
        return Err(BytesError::TooLong);
    }
    Ok(samples)
}

/// Why a recording in memory could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BytesError {
    /// It is not in a form that is understood.
    #[error(transparent)]
    Form(#[from] Error),
    /// It is longer than allowed.
    #[error("it is too long")]
    TooLong,
}

/// A recording longer than `most` samples is read a little further than that.
fn decode(
    source: Box<dyn MediaSource>,
    hint: &Hint,
    to: SampleRate,
    most: usize,
) -> Result<Vec<f32>, Error> {
    let stream = MediaSourceStream::new(source, Default::default());
    let mut format = symphonia::default::get_probe().probe(
        hint,
        stream,
        FormatOptions::default(),
        MetadataOptions::default(),
    )?;
    let none = Error::Unsupported("there is no sound in it");
    let Some(track) = format.default_track(TrackType::Audio) else {
        return Err(none);
    };
    let parameters = track.codec_params.as_ref().and_then(|codec| codec.audio());
    let Some(parameters) = parameters else {
        return Err(none);
    };
    let track_id = track.id;
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())?;
    all_of(&mut *format, decoder, track_id, to, most)
}

/// All of one track, mixed down and resampled.
fn all_of(
    format: &mut dyn FormatReader,
    mut decoder: Box<dyn AudioDecoder>,
    track_id: u32,
    to: SampleRate,
    most: usize,
) -> Result<Vec<f32>, Error> {
    let mut heard = Vec::new();
    let mut resampler: Option<(u32, Resampler)> = None;
    let (mut interleaved, mut mono) = (Vec::new(), Vec::new());
    while heard.len() <= most
        && let Some(packet) = next_packet(format)?
    {
        if packet.track_id != track_id {
            continue;
        }
        let sound = match decoder.decode(&packet) {
            Ok(sound) => sound,
            // A damaged packet is skipped; players do the same.
            Err(Error::DecodeError(_)) => continue,
            Err(error) => return Err(error),
        };
        let n_channels = sound.spec().channels().count().max(1);
        let hz = sound.spec().rate();
        interleaved.resize(sound.samples_interleaved(), 0.0_f32);
        sound.copy_to_slice_interleaved(&mut interleaved);
        mono.clear();
        let frames = interleaved.chunks_exact(n_channels);
        mono.extend(frames.map(|frame| frame.iter().sum::<f32>() / n_channels as f32));
        let resampler = match &mut resampler {
            Some((same, resampler)) if *same == hz => resampler,
            other => {
                let rate = SampleRate::new(hz)
                    .ok_or(Error::Unsupported("its sample rate is not 4 to 384 kHz"))?;
                if let Some((_, old)) = other {
                    old.flush(&mut heard);
                }
                &mut other.insert((hz, Resampler::new(rate, to))).1
            }
        };
        resampler.process(&mono, &mut heard);
    }
    if let Some((_, resampler)) = &mut resampler {
        resampler.flush(&mut heard);
    }
    Ok(heard)
}

/// A recording that was cut off, or streamed without saying how long it would be, ends where it
/// ends; what its last packet lacks is lost with it.
fn next_packet(format: &mut dyn FormatReader) -> Result<Option<Packet>, Error> {
    match format.next_packet() {
        Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        packet => packet,
    }
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
        for form in [Form::Wav, Form::Flac] {
            let mut bytes = Vec::new();
            let mut written = SoundFile::new(form, Target::Stream).unwrap();
            written
                .push(&tone(SampleRate::SPEECH, 1.0), &mut bytes)
                .unwrap();
            written.finish(&mut bytes).unwrap();
            for rate in [SampleRate::HEARING, SampleRate::SPEECH] {
                let source = Box::new(Cursor::new(bytes.clone()));
                let read = decode(source, &Hint::new(), rate, usize::MAX).unwrap();
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
