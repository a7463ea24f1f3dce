//! Sound read as a stream, a second at a time: WAV, FLAC, MP3, Ogg (Vorbis and Opus) and M4A, or
//! bare samples, from files, pipes and standard input; mono at the rate that is asked for.
//!
//! Guarantees: memory does not depend on how long a recording is; what cannot be read is an error
//! in words, never a panic.
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    time::Duration,
};

use symphonia::core::{
    codecs::audio::{
        AudioCodecParameters, AudioDecoder, AudioDecoderOptions, well_known::CODEC_ID_OPUS,
    },
    errors::Error,
    formats::{FormatOptions, FormatReader, TrackType, probe::Hint},
    io::{MediaSource, MediaSourceStream, ReadOnlySource},
    meta::MetadataOptions,
    packet::Packet,
};
use voiced_core::{
    audio::{SampleRate, from_pcm16},
    resample::Resampler,
};
use voiced_transport::codec::opus_decoder::OpusDecoder;

use crate::recording::RecordingError;

/// How standard input is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// To its end first: any form, also those that are read back and forth.
    Whole,
    /// As it comes: WAV and other forms that can be read forwards.
    Live,
    /// As it comes: bare 16-bit little-endian mono samples at this rate.
    Bare(SampleRate),
}

/// Sound on its way.
pub struct Reader {
    name: String,
    source: Source,
    to: SampleRate,
    /// From the rate of the sound so far.
    resampler: Option<(u32, Resampler)>,
    length: Option<Duration>,
    ended: bool,
}

enum Source {
    Bare {
        input: Box<dyn Read + Send>,
        rate: SampleRate,
    },
    Track {
        format: Box<dyn FormatReader>,
        decoder: Decoder,
        track: u32,
    },
}

enum Decoder {
    Symphonia(Box<dyn AudioDecoder>),
    /// Decodes to 16 kHz mono; so many samples are the encoder's run-up.
    Opus {
        decoder: OpusDecoder,
        skip: usize,
    },
}

impl Reader {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn open(path: &Path, input: Input, to: SampleRate) -> Result<Reader, RecordingError> {
        let name = path.display().to_string();
        let read_error = |source| RecordingError::Read {
            name: name.clone(),
            source,
        };
        let standard = path == Path::new("-");
        if let Input::Bare(rate) = input {
            let input: Box<dyn Read + Send> = match standard {
                true => Box::new(io::stdin()),
                false => Box::new(File::open(path).map_err(read_error)?),
            };
            return Ok(Reader::new(name, Source::Bare { input, rate }, to));
        }
        let mut hint = Hint::new();
        let source: Box<dyn MediaSource> = match (standard, input) {
            (true, Input::Live) => Box::new(ReadOnlySource::new(io::stdin())),
            (true, _) => Box::new(spooled(io::stdin()).map_err(read_error)?),
            (false, _) => {
                let extension = path.extension().and_then(|extension| extension.to_str());
                if let Some(extension) = extension {
                    hint.with_extension(extension);
                }
                let file = File::open(path).map_err(read_error)?;
                if file.metadata().map_err(read_error)?.is_dir() {
                    return Err(read_error(io::Error::from(io::ErrorKind::IsADirectory)));
                }
                Box::new(file)
            }
        };
        Reader::of(name, source, &hint, to)
    }

    /// Any source of a form that is recognised.
    ///
    /// # Errors
    /// When it is not understood.
    pub fn of(
        name: String,
        source: Box<dyn MediaSource>,
        hint: &Hint,
        to: SampleRate,
    ) -> Result<Reader, RecordingError> {
        match track(source, hint) {
            Ok((source, length)) => {
                let mut reader = Reader::new(name, source, to);
                reader.length = length;
                Ok(reader)
            }
            Err(error) => Err(form(&name, &error)),
        }
    }

    fn new(name: String, source: Source, to: SampleRate) -> Reader {
        Reader {
            name,
            source,
            to,
            resampler: None,
            length: None,
            ended: false,
        }
    }

    /// How long it is, where it says so.
    pub fn length(&self) -> Option<Duration> {
        self.length
    }

    /// Appends the next stretch to `out`; false at the end.
    ///
    /// # Errors
    /// When it cannot be read any further.
    pub fn next(&mut self, out: &mut Vec<f32>) -> Result<bool, RecordingError> {
        if self.ended {
            return Ok(false);
        }
        let mut mono = Vec::new();
        let hz = self.source.next(&mut mono).map_err(|error| match error {
            Error::IoError(source) => RecordingError::Read {
                name: self.name.clone(),
                source,
            },
            error => form(&self.name, &error),
        })?;
        let Some(hz) = hz else {
            self.ended = true;
            if let Some((_, resampler)) = &mut self.resampler {
                resampler.flush(out);
            }
            return Ok(true);
        };
        let resampler = match &mut self.resampler {
            Some((same, resampler)) if *same == hz => resampler,
            other => {
                let rate = SampleRate::new(hz).ok_or_else(|| {
                    form(
                        &self.name,
                        &Error::Unsupported("its sample rate is not 4 to 384 kHz"),
                    )
                })?;
                if let Some((_, old)) = other {
                    old.flush(out);
                }
                &mut other.insert((hz, Resampler::new(rate, self.to))).1
            }
        };
        resampler.process(&mono, out);
        Ok(true)
    }
}

