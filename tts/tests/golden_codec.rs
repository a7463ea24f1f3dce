//! The codec against the reference, stage by stage, and against itself in every way of cutting.
//! `VOICED_GOLDEN_TTS` names another directory made by the same generator.
#![allow(clippy::unwrap_used)]
use std::collections::HashMap;

use voiced_nn::matrix::Format;
use voiced_tts::{
    codec::{CodecDecoder, CodecStage, Frame, slope},
    voxtral::{Checkpoint, Formats, LoadError},
};

#[path = "golden/support.rs"]
mod support;
use support::{Golden, close, directory, flat};

const WAVE: f32 = 2e-4;
/// Streaming is the same arithmetic; only what a batch's tail is added to may differ.
const STREAM: f32 = 1e-5;

fn codec(format: Format) -> CodecDecoder {
    let checkpoint = Checkpoint::open(&directory()).unwrap();
    checkpoint.codec(Formats::new(format)).unwrap()
}

fn pushed(codec: &CodecDecoder, frames: &[Frame], sizes: &[usize]) -> Vec<f32> {
    let mut state = codec.begin();
    let (mut rest, mut samples) = (frames, Vec::new());
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            return samples;
        }
        let (some, others) = rest.split_at(rest.len().min(*size));
        rest = others;
        let rows = codec.push(&mut [(&mut state, some)], None).unwrap();
        assert_eq!(rows[0].len(), some.len() * codec.config().samples());
        samples.extend(&rows[0]);
    }
    samples
}

#[test]
fn every_block_is_the_reference_s() {
    let golden = Golden::open();
    let codec = codec(Format::F32);
    close(
        "table",
        codec.semantic_table(),
        golden.values("semantic_table"),
        1e-6,
    );
    let heads = golden.values("alibi_slopes").len();
    let slopes: Vec<f32> = (0..heads).map(|head| slope(head, heads)).collect();
    close("slopes", &slopes, golden.values("alibi_slopes"), 1e-7);
    let frames = golden.request(0).codes;
    let mut stages = HashMap::new();
    let mut trace = |stage: CodecStage, x: &candle_core::Tensor| {
        stages.insert(stage, flat(x));
    };
    let rows = codec
        .push(&mut [(&mut codec.begin(), &frames)], Some(&mut trace))
        .unwrap();
    close(
        "latent",
        &stages[&CodecStage::Latent],
        golden.values("req0.codec.latent"),
        1e-6,
    );
    for block in 0..2 * codec.config().decoder.len() {
        let want = golden.values(&format!("req0.codec.block{block}"));
        close(
            &format!("block {block}"),
            &stages[&CodecStage::Block(block)],
            want,
            WAVE,
        );
    }
    close("waveform", &rows[0], golden.values("req0.waveform"), WAVE);
}

#[test]
fn one_shot_is_the_reference_s() {
    let golden = Golden::open();
    let codec = codec(Format::F32);
    for i in 0..golden.requests() {
        let samples = codec.decode(&golden.request(i).codes).unwrap();
        close(
            &format!("request {i}"),
            &samples,
            golden.values(&format!("req{i}.waveform")),
            WAVE,
        );
    }
    let samples = codec.decode(&golden.frames("long.codes")).unwrap();
    close("long", &samples, golden.values("long.waveform"), WAVE);
}

#[test]
fn any_way_of_streaming_gives_the_same_samples() {
    let golden = Golden::open();
    let codec = codec(Format::F32);
    let frames = golden.frames("long.codes");
    let whole = codec.decode(&frames).unwrap();
    for sizes in [
        &[1][..],
        &[2, 3],
        &[1, 4, 1, 1, 8, 2, 3, 15, 25],
        &[60],
        &[7, 1],
    ] {
        let samples = pushed(&codec, &frames, sizes);
        close(&format!("{sizes:?}"), &samples, &whole, STREAM);
        close(
            &format!("{sizes:?}, reference"),
            &samples,
            golden.values("long.waveform"),
            WAVE,
        );
    }
}

#[test]
fn twenty_frames_of_context_are_exact_and_four_are_not() {
    let golden = Golden::open();
    let codec = codec(Format::F32);
    let frames = golden.frames("long.codes");
    let want = golden.values("long.waveform");
    let peak = want.iter().fold(0f32, |m, v| m.max(v.abs()));
    let worst = |context: usize| {
        let mut samples = Vec::new();
        for first in (0..frames.len()).step_by(5) {
            let from = first.saturating_sub(context);
            let end = (first + 5).min(frames.len());
            let some = codec.decode_after(&frames[from..first], &frames[first..end]);
            samples.extend(some.unwrap());
        }
        assert_eq!(samples.len(), want.len());
        samples
            .iter()
            .zip(want)
            .fold(0f32, |m, (a, b)| m.max((a - b).abs()))
            / peak
    };
    assert!(worst(25) < 1e-5, "{}", worst(25));
    assert!(worst(20) < 1e-5, "{}", worst(20));
    assert!(
        worst(4) > 1e-2,
        "a window this short must be heard: {}",
        worst(4)
    );
}

