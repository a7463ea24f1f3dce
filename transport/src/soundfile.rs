//! Speech written down: mono samples at `SampleRate::SPEECH` in, the bytes of a WAV, FLAC or Ogg
//! Opus file, or bare PCM, out, as they are made; MP3 at the end. For files, pipes and HTTP bodies
//! alike.
//!
//! Guarantees: except in MP3 nothing waits for the end, and memory does not grow with the length
//! of the speech.
use voiced_core::audio::to_pcm16;

mod flac;
mod mp3;
mod ogg_opus;
mod wav;

use flac::Flac;
use mp3::Mp3;
use ogg_opus::OggOpus;
use wav::Wav;

/// Forms of sound, all mono.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// RIFF WAVE, 16 bits, 24 kHz; RF64 when a file grows beyond 4 GB.
    Wav,
    /// FLAC, 16 bits, 24 kHz.
    Flac,
    /// Opus in Ogg, 40 kb/s.
    Opus,
    /// MP3, 96 kb/s; leaves at the end as a whole.
    Mp3,
    /// Bare little-endian samples, 16 bits, 24 kHz.
    Pcm,
}

impl Form {
    /// The media type of an HTTP body.
    pub fn media_type(self) -> &'static str {
        match self {
            Form::Wav => "audio/wav",
            Form::Flac => "audio/flac",
            Form::Opus => "audio/ogg",
            Form::Mp3 => "audio/mpeg",
            Form::Pcm => "audio/pcm",
        }
    }

    /// The form a file of this name would have: by its extension, in any case.
    pub fn of_extension(extension: &str) -> Option<Form> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "wav" | "wave" => Form::Wav,
            "flac" => Form::Flac,
            "opus" | "ogg" | "oga" => Form::Opus,
            "mp3" => Form::Mp3,
            "pcm" | "raw" => Form::Pcm,
            _ => return None,
        })
    }
}

/// Where the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// They leave as they come: lengths are told as unknown.
    Stream,
    /// A file, whose beginning is written anew at the end: see [`SoundFile::beginning`].
    File,
}

/// Why sound cannot be written down.
#[derive(Debug, thiserror::Error)]
pub enum SoundFileError {
    /// The Opus encoder could not be made or refused a frame.
    #[error("the Opus encoder failed: {0}")]
    Opus(#[from] opus::Error),
    /// The FLAC encoder refused a block.
    #[error("the FLAC encoder failed: {0}")]
    Flac(String),
    /// The MP3 encoder refused a frame.
    #[error("the MP3 encoder failed: {0}")]
    Mp3(String),
    /// The bytes cannot be put into pages.
    #[error("the Ogg pages could not be written: {0}")]
    Ogg(#[from] std::io::Error),
}

/// One recording being written.
pub struct SoundFile {
    encoder: Encoder,
}

enum Encoder {
    Wav(Wav),
    Flac(Box<Flac>),
    Opus(Box<OggOpus>),
    Mp3(Box<Mp3>),
    Pcm,
}

impl SoundFile {
    /// A recording in this form.
    ///
    /// # Errors
    /// When its encoder cannot be made.
    pub fn new(form: Form, target: Target) -> Result<SoundFile, SoundFileError> {
        let encoder = match form {
            Form::Wav => Encoder::Wav(Wav::new(target)),
            Form::Flac => Encoder::Flac(Box::new(Flac::new()?)),
            Form::Opus => Encoder::Opus(Box::new(OggOpus::new()?)),
            Form::Mp3 => Encoder::Mp3(Box::new(Mp3::new()?)),
            Form::Pcm => Encoder::Pcm,
        };
        Ok(SoundFile { encoder })
    }

    /// Takes samples and appends the bytes that are ready to `out`.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<u8>) -> Result<(), SoundFileError> {
        match &mut self.encoder {
            Encoder::Wav(wav) => wav.push(samples, out),
            Encoder::Flac(flac) => flac.push(samples, out)?,
            Encoder::Opus(opus) => opus.push(samples, out)?,
            Encoder::Mp3(mp3) => mp3.push(samples)?,
            Encoder::Pcm => out.extend(to_pcm16(samples)),
        }
        Ok(())
    }

    /// Appends what is left. Nothing may be pushed afterwards.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), SoundFileError> {
        match &mut self.encoder {
            Encoder::Wav(wav) => wav.finish(out),
            Encoder::Flac(flac) => flac.finish(out)?,
            Encoder::Opus(opus) => opus.finish(out)?,
            Encoder::Mp3(mp3) => mp3.finish(out)?,
            Encoder::Pcm => {}
        }
        Ok(())
    }

    /// What the first bytes of a file must be now, with the lengths that are known by now. As many
    /// bytes as were written there; `None` where nothing needs to change.
    pub fn beginning(&self) -> Option<Vec<u8>> {
        match &self.encoder {
            Encoder::Wav(wav) => wav.beginning(),
            Encoder::Flac(flac) => Some(flac.beginning()),
            Encoder::Opus(_) | Encoder::Mp3(_) | Encoder::Pcm => None,
        }
    }
}

#[cfg(test)]
mod tests;