fn form(name: &str, error: &Error) -> RecordingError {
    RecordingError::Form {
        name: name.to_owned(),
        why: error.to_string(),
    }
}

/// A pipe in a file that is gone with the process: forms are recognised by looking back and forth.
fn spooled(mut input: impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut input, &mut file)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn track(source: Box<dyn MediaSource>, hint: &Hint) -> Result<(Source, Option<Duration>), Error> {
    let stream = MediaSourceStream::new(source, Default::default());
    let format = symphonia::default::get_probe().probe(
        hint,
        stream,
        FormatOptions::default(),
        MetadataOptions::default(),
    )?;
    let none = || Error::Unsupported("there is no sound in it");
    let track = format.default_track(TrackType::Audio).ok_or_else(none)?;
    let parameters = track.codec_params.as_ref().and_then(|codec| codec.audio());
    let parameters = parameters.ok_or_else(none)?;
    let length = match (track.num_frames, parameters.sample_rate) {
        (Some(frames), Some(hz)) if hz > 0 => {
            Some(Duration::from_secs_f64(frames as f64 / f64::from(hz)))
        }
        _ => None,
    };
    let decoder = decoder(parameters)?;
    let track = track.id;
    let source = Source::Track {
        format,
        decoder,
        track,
    };
    Ok((source, length))
}

fn decoder(parameters: &AudioCodecParameters) -> Result<Decoder, Error> {
    if parameters.codec != CODEC_ID_OPUS {
        let options = AudioDecoderOptions::default();
        let decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &options)?;
        return Ok(Decoder::Symphonia(decoder));
    }
    let unusable = Error::Unsupported("the Opus decoder cannot be had");
    // The header counts the run-up at 48 kHz, whatever the rate.
    let head = parameters.extra_data.as_deref().unwrap_or_default();
    let skip = match head.get(10..12) {
        Some(&[low, high]) => usize::from(u16::from_le_bytes([low, high])) / 3,
        _ => 0,
    };
    Ok(Decoder::Opus {
        decoder: OpusDecoder::new().map_err(|_| unusable)?,
        skip,
    })
}

impl Source {
    /// Appends the next sound, mixed down, and tells its rate; `None` at the end.
    fn next(&mut self, mono: &mut Vec<f32>) -> Result<Option<u32>, Error> {
        let (format, decoder, track) = match self {
            Source::Bare { input, rate } => {
                let mut bytes = vec![0; 2 * rate.hz() as usize / 50];
                let read = read_full(input, &mut bytes).map_err(Error::IoError)?;
                mono.extend(from_pcm16(&bytes[..read & !1]));
                return Ok((read > 0).then_some(rate.hz()));
            }
            Source::Track {
                format,
                decoder,
                track,
            } => (format, decoder, *track),
        };
        loop {
            let Some(packet) = next_packet(&mut **format)? else {
                return Ok(None);
            };
            if packet.track_id != track {
                continue;
            }
            // A damaged packet is skipped; players do the same.
            match decoder.decode(&packet, mono) {
                Err(Error::DecodeError(_)) => {}
                decoded => return decoded.map(Some),
            }
        }
    }
}

impl Decoder {
    fn decode(&mut self, packet: &Packet, mono: &mut Vec<f32>) -> Result<u32, Error> {
        match self {
            Decoder::Opus { decoder, skip } => {
                let damaged = Error::DecodeError("a damaged packet");
                decoder.decode(&packet.data, mono).map_err(|_| damaged)?;
                let early = mono.len().min(*skip);
                mono.drain(..early);
                *skip -= early;
                Ok(SampleRate::HEARING.hz())
            }
            Decoder::Symphonia(decoder) => {
                let sound = decoder.decode(packet)?;
                let channels = sound.spec().channels().count().max(1);
                let hz = sound.spec().rate();
                let mut interleaved = vec![0.0_f32; sound.samples_interleaved()];
                sound.copy_to_slice_interleaved(&mut interleaved);
                let frames = interleaved.chunks_exact(channels);
                mono.extend(frames.map(|frame| frame.iter().sum::<f32>() / channels as f32));
                Ok(hz)
            }
        }
    }
}

/// A recording that was cut off, or streamed without saying how long it would be, ends where it
/// ends; what its last packet lacks is lost with it.
fn next_packet(format: &mut dyn FormatReader) -> Result<Option<Packet>, Error> {
    match format.next_packet() {
        Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        packet => packet,
    }
}

/// As much as there is, whole samples: a pipe gives what it has.
fn read_full(input: &mut dyn Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match input.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
