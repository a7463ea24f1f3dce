//! Every stage of Voxtral Realtime against what transformers computed on a tiny checkpoint with
//! every feature of the published one: both namings, several delays, whole files, odd chunks and
//! batches, on every instruction set of this machine.
//!
//! Reads the directory `VOICED_GOLDEN_ASR` when set: any that the generator under `scripts/golden`
//! wrote, whatever its sizes and seed.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
use std::collections::BTreeMap;

use candle_core::Tensor;
use voiced_asr::{
    mel::BINS,
    voxtral::{Caches, Checkpoint, FRAMES, Formats, Naming, Stage},
};
use voiced_nn::{kv_cache::CacheFormat, matrix::Format};

#[path = "golden/support.rs"]
mod support;
use support::{Ear, Golden, Heard, NAMINGS, ODD, close, listen};

/// Section by section: twice to ten times what independent implementations differ by.
const MEL: f32 = 1e-4;
const ENCODER: f32 = 2e-4;
const ADAPTER: f32 = 3e-4;
const DECODER: f32 = 1e-3;

fn reference(naming: Naming) -> Ear {
    Ear::open(naming, Formats::new(Format::F32), CacheFormat::F32)
}

#[test]
fn the_filter_bank_and_the_spectrogram() {
    let golden = Golden::open();
    let ear = reference(Naming::Mistral);
    let bank: Vec<f32> = ear.model.mel().filter_bank().concat();
    close("filter bank", &bank, golden.values("mel.filterbank"), 1e-7);

    let mut row = ear.row(6);
    row.push(&ear.model, &golden.padded(6));
    // The file is [bins, frames]; rows are [frames, bins].
    let want = golden.values("mel.offline");
    let frames = want.len() / BINS;
    let got = row.pending_frames();
    assert_eq!(got.len(), want.len());
    let turned: Vec<f32> = (0..want.len())
        .map(|i| want[i % BINS * frames + i / BINS])
        .collect();
    close("mel", got, &turned, MEL);
}

#[test]
fn every_stage_in_both_namings() {
    let golden = Golden::open();
    for naming in NAMINGS {
        let mut ear = reference(naming);
        let heard = listen(&mut ear, 6, &golden.padded(6), &[usize::MAX], 4);
        check_stages(&golden, &ear, &heard);
    }
}

#[test]
fn every_stage_in_odd_chunks() {
    let golden = Golden::open();
    for naming in NAMINGS {
        let mut ear = reference(naming);
        let heard = listen(&mut ear, 6, &golden.padded(6), &ODD, 1);
        check_stages(&golden, &ear, &heard);
    }
}

/// A process per instruction set, since a process settles on one.
#[test]
fn every_stage_on_every_instruction_set() {
    for isa in voiced_nn::Isa::available() {
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "every_stage_in_both_namings"])
            .env("VOICED_ISA", isa.name())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{}: {said}", isa.name());
        assert!(said.contains("1 passed"), "{said}");
    }
}

fn check_stages(golden: &Golden, ear: &Ear, heard: &Heard) {
    let stage = |s: Stage| heard.stages[&s].as_slice();
    let dim = ear.model.config().encoder.dim;
    let conv1 = golden.values("enc.conv1_out");
    close(
        "conv 1",
        &stage(Stage::Conv1)[..conv1.len()],
        conv1,
        ENCODER,
    );
    assert_eq!(stage(Stage::Conv2).len() % dim, 0);
    let compare = |name: &str, s: Stage, tolerance: f32| {
        close(name, stage(s), golden.values(name), tolerance);
    };
    compare("enc.conv_stem", Stage::Conv2, ENCODER);
    for (name, s) in layers(
        "enc",
        ear.model.config().encoder.layers,
        Stage::EncoderLayer,
    ) {
        if let Some(want) = golden.find(&name) {
            close(&name, stage(s), want, ENCODER * size(want));
        }
    }
    compare("enc.out", Stage::Encoder, ENCODER);
    compare("adapter.out", Stage::Adapter, ADAPTER);
    compare("dec.inputs_embeds", Stage::Input, ADAPTER);
    for (name, s) in layers(
        "dec",
        ear.model.config().decoder.layers,
        Stage::DecoderLayer,
    ) {
        if let Some(want) = golden.find(&name) {
            close(&name, stage(s), want, DECODER * size(want));
        }
    }
    compare("dec.norm", Stage::Norm, DECODER);
    compare("dec.logits_last49", Stage::Logits, DECODER);
    assert_eq!(heard.ids, golden.ids("d6.generated_ids"));
}

