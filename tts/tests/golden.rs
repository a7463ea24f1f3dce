//! Voxtral TTS against the reference, stage by stage, and against itself in every way of batching.
//! `VOICED_GOLDEN_TTS` names another directory made by the same generator.
#![allow(clippy::unwrap_used)]
use std::{collections::HashMap, path::Path};

use candle_core::Tensor;
use serde::Deserialize;
use voiced_nn::{matrix::Format, tekken::Tekken};
use voiced_tts::{
    codec::Frame,
    voxtral::{Ask, Checkpoint, FlowStage, Prompt, Reading, Stage, noise},
};

#[path = "golden/support.rs"]
mod support;
use support::{Golden, Rig, close, directory, flat};

const NEAR: f32 = 2e-4;

#[derive(Deserialize)]
struct Case {
    text: String,
    voice: Option<String>,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Cases {
    encode: Vec<Case>,
    prompts: Vec<Case>,
}

#[test]
fn text_and_prompts_are_tokenised_as_by_mistral_common() {
    if !directory().join("tokenizer_mini_vectors.json").is_file() {
        println!("skipped: {} has no tokenizer cases", directory().display());
        return;
    }
    let tekken = Tekken::open(&directory().join("tekken_mini.json")).unwrap();
    let counts = tekken
        .audio()
        .unwrap()
        .voice_num_audio_tokens
        .clone()
        .unwrap();
    let prompt = Prompt::new(tekken);
    let json = std::fs::read(directory().join("tokenizer_mini_vectors.json")).unwrap();
    let cases: Cases = serde_json::from_slice(&json).unwrap();
    assert!(cases.encode.len() >= 20 && cases.prompts.len() >= 20);
    for case in &cases.encode {
        assert_eq!(
            prompt.tekken().encode(&case.text),
            case.ids,
            "{:?}",
            case.text
        );
    }
    for case in &cases.prompts {
        let rows = counts[case.voice.as_ref().unwrap()];
        assert_eq!(prompt.ids(rows, &case.text), case.ids, "{:?}", case.text);
    }
    // Markers inside the text are text.
    let marked = prompt.ids(1, "[AUDIO]");
    assert_eq!(marked.iter().filter(|id| **id == 24).count(), 1);
}

#[test]
fn prompts_are_read_as_by_the_reference() {
    let golden = Golden::open();
    let mut rig = Rig::open(Format::F32);
    for i in 0..golden.requests() {
        let request = golden.request(i);
        let rows = rig
            .model
            .embed_prompt(&request.ids, &request.voice)
            .unwrap();
        close(
            "prompt",
            &flat(&rows),
            golden.values(&format!("req{i}.prompt_emb")),
            0.0,
        );
        let mut all = Vec::new();
        let mut trace = |stage: Stage, x: &Tensor| {
            if stage == Stage::Hidden {
                all = flat(x);
            }
        };
        let reading = Reading {
            slot: 1,
            position: 0,
            rows,
        };
        let caches = &mut rig.caches;
        let last = rig
            .model
            .read(caches, &[reading], Some(&mut trace))
            .unwrap();
        close(
            "hidden",
            &all,
            golden.values(&format!("req{i}.prefill_hidden")),
            NEAR,
        );
        // The last position of the prompt is the first frame.
        let dim = last.dim(1).unwrap();
        let first = &golden.values(&format!("req{i}.hidden"))[..dim];
        close("first frame", &flat(&last), first, NEAR);
        assert_eq!(flat(&last), all[all.len() - dim..]);
    }
}

/// What the first layer remembers of a prompt: keys after their rotation, so that a wrong kind of
/// rotary embedding shows here first; values as they are.
#[test]
fn keys_and_values_of_the_first_layer_are_the_reference_s() {
    let golden = Golden::open();
    let mut rig = Rig::open(Format::F32);
    let request = golden.request(0);
    let rows = rig
        .model
        .embed_prompt(&request.ids, &request.voice)
        .unwrap();
    let positions = rows.dim(0).unwrap();
    // In pieces, as the engine reads: the positions must count on.
    rig.prefill(2, &rows, 5);
    let shape = golden.shape("req0.prefill_k0").to_vec();
    assert_eq!(shape[1], positions);
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    for head in 0..shape[0] {
        for position in 0..positions as u64 {
            let (key, value) = rig.caches.at(0, 2, head, position);
            assert_eq!(key.len(), shape[2]);
            keys.extend(key);
            values.extend(value);
        }
    }
    close("keys", &keys, golden.values("req0.prefill_k0"), NEAR);
    close("values", &values, golden.values("req0.prefill_v0"), NEAR);
}

#[test]
fn a_frame_of_a_given_hidden_state_is_the_reference_s() {
    let golden = Golden::open();
    let rig = Rig::open(Format::F32);
    let flow = rig.model.flow();
    close(
        "times",
        flow.time_tokens(),
        golden.values("time_tokens"),
        1e-5,
    );
    close("grid", flow.grid(), golden.values("time_grid"), 1e-7);
    let hidden = golden.rows("req0.hidden");
    let logits: Vec<f32> = rig.model.semantic_logits(&hidden).unwrap().concat();
    let want = golden.values("req0.logits");
    let masked = |x: &[f32]| x.iter().map(|v| v.is_finite()).collect::<Vec<_>>();
    assert_eq!(masked(&logits), masked(want));
    let finite = |x: &[f32]| {
        x.iter()
            .copied()
            .filter(|v| v.is_finite())
            .collect::<Vec<_>>()
    };
    close("logits", &finite(&logits), &finite(want), NEAR);

    let request = golden.request(0);
    let steps = flow.grid().len() - 1;
    let (traj, vel) = (golden.values("req0.traj"), golden.values("req0.vel"));
    let width = request.noise[0].len();
    for frame in 0..request.codes.len() {
        let mut stages = HashMap::new();
        let mut trace = |stage: FlowStage, x: &Tensor| {
            stages.insert(stage, flat(x));
        };
        let row = hidden.narrow(0, frame, 1).unwrap();
        let ask = [request.ask(frame)];
        let codes = rig.model.frames(&row, &ask, Some(&mut trace)).unwrap();
        assert_eq!(codes, [Some(request.codes[frame].clone())]);
        for step in 0..=steps {
            let at = (frame * (steps + 1) + step) * width;
            let want = &traj[at..at + width];
            close("point", &stages[&FlowStage::Point(step)], want, NEAR);
        }
        for step in 0..steps {
            let at = (frame * 2 * steps + step) * width;
            let velocity = &stages[&FlowStage::Velocity(step)];
            close("with", &velocity[..width], &vel[at..at + width], NEAR);
            let at = at + steps * width;
            close("without", &velocity[width..], &vel[at..at + width], NEAR);
        }
    }
    let over = hidden.narrow(0, request.codes.len(), 1).unwrap();
    assert_eq!(
        rig.model.frames(&over, &[request.ask(0)], None).unwrap(),
        [None]
    );
    let mut ask = request.ask(0);
    ask.may_end = false;
    assert!(rig.model.frames(&over, &[ask], None).unwrap()[0].is_some());
}

#[test]
fn frames_come_back_as_the_reference_s_embeddings() {
    let golden = Golden::open();
    let rig = Rig::open(Format::F32);
    for i in 0..golden.requests() {
        let rows = rig.model.embed_frames(&golden.request(i).codes).unwrap();
        close(
            "embedding",
            &flat(&rows),
            golden.values(&format!("req{i}.next_emb")),
            1e-5,
        );
    }
    let mut bad = golden.request(0).codes[0].clone();
    bad.0[5] = rig.config().codec.levels as u16 + 2;
    assert!(rig.model.embed_frames(&[bad]).is_err());
    assert!(rig.model.embed_text(&[rig.config().vocab as u32]).is_err());
}

/// Codes and hidden states of a request that runs freely.
fn free_run(rig: &mut Rig, golden: &Golden, i: usize, together: usize) -> (Vec<Frame>, Vec<f32>) {
    let request = golden.request(i);
    let rows = rig
        .model
        .embed_prompt(&request.ids, &request.voice)
        .unwrap();
    let mut hidden = rig.prefill(2, &rows, together);
    let (mut codes, mut states) = (Vec::new(), flat(&hidden));
    for n in 0..request.noise.len() {
        let frame = rig
            .model
            .frames(&hidden, &[request.ask(n)], None)
            .unwrap()
            .remove(0);
        let Some(frame) = frame else { break };
        let reading = Reading {
            slot: 2,
            position: (request.ids.len() + n) as u64,
            rows: rig
                .model
                .embed_frames(std::slice::from_ref(&frame))
                .unwrap(),
        };
        codes.push(frame);
        hidden = rig.model.read(&mut rig.caches, &[reading], None).unwrap();
        states.extend(flat(&hidden));
    }
    (codes, states)
}

#[test]
fn requests_run_freely_to_the_reference_s_codes_and_sound() {
    let golden = Golden::open();
    let mut rig = Rig::open(Format::F32);
    for i in 0..golden.requests() {
        let (codes, states) = free_run(&mut rig, &golden, i, 64);
        assert_eq!(codes, golden.request(i).codes, "request {i}");
        close(
            "hidden",
            &states,
            golden.values(&format!("req{i}.hidden")),
            NEAR,
        );
        let samples = rig.codec.decode(&codes).unwrap();
        close(
            "sound",
            &samples,
            golden.values(&format!("req{i}.waveform")),
            NEAR,
        );
        // However the prompt is cut, and whoever used the row before.
        for together in [1, 5] {
            let again = free_run(&mut rig, &golden, i, together);
            assert!(
                again == (codes.clone(), states.clone()),
                "request {i} by {together}"
            );
        }
    }
}

/// All requests at once, one of them cancelled and another taking its place, each compared with
/// itself alone, bit by bit.
#[test]
fn a_row_is_the_same_alone_in_a_batch_and_after_a_neighbour_s_cancel() {
    let golden = Golden::open();
    for format in [Format::F32, Format::Bf16, Format::Q8] {
        let mut rig = Rig::open(format);
        let count = golden.requests();
        let alone: Vec<_> = (0..count)
            .map(|i| free_run(&mut rig, &golden, i, 64))
            .collect();
        // Request 1 begins in slot 1, is cancelled after three frames, or before it ends by itself,
        // and request 2 goes on there.
        let cancelled = alone[1].0.len().clamp(1, 3);
        let mut rows: Vec<Row> = (0..count - 1).map(|i| Row::new(i, i)).collect();
        let mut done = HashMap::new();
        let mut round = 0;
        while !rows.is_empty() {
            step(&mut rig, &golden, &mut rows);
            round += 1;
            if round == cancelled {
                let at = rows.iter().position(|row| row.request == 1).unwrap();
                rows[at] = Row::new(2, 1);
            }
            rows.retain(|row| {
                if row.over {
                    done.insert(row.request, (row.codes.clone(), row.states.clone()));
                }
                !row.over
            });
        }
        assert!(done[&0] == alone[0], "{format}: beside a cancelled row");
        assert!(done[&2] == alone[2], "{format}: in its place");
    }
}

struct Row {
    request: usize,
    slot: usize,
    position: usize,
    codes: Vec<Frame>,
    states: Vec<f32>,
    over: bool,
}

impl Row {
    fn new(request: usize, slot: usize) -> Row {
        Row {
            request,
            slot,
            position: 0,
            codes: Vec::new(),
            states: Vec::new(),
            over: false,
        }
    }
}

fn step(rig: &mut Rig, golden: &Golden, rows: &mut [Row]) {
    let readings = rows.iter_mut().map(|row| {
        let request = golden.request(row.request);
        let rows = match row.codes.last() {
            None => rig.model.embed_prompt(&request.ids, &request.voice),
            Some(frame) => rig.model.embed_frames(std::slice::from_ref(frame)),
        };
        let rows = rows.unwrap();
        let position = row.position as u64;
        row.position += rows.dim(0).unwrap();
        Reading {
            slot: row.slot,
            position,
            rows,
        }
    });
    let readings: Vec<Reading> = readings.collect();
    let hidden = rig.model.read(&mut rig.caches, &readings, None).unwrap();
    let asks: Vec<Ask> = rows
        .iter()
        .map(|row| golden.request(row.request))
        .zip(rows.iter())
        .map(|(request, row)| request.ask(row.codes.len().min(request.noise.len() - 1)))
        .collect();
    let frames = rig.model.frames(&hidden, &asks, None).unwrap();
    let width = hidden.dim(1).unwrap();
    let hidden = flat(&hidden);
    for ((row, frame), hidden) in rows.iter_mut().zip(frames).zip(hidden.chunks_exact(width)) {
        row.states.extend(hidden);
        let most = golden.request(row.request).noise.len();
        match frame {
            // As alone, where one more position is read after the last frame asked for.
            Some(frame) if row.codes.len() < most => row.codes.push(frame),
            _ => row.over = true,
        }
    }
}

/// Wherever codes are teacher-forced, narrow weights stay near; a free run may go elsewhere.
#[test]
fn narrow_weights_stay_near_the_reference() {
    let golden = Golden::open();
    for (format, hidden_error, agree) in [(Format::Bf16, 3e-2, 0.95), (Format::Q8, 6e-2, 0.9)] {
        let mut rig = Rig::open(format);
        let (mut same, mut all) = (0, 0);
        for i in 0..golden.requests() {
            let request = golden.request(i);
            let rows = rig
                .model
                .embed_prompt(&request.ids, &request.voice)
                .unwrap();
            let fed = rig.model.embed_frames(&request.codes).unwrap();
            let prompt = rig.prefill(0, &rows, 64);
            let mut states = flat(&prompt);
            for n in 0..request.codes.len() {
                let reading = Reading {
                    slot: 0,
                    position: (request.ids.len() + n) as u64,
                    rows: fed.narrow(0, n, 1).unwrap(),
                };
                states.extend(flat(
                    &rig.model.read(&mut rig.caches, &[reading], None).unwrap(),
                ));
            }
            let want = golden.values(&format!("req{i}.hidden"));
            let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|v| v * v).sum::<f32>().sqrt();
            let error = norm(&mut states.iter().zip(want).map(|(a, b)| a - b))
                / norm(&mut want.iter().copied());
            println!("{format}, request {i}: hidden off by {error:.1e}");
            assert!(error < hidden_error, "{format}: {error}");
            let hidden = golden.rows(&format!("req{i}.hidden"));
            for (n, codes) in request.codes.iter().enumerate() {
                let row = hidden.narrow(0, n, 1).unwrap();
                let got = rig
                    .model
                    .frames(&row, &[request.ask(n)], None)
                    .unwrap()
                    .remove(0);
                let got = got.unwrap();
                let near = |(a, b): (&u16, &u16)| a.abs_diff(*b) <= 1;
                same += got.0.iter().zip(&codes.0).filter(|c| near(*c)).count();
                all += codes.0.len();
            }
        }
        let share = same as f64 / all as f64;
        println!("{format}: {share:.3} of the codes within one level");
        assert!(share >= agree, "{format}: {share}");
    }
}

