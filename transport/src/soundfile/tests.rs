//! Written here, read by others: symphonia for WAV and FLAC, libopus' own decoder for Opus.
#![allow(clippy::unwrap_used)]
use std::{f32::consts::TAU, io::Cursor};

use ogg::reading::PacketReader;
use opus::{Channels, Decoder};
use symphonia::core::{
    codecs::audio::AudioDecoderOptions,
    formats::{FormatOptions, TrackType, probe::Hint},
    io::MediaSourceStream,
    meta::MetadataOptions,
};

use super::*;

fn tone(n: usize) -> Vec<f32> {
    let wave = |i: usize| 0.4 * (TAU * 440.0 * i as f32 / 24_000.0).sin();
    (0..n).map(wave).collect()
}

/// Writes in uneven pieces; patches the beginning as a file would be.
fn written(form: Form, target: Target, samples: &[f32]) -> Vec<u8> {
    let mut file = SoundFile::new(form, target).unwrap();
    let mut bytes = Vec::new();
    for piece in samples.chunks(777) {
        file.push(piece, &mut bytes).unwrap();
    }
    file.finish(&mut bytes).unwrap();
    if target == Target::File
        && let Some(beginning) = file.beginning()
    {
        bytes[..beginning.len()].copy_from_slice(&beginning);
    }
    bytes
}

/// Samples of a file, and how many it says it has.
fn read(bytes: Vec<u8>) -> (Vec<f32>, Option<u64>) {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(
            &Hint::new(),
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .unwrap();
    let track = format.default_track(TrackType::Audio).unwrap();
    let told = track.num_frames;
    let parameters = track.codec_params.as_ref().unwrap().audio().unwrap();
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .unwrap();
    let mut samples = Vec::new();
    while let Ok(Some(packet)) = format.next_packet() {
        let sound = decoder.decode(&packet).unwrap();
        assert_eq!(sound.spec().rate(), 24_000);
        let mut piece = vec![0.0_f32; sound.samples_interleaved()];
        sound.copy_to_slice_interleaved(&mut piece);
        samples.extend(piece);
    }
    (samples, told)
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn wav_and_flac_are_read_as_written_whatever_their_length() {
    for n in [0, 1, 15, 4_095, 4_096, 4_097, 4_100, 30_001] {
        let samples = tone(n);
        for form in [Form::Wav, Form::Flac] {
            for target in [Target::Stream, Target::File] {
                if n == 0 && form == Form::Flac {
                    // A head without sound is all there is; some readers take it for no file.
                    assert_eq!(written(form, target, &samples).len(), 42);
                    continue;
                }
                let (got, told) = read(written(form, target, &samples));
                // The last block of a FLAC stream that nobody can patch has 16 samples at least.
                let filled = got.len().saturating_sub(n);
                assert!(
                    filled == 0 || (form == Form::Flac && filled < 16),
                    "{n} {form:?}"
                );
                assert!(apart(&got[..n], &samples) < 1e-4, "{n} {form:?} {target:?}");
                if target == Target::File {
                    assert_eq!(told, Some(n as u64), "{form:?}");
                }
            }
        }
    }
    let speech = tone(240_000);
    let flac = written(Form::Flac, Target::File, &speech).len();
    assert!(flac < 2 * 240_000 * 3 / 4, "it is smaller: {flac}");
}

#[test]
fn opus_is_as_long_as_what_was_said_and_sounds_like_it() {
    for n in [0, 1, 479, 480, 481, 24_000, 100_003] {
        let samples = tone(n);
        let bytes = written(Form::Opus, Target::Stream, &samples);
        let mut packets = PacketReader::new(Cursor::new(bytes));
        let head = packets.read_packet().unwrap().unwrap();
        assert_eq!(&head.data[..10], b"OpusHead\x01\x01");
        let skip = usize::from(u16::from_le_bytes([head.data[10], head.data[11]]));
        let tags = packets.read_packet().unwrap().unwrap();
        assert_eq!(&tags.data[..8], b"OpusTags");
        let mut decoder = Decoder::new(48_000, Channels::Mono).unwrap();
        let (mut got, mut last) = (Vec::new(), None);
        while let Some(packet) = packets.read_packet().unwrap() {
            let mut frame = vec![0.0; 960];
            assert_eq!(
                decoder
                    .decode_float(&packet.data, &mut frame, false)
                    .unwrap(),
                960
            );
            got.extend(frame);
            assert!(packet.absgp_page() as usize <= got.len() || !packet.last_in_page());
            last = packet
                .last_in_stream()
                .then(|| packet.absgp_page() as usize);
        }
        let end = last.expect("the last packet says that it is");
        assert_eq!(end - skip, 2 * n, "as long as it was");
        assert!((end..end + 960 + 960).contains(&got.len()), "{n}");
        if n > 10_000 {
            let heard: Vec<f32> = got[skip..end].iter().step_by(2).copied().collect();
            let error: f32 = heard
                .iter()
                .zip(&samples)
                .map(|(a, b)| (a - b).powi(2))
                .sum();
            let power: f32 = samples.iter().map(|s| s * s).sum();
            assert!(error < 0.02 * power, "in step with it: {}", error / power);
        }
    }
}

#[test]
fn bytes_leave_before_the_end() {
    for (form, within) in [(Form::Wav, 100), (Form::Flac, 4_096), (Form::Opus, 5_300)] {
        let mut file = SoundFile::new(form, Target::Stream).unwrap();
        let mut bytes = Vec::new();
        file.push(&tone(1), &mut bytes).unwrap();
        let head = bytes.len();
        file.push(&tone(within), &mut bytes).unwrap();
        assert!(bytes.len() > head, "{form:?}");
    }
}

#[test]
fn extensions_name_forms() {
    assert_eq!(Form::of_extension("WAV"), Some(Form::Wav));
    assert_eq!(Form::of_extension("ogg"), Some(Form::Opus));
    assert_eq!(Form::of_extension("mp3"), Some(Form::Mp3));
    assert_eq!(Form::of_extension("aac"), None);
}
