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

use voiced_nn::matrix::Format;

use super::super::*;
use crate::voxtral::{Checkpoint, Config, Formats};

#[path = "../../../tests/support/small_checkpoint.rs"]
mod small_checkpoint;

pub(super) fn directory(ends: bool) -> tempfile::TempDir {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    small_checkpoint::directory(&golden, ends)
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