#[test]
fn a_copied_prefix_is_the_prefix_read() {
    let golden = Golden::open();
    let mut rig = Rig::open(Format::F32);
    let request = golden.request(0);
    let rows = rig
        .model
        .embed_prompt(&request.ids, &request.voice)
        .unwrap();
    let (count, cut) = (rows.dim(0).unwrap(), request.voice.dim(0).unwrap() + 3);
    let whole = flat(&rig.prefill(0, &rows, 64));
    rig.prefill(3, &rows.narrow(0, 0, cut).unwrap(), 64);
    rig.prefill(1, &golden.rows("req2.prompt_emb"), 64);
    rig.caches.copy(3, 1, cut as u64);
    let reading = Reading {
        slot: 1,
        position: cut as u64,
        rows: rows.narrow(0, cut, count - cut).unwrap(),
    };
    let rest = rig.model.read(&mut rig.caches, &[reading], None).unwrap();
    assert_eq!(flat(&rest), whole);
}

#[test]
fn what_does_not_fit_is_refused_and_never_a_panic() {
    let golden = Golden::open();
    let mut rig = Rig::open(Format::F32);
    let request = golden.request(0);
    let two = request.voice.narrow(0, 0, 2).unwrap();
    assert!(rig.model.embed_prompt(&request.ids, &two).is_err());
    let rows = rig
        .model
        .embed_prompt(&request.ids, &request.voice)
        .unwrap();
    let at = |position: usize| Reading {
        slot: 0,
        position: position as u64,
        rows: rows.clone(),
    };
    assert!(
        rig.model
            .read(&mut rig.caches, &[at(support::CONTEXT - 1)], None)
            .is_err()
    );
    assert!(rig.model.read(&mut rig.caches, &[], None).is_err());
    // Noise that is no number says something all the same.
    let hidden = golden.rows("req0.hidden").narrow(0, 0, 1).unwrap();
    let mut ask = request.ask(0);
    ask.noise = vec![f32::NAN; ask.noise.len()];
    let frame = rig
        .model
        .frames(&hidden, &[ask], None)
        .unwrap()
        .remove(0)
        .unwrap();
    assert!(
        rig.codec
            .decode(&[frame])
            .unwrap()
            .iter()
            .all(|s| s.is_finite())
    );
    assert_eq!(noise(1, 2, 36).len(), 36);
}

