//! Golden data; shared by the golden tests.
#![allow(clippy::unwrap_used, clippy::print_stdout, dead_code)]
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use candle_core::{Device, Tensor};
use voiced_nn::{kv_cache::CacheFormat, matrix::Format};
use voiced_tts::{
    codec::{CodecDecoder, Frame},
    voxtral::{Ask, Caches, Checkpoint, Config, Formats, Reading, Voxtral},
};

pub fn directory() -> PathBuf {
    std::env::var_os("VOICED_GOLDEN_TTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden"),
        PathBuf::from,
    )
}

/// What the reference computed.
pub struct Golden {
    tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Golden {
    pub fn open() -> Golden {
        let bytes = std::fs::read(directory().join("golden.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let values = |view: &safetensors::tensor::TensorView<'_>| -> Vec<f32> {
            let data = view.data();
            let fours = || data.as_chunks::<4>().0.iter();
            match view.dtype() {
                safetensors::Dtype::F32 => fours().map(|b| f32::from_le_bytes(*b)).collect(),
                safetensors::Dtype::I32 => fours().map(|b| i32::from_le_bytes(*b) as f32).collect(),
                safetensors::Dtype::BF16 => {
                    let twos = data.as_chunks::<2>().0.iter();
                    twos.map(|b| half::bf16::from_le_bytes(*b).to_f32())
                        .collect()
                }
                other => panic!("golden data of type {other:?}"),
            }
        };
        let tensors = file
            .iter()
            .map(|(name, view)| (name.to_owned(), (view.shape().to_vec(), values(&view))));
        Golden {
            tensors: tensors.collect(),
        }
    }

    pub fn values(&self, name: &str) -> &[f32] {
        let found = self.tensors.get(name);
        &found
            .unwrap_or_else(|| panic!("no {name} in the golden data"))
            .1
    }

    pub fn shape(&self, name: &str) -> &[usize] {
        &self.tensors[name].0
    }

    pub fn ids(&self, name: &str) -> Vec<u32> {
        self.values(name).iter().map(|v| *v as u32).collect()
    }

    /// A tensor of two axes.
    pub fn rows(&self, name: &str) -> Tensor {
        let (shape, values) = &self.tensors[name];
        Tensor::from_vec(values.clone(), (shape[0], shape[1]), &Device::Cpu).unwrap()
    }

    pub fn frames(&self, name: &str) -> Vec<Frame> {
        let width = self.shape(name)[1];
        let codes = self.values(name).chunks_exact(width);
        codes
            .map(|row| Frame(row.iter().map(|c| *c as u16).collect()))
            .collect()
    }

    pub fn requests(&self) -> usize {
        (0..)
            .take_while(|i| self.tensors.contains_key(&format!("req{i}.codes")))
            .count()
    }

    pub fn request(&self, i: usize) -> Request {
        let name = |what: &str| format!("req{i}.{what}");
        let width = self.shape(&name("noise"))[1];
        let mut codes = self.frames(&name("codes"));
        // The last row is what ends the speech.
        assert_eq!(codes.pop().unwrap().0[0], 1);
        Request {
            ids: self.ids(&name("prompt_ids")),
            voice: self.rows(&name("voice")),
            noise: self
                .values(&name("noise"))
                .chunks_exact(width)
                .map(<[f32]>::to_vec)
                .collect(),
            guidance: self.values(&name("cfg_alpha"))[0],
            codes,
        }
    }
}

pub struct Request {
    pub ids: Vec<u32>,
    pub voice: Tensor,
    pub noise: Vec<Vec<f32>>,
    pub guidance: f32,
    pub codes: Vec<Frame>,
}

impl Request {
    pub fn ask(&self, frame: usize) -> Ask {
        Ask {
            noise: self.noise[frame].clone(),
            guidance: self.guidance,
            may_end: true,
        }
    }
}

/// A model and memory for its rows.
pub struct Rig {
    pub model: Voxtral,
    pub caches: Caches,
    pub codec: CodecDecoder,
}

pub const CONTEXT: usize = 256;

impl Rig {
    pub fn open(format: Format) -> Rig {
        let checkpoint = Checkpoint::open(&directory()).unwrap();
        Rig::of(checkpoint, Formats::new(format))
    }

    pub fn of(checkpoint: Checkpoint, formats: Formats) -> Rig {
        let codec = checkpoint.codec(formats).unwrap();
        let model = checkpoint.load(formats).unwrap();
        let cache = match formats.backbone {
            Format::F32 => CacheFormat::F32,
            _ => CacheFormat::Bf16,
        };
        let caches = Caches::new(model.config(), 4, CONTEXT, 64, cache).unwrap();
        Rig {
            model,
            caches,
            codec,
        }
    }

    pub fn config(&self) -> &Config {
        self.model.config()
    }

    /// Reads a prompt into a slot, `together` positions at a time.
    pub fn prefill(&mut self, slot: usize, rows: &Tensor, together: usize) -> Tensor {
        let count = rows.dim(0).unwrap();
        let mut hidden = None;
        for position in (0..count).step_by(together) {
            let some = rows
                .narrow(0, position, together.min(count - position))
                .unwrap();
            let reading = Reading {
                slot,
                position: position as u64,
                rows: some,
            };
            hidden = Some(self.model.read(&mut self.caches, &[reading], None).unwrap());
        }
        hidden.unwrap()
    }
}

pub fn flat(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
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
