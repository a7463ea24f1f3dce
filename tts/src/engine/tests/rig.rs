//! A small engine and what its leases are given.
use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use voiced_nn::{matrix::Format, tekken::Tekken};

use super::super::*;
use crate::voxtral::{Checkpoint, Config, Formats};

/// The golden checkpoint with a vocabulary as large as that of the small tokenizer: rows for the
/// ids it lacks are those of other ids. Unless it `ends`, the end is never likeliest. A directory as published, opened as published.
pub(super) fn directory(ends: bool) -> tempfile::TempDir {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let tekken = Tekken::open(&golden.join("tekken_mini.json")).unwrap();
    let vocab = tekken.vocab_size();
    std::fs::copy(golden.join("tekken_mini.json"), at("tekken.json")).unwrap();
    let params = std::fs::read_to_string(golden.join("params.json")).unwrap();
    let params = params.replace("\"vocab_size\": 1056", &format!("\"vocab_size\": {vocab}"));
    std::fs::write(at("params.json"), params).unwrap();
    std::fs::create_dir(at("voice_embedding")).unwrap();
    for name in ["tiny_a.pt", "tiny_b.pt"] {
        let file = Path::new("voice_embedding").join(name);
        std::fs::copy(golden.join(&file), directory.path().join(file)).unwrap();
    }
    let bytes = std::fs::read(golden.join("consolidated.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    const TEXT: &str = "mm_audio_embeddings.tok_embeddings.weight";
    let few = file.tensor(TEXT).unwrap();
    let dim = few.shape()[1];
    let rows: Vec<u8> = few
        .data()
        .iter()
        .copied()
        .cycle()
        .take(vocab * dim * 2)
        .collect();
    let many = safetensors::tensor::TensorView::new(few.dtype(), vec![vocab, dim], &rows).unwrap();
    const HEAD: &str = "acoustic_transformer.semantic_codebook_output.weight";
    let head = file.tensor(HEAD).unwrap();
    let mut endless = head.data().to_vec();
    // The row of the end: its logit is zero, and among many some are above.
    endless[dim * 2..2 * dim * 2].fill(0);
    let endless =
        safetensors::tensor::TensorView::new(head.dtype(), head.shape().to_vec(), &endless);
    let endless = endless.unwrap();
    let tensors = file.iter().map(|(name, view)| match name {
        TEXT => (name, many.clone()),
        HEAD if !ends => (name, endless.clone()),
        _ => (name, view),
    });
    safetensors::tensor::serialize_to_file(tensors, None, &at("consolidated.safetensors")).unwrap();
    directory
}

pub(super) struct Rig {
    pub speaker: Speaker,
    pub now: Arc<AtomicU64>,
    _directory: tempfile::TempDir,
}

pub(super) fn options() -> Options {
    Options {
        rows: 3,
        voices_kept: 2,
        voice: "tiny_a".to_owned(),
        together: 16,
        ..Options::default()
    }
}

pub(super) fn rig_of(options: Options, format: Format) -> Rig {
    rig_in(directory(true), options, format)
}

/// A model that never ends by itself.
pub(super) fn endless(options: Options) -> Rig {
    rig_in(directory(false), options, Format::F32)
}

fn rig_in(directory: tempfile::TempDir, options: Options, format: Format) -> Rig {
    let checkpoint = Checkpoint::open(directory.path()).unwrap();
    let formats = Formats::new(format);
    let config: Config = checkpoint.config().clone();
    let voices = Voices::new(directory.path(), &config.voices, config.backbone.dim, None);
    let parts = Parts {
        codec: checkpoint.codec(formats).unwrap(),
        prompt: checkpoint.prompt().unwrap(),
        voices: Arc::new(voices),
        normaliser: Normaliser::default(),
        model: checkpoint.load(formats).unwrap(),
    };
    let now = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&now);
    let clock: Clock = Box::new(move || Duration::from_millis(clock.load(SeqCst)));
    Rig {
        speaker: Speaker::with_clock(parts, options, clock).unwrap(),
        now,
        _directory: directory,
    }
}

pub(super) fn rig() -> Rig {
    rig_of(options(), Format::F32)
}

pub(super) fn line(text: &str, voice: &str) -> Line {
    Line {
        text: text.to_owned(),
        voice: Some(voice.to_owned()),
        speed: None,
    }
}

/// What a lease was given, in a form to be compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Heard {
    pub samples: Vec<f32>,
    pub words: Vec<(usize, Duration)>,
    pub ends: usize,
    /// Steps until the first sound.
    pub first: Option<usize>,
}

impl Rig {
    /// Steps with all rows ready until nothing is left; `when` is called before every step.
    pub fn run(&mut self, mut when: impl FnMut(&mut Speaker, usize)) -> BTreeMap<usize, Heard> {
        let heard: RefCell<BTreeMap<usize, Heard>> = RefCell::default();
        let rows = self.speaker.slots();
        for step in 0..20_000 {
            when(&mut self.speaker, step);
            let mut given = vec![0; rows];
            let progress = self.speaker.step(&vec![true; rows], &mut |slot, speech| {
                given[slot.0] += 1;
                let mut heard = heard.borrow_mut();
                let heard = heard.entry(slot.0).or_default();
                match speech {
                    Speech::Audio(frame) => {
                        assert!(frame.duration() <= Duration::from_millis(200));
                        assert!(frame.samples.iter().all(|s| (-1.0..=1.0).contains(s)));
                        heard.first.get_or_insert(step);
                        heard.samples.extend(&frame.samples);
                    }
                    Speech::Word { end, at } => heard.words.push((end, at)),
                    Speech::End => heard.ends += 1,
                }
            });
            assert!(given.iter().all(|n| *n <= 1), "one output a row and step");
            if progress.unwrap() == Progress::Idle {
                return heard.into_inner();
            }
        }
        panic!("it never ends");
    }

    pub fn say(&mut self, slot: usize, lines: &[Line]) {
        self.speaker.open(SlotId(slot));
        for line in lines {
            self.speaker.feed(SlotId(slot), line.clone()).unwrap();
        }
    }

    /// What a fresh engine says.
    pub fn alone(format: Format, lines: &[Line]) -> Heard {
        let mut rig = rig_of(options(), format);
        rig.say(0, lines);
        let mut heard = rig.run(|_, _| {}).remove(&0).unwrap();
        heard.first = None;
        heard
    }
}
