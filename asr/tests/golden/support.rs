//! Golden data and a session that records what it computes; shared by the golden tests.
#![allow(clippy::unwrap_used, dead_code)]
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use voiced_asr::voxtral::{Caches, Checkpoint, Control, Formats, Naming, Row, Stage, Voxtral};
use voiced_nn::{kv_cache::CacheFormat, tekken::Tekken};

pub const NAMINGS: [Naming; 2] = [Naming::Mistral, Naming::HuggingFace];
/// Chunk sizes that fit nothing.
pub const ODD: [usize; 7] = [1, 137, 1280, 999, 4096, 40, 3001];

/// The checkpoint and golden data that lie beside the tests.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Those to compare with.
pub fn directory() -> PathBuf {
    std::env::var_os("VOICED_GOLDEN_ASR").map_or_else(fixtures, PathBuf::from)
}

/// What the reference computed.
pub struct Golden {
    pub directory: PathBuf,
    tensors: HashMap<String, Vec<f32>>,
}

impl Golden {
    pub fn open() -> Golden {
        Golden::of(directory())
    }

    pub fn of(directory: PathBuf) -> Golden {
        let bytes = std::fs::read(directory.join("golden.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let values = |view: &safetensors::tensor::TensorView<'_>| -> Vec<f32> {
            let data = view.data();
            let fours = || data.as_chunks::<4>().0.iter();
            match view.dtype() {
                safetensors::Dtype::F32 => fours().map(|b| f32::from_le_bytes(*b)).collect(),
                safetensors::Dtype::I32 => fours().map(|b| i32::from_le_bytes(*b) as f32).collect(),
                safetensors::Dtype::I16 => {
                    let twos = data.as_chunks::<2>().0.iter();
                    twos.map(|b| f32::from(i16::from_le_bytes(*b))).collect()
                }
                other => panic!("golden data of type {other:?}"),
            }
        };
        let tensors = file
            .iter()
            .map(|(name, view)| (name.to_owned(), values(&view)));
        Golden {
            tensors: tensors.collect(),
            directory,
        }
    }

    pub fn find(&self, name: &str) -> Option<&[f32]> {
        self.tensors.get(name).map(Vec::as_slice)
    }

    pub fn values(&self, name: &str) -> &[f32] {
        self.find(name)
            .unwrap_or_else(|| panic!("no {name} in the golden data"))
    }

    pub fn ids(&self, name: &str) -> Vec<u32> {
        self.values(name).iter().map(|v| *v as u32).collect()
    }

    /// The delays that were run, in positions.
    pub fn delays(&self) -> Vec<usize> {
        let delay = |name: &String| {
            let number = name.strip_prefix('d')?.strip_suffix(".generated_ids")?;
            number.parse().ok()
        };
        let mut delays: Vec<usize> = self.tensors.keys().filter_map(delay).collect();
        delays.sort_unstable();
        delays
    }

    /// The clip, aligned to positions and followed by the silence a file ends with.
    pub fn padded(&self, delay: usize) -> Vec<f32> {
        let pcm = self.values("audio.pcm_s16");
        let mut audio: Vec<f32> = pcm.iter().map(|s| s / 32_768.0).collect();
        let aligned = audio.len().next_multiple_of(1280);
        audio.resize(aligned + (delay + 11) * 1280 + 40, 0.0);
        audio
    }
}

/// A model and memory for its sessions.
pub struct Ear {
    pub model: Voxtral,
    pub caches: Caches,
    pub control: Control,
    pub tekken: Tekken,
}

/// Most positions the tests take in one step.
const TOGETHER: usize = 8;

impl Ear {
    pub fn open(naming: Naming, formats: Formats, cache: CacheFormat) -> Ear {
        let mut checkpoint = Checkpoint::open_as(&directory(), naming).unwrap();
        Ear::of(&mut checkpoint, formats, cache)
    }

    pub fn of(checkpoint: &mut Checkpoint, formats: Formats, cache: CacheFormat) -> Ear {
        let model = checkpoint.load(formats).unwrap();
        Ear {
            caches: Caches::new(model.config(), 2, TOGETHER, cache).unwrap(),
            control: checkpoint.control(),
            tekken: checkpoint.take_tekken().unwrap(),
            model,
        }
    }

    pub fn row(&self, delay: usize) -> Row {
        Row::new(&self.model, delay).unwrap()
    }

    /// Computes all a row has audio for, greedily, and gives the ids it chose.
    pub fn run(&mut self, slot: usize, row: &mut Row, together: usize) -> Vec<u32> {
        self.traced(slot, row, together, &mut |_, _| {})
    }

    fn traced(
        &mut self,
        slot: usize,
        row: &mut Row,
        together: usize,
        see: &mut dyn FnMut(Stage, &[f32]),
    ) -> Vec<u32> {
        let mut trace = |stage: Stage, x: &candle_core::Tensor| {
            let values: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
            see(stage, &values);
        };
        let mut ids = Vec::new();
        loop {
            let encodable = row.encodable().min(together);
            let decodable = row.decodable().min(together);
            if encodable > 0 {
                let mut work = [(slot, &mut *row, encodable)];
                let trace: voiced_asr::voxtral::Trace<'_> = &mut trace;
                self.model
                    .encode(&mut self.caches, &mut work, Some(trace))
                    .unwrap();
            } else if decodable > 0 {
                let mut work = [(slot, &mut *row, decodable)];
                let trace: voiced_asr::voxtral::Trace<'_> = &mut trace;
                let said = self
                    .model
                    .decode(&mut self.caches, &mut work, &self.control, Some(trace))
                    .unwrap();
                if let Some(logits) = &said[0].logits {
                    let id = greedy(&logits.to_vec1().unwrap());
                    row.choose(id);
                    ids.push(id);
                }
            } else {
                return ids;
            }
        }
    }
}

/// The likeliest token; the lowest id of equals.
pub fn greedy(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (i, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = i;
        }
    }
    best as u32
}

/// A session's ids and everything it computed, in order of time.
pub struct Heard {
    pub ids: Vec<u32>,
    pub stages: HashMap<Stage, Vec<f32>>,
}

/// A session over `audio` in chunks of these sizes, repeated.
pub fn listen(
    ear: &mut Ear,
    delay: usize,
    audio: &[f32],
    chunks: &[usize],
    together: usize,
) -> Heard {
    let mut row = ear.row(delay);
    let mut heard = Heard {
        ids: Vec::new(),
        stages: HashMap::new(),
    };
    let mut rest = audio;
    for size in chunks.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at(rest.len().min(*size));
        rest = after;
        row.push(&ear.model, chunk);
        let stages = &mut heard.stages;
        let ids = ear.traced(0, &mut row, together, &mut |stage, values| {
            stages.entry(stage).or_default().extend_from_slice(values);
        });
        heard.ids.extend(ids);
    }
    heard
}

/// Compares two tensors by their largest difference.
pub fn close(what: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{what}: sizes");
    let worst = got
        .iter()
        .zip(want)
        .map(|(a, b)| (a - b).abs())
        .fold(0f32, |m, d| {
            // A NaN must not pass for close.
            if d.is_nan() { f32::INFINITY } else { m.max(d) }
        });
    println!("{what}: largest difference {worst:.1e} of {tolerance:.0e}");
    assert!(
        worst <= tolerance,
        "{what}: {worst:e} is more than {tolerance:e}"
    );
}

#[test]
fn the_lowest_of_equals_is_chosen() {
    assert_eq!(greedy(&[1.0, 3.0, 3.0, 2.0]), 1);
}