/// Rows of different lengths, pushed together at different rates, get the very bits they get
/// alone, and a row that ends leaves no trace.
#[test]
fn a_row_is_the_same_alone_and_among_others() {
    let golden = Golden::open();
    for format in [Format::F32, Format::Bf16] {
        let codec = codec(format);
        let long = golden.frames("long.codes");
        let all = [&long[..], &golden.request(1).codes, &long[20..45]];
        let sizes = [3, 1, 2];
        let alone: Vec<Vec<f32>> = all
            .iter()
            .zip(sizes)
            .map(|(f, n)| pushed(&codec, f, &[n]))
            .collect();
        let mut states: Vec<_> = all.iter().map(|_| codec.begin()).collect();
        let mut together = vec![Vec::new(); all.len()];
        let mut at = [0; 3];
        for round in 0.. {
            // Row 1 is cancelled and begun anew.
            if round == 4 {
                states[1] = codec.begin();
                together[1].clear();
                at[1] = 0;
            }
            let mut work = Vec::new();
            for (i, state) in states.iter_mut().enumerate() {
                let n = if (round + i) % 4 == 0 { 0 } else { sizes[i] };
                let end = (at[i] + n).min(all[i].len());
                work.push((state, &all[i][at[i]..end]));
                at[i] = end;
            }
            for (out, samples) in together
                .iter_mut()
                .zip(codec.push(&mut work, None).unwrap())
            {
                out.extend(samples);
            }
            if (0..3).all(|i| at[i] == all[i].len()) {
                break;
            }
        }
        assert!(together == alone, "{format}");
    }
}

#[test]
fn narrow_weights_stay_near() {
    let golden = Golden::open();
    let samples = codec(Format::Bf16)
        .decode(&golden.frames("long.codes"))
        .unwrap();
    let want = golden.values("long.waveform");
    let square = |x: &mut dyn Iterator<Item = f32>| x.map(|v| f64::from(v * v)).sum::<f64>();
    let error = square(&mut samples.iter().zip(want).map(|(a, b)| a - b));
    let relative = (error / square(&mut want.iter().copied())).sqrt();
    println!("bf16 folded weights: relative error {relative:.1e}");
    assert!(relative < 2e-2, "{relative}");
}

#[test]
fn codes_that_do_not_exist_are_refused_and_nothing_advances() {
    let golden = Golden::open();
    let codec = codec(Format::F32);
    let frames = golden.frames("long.codes");
    let mut state = codec.begin();
    codec.push(&mut [(&mut state, &frames[..2])], None).unwrap();
    let mut twin = state.clone();
    let with = |at: usize, code: u16| {
        let mut frame = frames[2].clone();
        frame.0[at] = code;
        frame
    };
    let semantic = codec.config().semantic as u16;
    let levels = codec.config().levels as u16;
    let short = Frame(frames[2].0[..5].to_vec());
    for bad in [
        with(0, 1),
        with(0, semantic + 2),
        with(0, u16::MAX),
        with(3, 1),
        with(codec.config().acoustic, levels + 2),
        short,
        Frame(Vec::new()),
    ] {
        let some = [frames[2].clone(), bad];
        assert!(codec.push(&mut [(&mut state, &some)], None).is_err());
    }
    let next = |state| codec.push(&mut [(state, &frames[2..4])], None).unwrap();
    assert_eq!(next(&mut state), next(&mut twin));
}

#[test]
fn the_encoder_is_the_reference_s_and_makes_a_voice() {
    let golden = Golden::open();
    let checkpoint = Checkpoint::open(&directory()).unwrap();
    let formats = Formats::new(Format::F32);
    let encoder = checkpoint.encoder(None, formats).unwrap();
    let wave = golden.values("enc.waveform");
    close(
        "latent",
        &flat(&encoder.latent(wave).unwrap()),
        golden.values("enc.latent"),
        WAVE,
    );
    let frames = encoder.encode(wave).unwrap();
    let raw: Vec<Frame> = frames
        .iter()
        .map(|f| Frame(f.0.iter().map(|c| c - 2).collect()))
        .collect();
    assert_eq!(raw, golden.frames("enc.codes_raw"));
    let samples = encoder.config().samples();
    assert_eq!(frames.len(), wave.len().div_ceil(samples));
    assert!(encoder.encode(&[]).unwrap().is_empty());
    assert_eq!(encoder.encode(&wave[..1]).unwrap().len(), 1);
    assert_eq!(encoder.encode(&wave[..samples + 1]).unwrap().len(), 2);
    let model = checkpoint.load(formats).unwrap();
    let voice = flat(&model.frame_rows().voice(&frames).unwrap());
    close("voice", &voice, golden.values("enc.voice_embedding"), 1e-5);
}

#[test]
fn without_an_encoder_the_error_says_what_is_possible() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["params.json", "consolidated.safetensors"] {
        std::fs::copy(support::directory().join(name), directory.path().join(name)).unwrap();
    }
    let checkpoint = Checkpoint::open(directory.path()).unwrap();
    let formats = Formats::new(Format::F32);
    let refused = checkpoint.encoder(None, formats).err().unwrap();
    assert!(matches!(refused, LoadError::NoEncoder { .. }));
    let text = refused.to_string();
    for part in ["recording", "encoder file", "preset", "remote"] {
        assert!(text.contains(part), "{part:?} not in {text}");
    }
    // Weights of something else are no encoder.
    let other = directory.path().join("consolidated.safetensors");
    assert!(checkpoint.encoder(Some(&other), formats).is_err());
    let given = support::directory().join("encoder.safetensors");
    assert!(checkpoint.encoder(Some(&given), formats).is_ok());
}
