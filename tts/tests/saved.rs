//! A saved copy is what it was made from: the same codes and the same sound to the bit, whatever
//! formats are asked for later, with everything that belongs to a model beside it.
#![allow(clippy::unwrap_used)]
use std::fs;

use voiced_nn::matrix::Format;
use voiced_tts::{
    codec::Frame,
    voices::Voices,
    voxtral::{Checkpoint, Formats},
};

#[path = "golden/support.rs"]
mod support;
use support::{Golden, Rig, directory};

/// The codes and the sound of a request, as a model of its own chooses.
fn free_run(rig: &mut Rig, golden: &Golden) -> (Vec<Frame>, Vec<f32>) {
    let request = golden.request(0);
    let rows = rig
        .model
        .embed_prompt(&request.ids, &request.voice)
        .unwrap();
    let mut position = rows.dim(0).unwrap();
    let mut hidden = rig.prefill(0, &rows, 64);
    let mut frames = Vec::new();
    while frames.len() < request.noise.len() {
        let chosen = rig
            .model
            .frames(&hidden, &[request.ask(frames.len())], None);
        let Some(frame) = chosen.unwrap().remove(0) else {
            break;
        };
        let next = rig
            .model
            .embed_frames(std::slice::from_ref(&frame))
            .unwrap();
        frames.push(frame);
        let reading = voiced_tts::voxtral::Reading {
            slot: 0,
            position: position as u64,
            rows: next,
        };
        position += 1;
        hidden = rig.model.read(&mut rig.caches, &[reading], None).unwrap();
    }
    let mut state = rig.codec.begin();
    let sound = rig.codec.push(&mut [(&mut state, &frames)], None).unwrap();
    (frames, sound.into_iter().next().unwrap())
}

#[test]
fn a_saved_copy_is_what_it_was_made_from() {
    let golden = Golden::open();
    for format in [Format::F32, Format::Bf16, Format::Q8, Format::Q4] {
        let formats = Formats::new(format);
        let folder = tempfile::tempdir().unwrap();
        let original = Checkpoint::open(&directory()).unwrap();
        assert_eq!(original.saved_in(), None);
        original.save(formats, folder.path()).unwrap();
        let want = free_run(&mut Rig::of(original, formats), &golden);

        let saved = Checkpoint::open(folder.path()).unwrap();
        assert_eq!(saved.saved_in(), Some((formats.backbone, formats.flow)));
        // Whatever is asked for, the layers are what they were saved as.
        let other = match format {
            Format::F32 => Format::F32,
            Format::Bf16 => Format::Q8,
            _ => Format::Bf16,
        };
        let asked = Formats {
            backbone: other,
            flow: other,
            ..formats
        };
        assert_eq!(saved.formats(asked).backbone, formats.backbone);
        assert!(saved.has_encoder(None).unwrap());
        let names = saved.config().voices.clone();
        let voices = Voices::new(folder.path(), &names, saved.config().backbone.dim, None);
        for name in &names {
            voices.rows(name).unwrap();
        }
        assert!(
            free_run(&mut Rig::of(saved, asked), &golden) == want,
            "{format}"
        );
    }
}

#[test]
fn a_copy_of_a_copy_is_the_copy_and_a_cut_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (once, twice) = (folder.path().join("1"), folder.path().join("2"));
    let formats = Formats::new(Format::Q8);
    Checkpoint::open(&directory())
        .unwrap()
        .save(formats, &once)
        .unwrap();
    let again = Checkpoint::open(&once).unwrap();
    again.save(Formats::new(Format::F32), &twice).unwrap();
    let file = |folder: &std::path::Path| fs::read(folder.join("voiced.safetensors")).unwrap();
    let sizes = (file(&once).len(), file(&twice).len());
    assert_eq!(
        Checkpoint::open(&twice).unwrap().saved_in(),
        again.saved_in()
    );
    assert_eq!(sizes.0, sizes.1);
    fs::write(
        once.join("voiced.safetensors"),
        &file(&twice)[..sizes.0 - 100],
    )
    .unwrap();
    let refused = Checkpoint::open(&once).err().unwrap().to_string();
    assert!(refused.contains("truncated"), "{refused}");
    let nowhere = again
        .save(formats, std::path::Path::new("/proc/none"))
        .unwrap_err();
    assert!(nowhere.to_string().starts_with("cannot write"), "{nowhere}");
}
