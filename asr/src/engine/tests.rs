//! The laws of the engine on the tiny checkpoint: batching, cancelling, forking and chunking change
//! nothing, every finalise has one answer, and an endless session stays as it was.
#![allow(clippy::unwrap_used)]
mod rows;

use std::{collections::BTreeMap, path::PathBuf};

use voiced_core::{audio::AudioFrame, engine::HearingOptions};
use voiced_nn::{kv_cache::CacheFormat, matrix::Format};

use super::*;
use crate::voxtral::{Checkpoint, Formats, LEFT_PAD, SAMPLES};

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn ear(rows: usize, options: Options) -> Ear {
    let mut checkpoint = Checkpoint::open(&golden()).unwrap();
    let formats = Formats::new(Format::F32);
    let plan = Plan::new(checkpoint.config(), formats, rows, CacheFormat::F32, None).unwrap();
    let tekken = checkpoint.take_tekken().unwrap();
    let model = checkpoint.load(formats).unwrap();
    Ear::new(model, tekken, checkpoint.control(), &plan, options).unwrap()
}

/// The clip of the golden data.
fn clip() -> Vec<f32> {
    let bytes = std::fs::read(golden().join("golden.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let pcm = file.tensor("audio.pcm_s16").unwrap();
    voiced_core::audio::from_pcm16(pcm.data())
}

fn audio(samples: &[f32]) -> Hearing {
    Hearing::Audio(AudioFrame::new(SampleRate::HEARING, samples))
}

/// Tokens of a row by position, as far as it got.
type Written = BTreeMap<u64, u32>;

/// Steps until idle; what every row said, and what row `watched` wrote.
fn run(ear: &mut Ear, said: &mut Vec<(usize, Said)>, watched: usize, written: &mut Written) {
    let ready = vec![true; ear.slots()];
    loop {
        let progress = ear
            .step_said(&ready, &mut |slot, what| said.push((slot.0, what)))
            .unwrap();
        if let Some(session) = &ear.rows[watched] {
            let row = &session.listener.row;
            if row.chooses() {
                written.insert(row.decoded(), row.written());
            }
        }
        if progress == Progress::Idle {
            return;
        }
    }
}

/// Steps until idle and keeps what every row wrote.
fn run_watching(ear: &mut Ear, said: &mut Vec<(usize, Said)>, written: &mut [Written]) {
    let ready = vec![true; ear.slots()];
    while ear
        .step_said(&ready, &mut |slot, what| said.push((slot.0, what)))
        .unwrap()
        == Progress::Stepped
    {
        for (session, written) in ear.rows.iter().zip(written.iter_mut()) {
            let row = session.as_ref().map(|s| &s.listener.row);
            if let Some(row) = row.filter(|row| row.chooses()) {
                written.insert(row.decoded(), row.written());
            }
        }
    }
}

/// Feeds `samples` in chunks and runs after each.
fn hear(
    ear: &mut Ear,
    slot: usize,
    samples: &[f32],
    chunk: usize,
) -> (Vec<(usize, Said)>, Written) {
    let (mut said, mut written) = (Vec::new(), Written::new());
    for chunk in samples.chunks(chunk) {
        ear.feed(SlotId(slot), audio(chunk)).unwrap();
        run(ear, &mut said, slot, &mut written);
    }
    (said, written)
}

fn finals(said: &[(usize, Said)], slot: usize) -> Vec<String> {
    let words = said
        .iter()
        .filter(|(s, _)| *s == slot)
        .filter_map(|(_, s)| match s {
            Said::Final(words) => Some(transcript(words)),
            Said::Partial(_) => None,
        });
    words.collect()
}

fn tune(ear: &mut Ear, slot: usize, positions: u32) {
    let tuned = HearingOptions {
        delay: Some(POSITION * positions),
        language: None,
    };
    ear.feed(SlotId(slot), Hearing::Tune(tuned)).unwrap();
}

fn finalize(ear: &mut Ear, slot: usize) -> String {
    ear.feed(SlotId(slot), Hearing::Finalize).unwrap();
    let mut said = Vec::new();
    run(ear, &mut said, slot, &mut Written::new());
    let mut finals = finals(&said, slot);
    assert_eq!(finals.len(), 1, "one answer");
    finals.remove(0)
}

/// What a whole clip and the silence after it say, by the plain loop.
fn plain(ear: &Ear, samples: &[f32]) -> String {
    plain_with(ear, samples, ear.options.delay)
}

fn plain_with(ear: &Ear, samples: &[f32], delay: usize) -> String {
    let mut caches = Caches::new(ear.model.config(), 1, 1, CacheFormat::F32).unwrap();
    let mut row = Row::new(&ear.model, delay).unwrap();
    let positions = samples.len().div_ceil(SAMPLES);
    let mut all = samples.to_vec();
    all.resize((positions + delay + 11) * SAMPLES + 40, 0.0);
    row.push(&ear.model, &all);
    let mut text = String::new();
    let mut utf8 = voiced_nn::tekken::Utf8Stream::default();
    while row.encodable() > 0 {
        ear.model
            .encode(&mut caches, &mut [(0, &mut row, 1)], None)
            .unwrap();
        let mut work = [(0, &mut row, 1)];
        let said = ear
            .model
            .decode(&mut caches, &mut work, &ear.control, None)
            .unwrap();
        let Some(logits) = &said[0].logits else {
            continue;
        };
        let logits: Vec<f32> = logits.to_vec1().unwrap();
        let (id, _) = choice::choose(&logits, 0, &ear.control, &ear.options);
        row.choose(id);
        text.push_str(&utf8.push(ear.tekken.piece(id)));
        let enough = row.decoded() > (LEFT_PAD + positions + delay) as u64;
        if enough && (id == ear.control.pad || id == ear.control.eos) {
            return text.trim().to_owned();
        }
    }
    text.push_str(&utf8.finish());
    text.trim().to_owned()
}

#[test]
fn a_final_is_the_whole_clip() {
    for delay in [2, 6, 15] {
        let options = Options {
            delay,
            ..Options::default()
        };
        let mut ear = ear(1, options);
        let clip = clip();
        let want = plain(&ear, &clip);
        assert!(want.chars().count() > 5, "the clip says {want:?}");
        for chunk in [1, 320, 1280, 7001, clip.len()] {
            ear.open(SlotId(0));
            let (said, _) = hear(&mut ear, 0, &clip, chunk);
            assert!(finals(&said, 0).is_empty());
            assert_eq!(
                finalize(&mut ear, 0),
                want,
                "delay {delay}, chunks of {chunk}"
            );
        }
    }
}

#[test]
fn a_row_alone_is_the_row_in_any_company() {
    let mut ear = ear(3, Options::default());
    let clip: Vec<f32> = clip().repeat(3);
    ear.open(SlotId(0));
    let (_, alone) = hear(&mut ear, 0, &clip, 640);
    assert!(alone.len() > 100);

    // In a batch, after a neighbour was cancelled, and after forks of its own.
    for slot in 0..3 {
        for i in 0..3 {
            ear.open(SlotId(i));
        }
        let (mut said, mut written) = (Vec::new(), Written::new());
        for (i, chunk) in clip.chunks(640).enumerate() {
            for other in (0..3).filter(|other| *other != slot) {
                // The neighbours hear other things, and one of them leaves and comes back.
                let shifted = &clip[(i * 160 + other * 4000) % 90_000..][..chunk.len()];
                if i % 40 == 39 && other == (slot + 1) % 3 {
                    ear.close(SlotId(other));
                    ear.open(SlotId(other));
                }
                ear.feed(SlotId(other), audio(shifted)).unwrap();
            }
            ear.feed(SlotId(slot), audio(chunk)).unwrap();
            if i % 50 == 25 {
                for any in 0..3 {
                    ear.feed(SlotId(any), Hearing::Finalize).unwrap();
                }
            }
            run(&mut ear, &mut said, slot, &mut written);
        }
        let asked = clip.chunks(640).len().div_ceil(50);
        assert_eq!(finals(&said, slot).len(), asked - 1);
        assert!(written == alone, "row {slot}");
    }
}

#[test]
fn every_row_has_its_own_delay_and_is_as_it_is_alone() {
    let mut ear = ear(3, Options::default());
    let clip: Vec<f32> = clip().repeat(2);
    let mut alone = Vec::new();
    let mut want = Vec::new();
    for delay in [1, 6, 30] {
        ear.open(SlotId(0));
        tune(&mut ear, 0, delay);
        alone.push(hear(&mut ear, 0, &clip, 640).1);
        want.push(finalize(&mut ear, 0));
        assert_eq!(want.last(), Some(&plain_with(&ear, &clip, delay as usize)));
    }
    assert!(alone[0] != alone[1] && alone[1] != alone[2]);
    // Together, each in every slot once.
    for turned in 0..3 {
        let delays = [0, 1, 2].map(|slot| (slot + turned) % 3);
        for (slot, which) in delays.iter().enumerate() {
            ear.open(SlotId(slot));
            tune(&mut ear, slot, [1, 6, 30][*which]);
        }
        let mut written = [Written::new(), Written::new(), Written::new()];
        for chunk in clip.chunks(640) {
            for slot in 0..3 {
                ear.feed(SlotId(slot), audio(chunk)).unwrap();
            }
            // Every row is looked at in turn; all of them step with each.
            let mut said = Vec::new();
            run_watching(&mut ear, &mut said, &mut written);
        }
        for (slot, which) in delays.iter().enumerate() {
            assert!(written[slot] == alone[*which], "slot {slot}, {delays:?}");
            assert_eq!(finalize(&mut ear, slot), want[*which]);
        }
    }
}

#[test]
fn a_delay_changed_in_the_middle_counts_from_the_next_beginning() {
    let mut ear = ear(1, Options::default());
    ear.open(SlotId(0));
    hear(&mut ear, 0, &clip(), 1280);
    tune(&mut ear, 0, 2);
    hear(&mut ear, 0, &clip(), 1280);
    let delay = |ear: &Ear| ear.rows[0].as_ref().unwrap().listener.row.delay();
    assert_eq!(delay(&ear), 6);
    ear.start_anew(0, Renewal::InAPause);
    assert_eq!(delay(&ear), 2);
    ear.open(SlotId(0));
    hear(&mut ear, 0, &clip(), 1280);
    assert_eq!(delay(&ear), 6, "the next lease knows nothing of it");
}

#[test]
fn a_final_tells_its_words_one_by_one() {
    let mut ear = ear(1, Options::default());
    ear.open(SlotId(0));
    ear.feed(SlotId(0), audio(&clip())).unwrap();
    ear.feed(SlotId(0), Hearing::Finalize).unwrap();
    let mut finals = Vec::new();
    let mut emit = |_: SlotId, heard: Heard| {
        if let Heard::Final(said) = heard {
            finals.push(said);
        }
    };
    while ear.step(&[true], &mut emit).unwrap() == Progress::Stepped {}
    let [said] = finals.as_slice() else {
        panic!("one final");
    };
    assert!(!said.words.is_empty());
    for word in &said.words {
        assert!(said.text.contains(&word.text) && word.text.trim() == word.text);
        assert!(word.start <= word.end && word.end <= Duration::from_secs(5));
        assert!(word.confidence > 0.0 && word.confidence <= 1.0);
    }
}