fn layers(
    stack: &str,
    count: usize,
    stage: impl Fn(usize) -> Stage,
) -> impl Iterator<Item = (String, Stage)> {
    (0..count).map(move |i| (format!("{stack}.layer{i}"), stage(i)))
}

/// The root mean square of a residual stream, or 1: it grows with depth, and differences with it.
fn size(values: &[f32]) -> f32 {
    let power: f32 = values.iter().map(|v| v * v).sum();
    (power / values.len() as f32).sqrt().max(1.0)
}

#[test]
fn delays_are_told_as_the_reference_tells_them() {
    let golden = Golden::open();
    for naming in NAMINGS {
        let ear = reference(naming);
        for delay in golden.delays() {
            let vector = ear.model.delay_vector(delay).unwrap();
            let want = golden.values(&format!("d{delay}.t_cond"));
            close("delay vector", &flat(&vector), want, 1e-6);
            let scales = ear.model.delay_scales(delay).unwrap();
            let scales: Vec<f32> = scales.iter().flat_map(flat).collect();
            let want = golden.values(&format!("d{delay}.ada_scale"));
            close("delay scales", &scales, want, 1e-5);
        }
    }
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn ids_for_every_delay_however_the_audio_comes() {
    let golden = Golden::open();
    let delays = golden.delays();
    assert!(delays.len() >= 3, "delays {delays:?}");
    for naming in NAMINGS {
        let mut ear = reference(naming);
        for delay in &delays {
            let audio = golden.padded(*delay);
            let want = golden.ids(&format!("d{delay}.generated_ids"));
            let prompt = golden.ids(&format!("d{delay}.prompt_ids"));
            assert_eq!(prompt.len() as u64, ear.row(*delay).prompt_len());
            let chunkings: [(&[usize], usize); 5] = [
                (&[usize::MAX], 8),
                (&[usize::MAX], 1),
                (&ODD, 1),
                (&[1], 3),
                (&[1280], 4),
            ];
            for (chunks, together) in chunkings {
                let heard = listen(&mut ear, *delay, &audio, chunks, together);
                assert_eq!(heard.ids, want, "{naming:?}, delay {delay}, {chunks:?}");
            }
            if let Some(first) = golden.find(&format!("d{delay}.logits_first_generated")) {
                let heard = listen(&mut ear, *delay, &audio, &ODD, 1);
                let got = &heard.stages[&Stage::Logits][..first.len()];
                close("first logits", got, first, DECODER);
            }
        }
    }
}

#[test]
fn two_runs_and_two_chunkings_are_the_same_to_the_bit() {
    let golden = Golden::open();
    let mut ear = reference(Naming::Mistral);
    let audio = golden.padded(6);
    let one = listen(&mut ear, 6, &audio, &ODD, 1);
    for (chunks, together) in [(&ODD[..], 1), (&[usize::MAX][..], 8), (&[333][..], 3)] {
        let two = listen(&mut ear, 6, &audio, chunks, together);
        assert_eq!(one.ids, two.ids);
        for (stage, values) in &one.stages {
            assert!(bits(values) == bits(&two.stages[stage]), "{stage:?}");
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Rows of different delays, at different positions, one of them ending early: each gets the
/// logits it gets alone, to the bit.
#[test]
fn rows_in_a_batch_are_the_rows_alone() {
    let golden = Golden::open();
    for format in [Format::F32, Format::Bf16, Format::Q8, Format::Q4] {
        let mut ear = Ear::open(Naming::Mistral, Formats::new(format), CacheFormat::Bf16);
        let sessions: Vec<(usize, Vec<f32>)> = golden
            .delays()
            .into_iter()
            .zip([0, 3000, 17_001])
            .map(|(delay, skip)| (delay, golden.padded(delay)[skip..].to_vec()))
            .collect();
        let alone: Vec<Vec<Vec<f32>>> = sessions
            .iter()
            .map(|(delay, audio)| {
                let heard = listen(&mut ear, *delay, audio, &[usize::MAX], 1);
                let vocab = ear.model.config().vocab;
                heard.stages[&Stage::Logits]
                    .chunks(vocab)
                    .map(<[f32]>::to_vec)
                    .collect()
            })
            .collect();

        ear.caches = Caches::new(ear.model.config(), sessions.len(), 8, CacheFormat::Bf16).unwrap();
        let mut rows: Vec<_> = sessions.iter().map(|(delay, _)| ear.row(*delay)).collect();
        for (row, (_, audio)) in rows.iter_mut().zip(&sessions) {
            row.push(&ear.model, audio);
        }
        let mut together: Vec<Vec<Vec<f32>>> = vec![Vec::new(); rows.len()];
        for round in 0.. {
            // Row 1 is cancelled in the middle; rows take turns at different paces.
            let live = |i: usize| i != 1 || round < 40;
            let encodable: Vec<usize> = rows.iter().map(|r| r.encodable()).collect();
            let mut work: Vec<_> = rows
                .iter_mut()
                .enumerate()
                .filter(|(i, _)| live(*i) && encodable[*i] > 0 && (round + i) % 3 != 0)
                .map(|(i, row)| (i, row, encodable[i].min(1 + i)))
                .collect();
            if !work.is_empty() {
                ear.model.encode(&mut ear.caches, &mut work, None).unwrap();
            }
            let decodable: Vec<usize> = rows.iter().map(|r| r.decodable()).collect();
            let mut work: Vec<_> = rows
                .iter_mut()
                .enumerate()
                .filter(|(i, _)| live(*i) && decodable[*i] > 0)
                .map(|(i, row)| (i, row, decodable[i].min(1 + i)))
                .collect();
            if work.is_empty() {
                if encodable
                    .iter()
                    .enumerate()
                    .all(|(i, n)| *n == 0 || !live(i))
                {
                    break;
                }
                continue;
            }
            let slots: Vec<usize> = work.iter().map(|w| w.0).collect();
            let said = ear
                .model
                .decode(&mut ear.caches, &mut work, &ear.control, None)
                .unwrap();
            for (slot, decision) in slots.into_iter().zip(said) {
                if let Some(logits) = decision.logits {
                    let logits: Vec<f32> = logits.to_vec1().unwrap();
                    rows[slot].choose(support::greedy(&logits));
                    together[slot].push(logits);
                }
            }
        }
        assert_eq!(together[0], alone[0], "{format}");
        assert_eq!(together[2], alone[2], "{format}");
        let ended = together[1].len();
        assert!(ended > 0 && ended < alone[1].len());
        assert_eq!(together[1], alone[1][..ended], "{format}");
    }
}

#[test]
fn a_copied_row_goes_on_like_the_original() {
    let golden = Golden::open();
    let mut ear = reference(Naming::Mistral);
    let audio = golden.padded(6);
    let whole = listen(&mut ear, 6, &audio, &[usize::MAX], 1);
    let fork_at = 30_000;
    let mut row = ear.row(6);
    row.push(&ear.model, &audio[..fork_at]);
    let mut ids = ear.run(0, &mut row, 1);
    let mut fork = row.clone();
    ear.caches.copy(&row, 0, 1);
    // The fork hears silence; the row goes on undisturbed, and so does a fork of what it hears.
    fork.push(&ear.model, &vec![0.0; 20 * 1280]);
    let elsewhere = ear.run(1, &mut fork, 1);
    assert!(!elsewhere.is_empty());
    let mut twin = row.clone();
    ear.caches.copy(&row, 0, 1);
    twin.push(&ear.model, &audio[fork_at..]);
    let twin_ids = ear.run(1, &mut twin, 1);
    row.push(&ear.model, &audio[fork_at..]);
    let rest = ear.run(0, &mut row, 1);
    assert_eq!(rest, twin_ids);
    ids.extend(rest);
    assert_eq!(ids, whole.ids);
}

#[test]
fn text_is_what_mistral_common_makes_of_the_ids() {
    let golden = Golden::open();
    let tekken = Checkpoint::open(&golden.directory)
        .unwrap()
        .take_tekken()
        .unwrap();
    let meta = std::fs::read(golden.directory.join("meta.json")).unwrap();
    let meta: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&meta).unwrap();
    let ids: Vec<u32> = serde_json::from_value(meta["decode_demo_ids"].clone()).unwrap();
    assert_eq!(
        tekken.decode(&ids),
        meta["decode_demo_text"].as_str().unwrap()
    );
}

#[test]
fn a_position_takes_eight_frames_and_forty_samples_more() {
    let ear = reference(Naming::Mistral);
    let mut row = ear.row(6);
    // 32 positions of silence came first; the last of them looks 40 samples ahead.
    assert_eq!(row.encodable(), 31);
    row.push(&ear.model, &[0.0; 39]);
    assert_eq!(row.encodable(), 31);
    row.push(&ear.model, &[0.0]);
    assert_eq!(row.encodable(), 32);
    row.push(&ear.model, &[0.0; 1280]);
    assert_eq!(row.encodable(), 33);
    assert_eq!(FRAMES, 8);
}