#[test]
fn a_wrong_directory_is_named_with_all_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let refused = || {
        Checkpoint::open(directory.path())
            .err()
            .unwrap()
            .to_string()
    };
    assert!(
        refused().contains("consolidated.safetensors"),
        "{}",
        refused()
    );
    for name in [
        "params.json",
        "encoder.safetensors",
        "consolidated.safetensors",
    ] {
        std::fs::copy(support::directory().join(name), at(name)).unwrap();
    }
    let checkpoint = Checkpoint::open(directory.path()).unwrap();
    assert!(
        checkpoint
            .prompt()
            .unwrap_err()
            .to_string()
            .contains("tekken.json")
    );
    std::fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tekken_mini.json"),
        at("tekken.json"),
    )
    .unwrap();
    // A tokenizer of another size than the weights'.
    assert!(
        checkpoint
            .prompt()
            .unwrap_err()
            .to_string()
            .contains(&format!("says {}", checkpoint.config().vocab))
    );
    std::fs::copy(at("encoder.safetensors"), at("consolidated.safetensors")).unwrap();
    assert!(refused().contains("missing"), "{}", refused());
    std::fs::write(at("consolidated.safetensors"), b"<html>not found</html>").unwrap();
    assert!(
        refused().contains("not a usable safetensors file"),
        "{}",
        refused()
    );
    std::fs::write(at("params.json"), b"{}").unwrap();
    assert!(refused().contains("params.json"), "{}", refused());
}
