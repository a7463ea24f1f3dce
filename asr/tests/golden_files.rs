//! Wrong checkpoints each give one clear error, both generations of names are read, and a
//! quantised copy opens as what was saved.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use voiced_asr::voxtral::{Checkpoint, Formats, Naming, Stage};
use voiced_nn::{kv_cache::CacheFormat, matrix::Format};

#[path = "golden/support.rs"]
mod support;
use support::{Ear, Golden, fixtures, listen};

/// A copy of the golden checkpoint to break.
struct Copy(tempfile::TempDir);

impl Copy {
    fn of(files: &[&str]) -> Copy {
        let copy = Copy(tempfile::tempdir().unwrap());
        for file in files {
            fs::copy(fixtures().join(file), copy.0.path().join(file)).unwrap();
        }
        copy
    }

    fn mistral() -> Copy {
        Copy::of(&["consolidated.safetensors", "params.json", "tekken.json"])
    }

    fn hf() -> Copy {
        Copy::of(&["model.safetensors", "config.json", "tekken.json"])
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{from:?} is not in {file}");
        fs::write(self.path(file), text.replace(from, to)).unwrap();
    }

    /// Writes the weights again with other names or types.
    fn rewrite(&self, file: &str, change: impl Fn(&str, Dtype) -> Option<(String, Dtype)>) {
        let bytes = fs::read(self.path(file)).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let mut changed: HashMap<String, TensorView<'_>> = HashMap::new();
        for (name, view) in tensors.iter() {
            if let Some((name, dtype)) = change(name, view.dtype()) {
                let view = TensorView::new(dtype, view.shape().to_vec(), view.data()).unwrap();
                changed.insert(name, view);
            }
        }
        let bytes = safetensors::serialize(changed, None).unwrap();
        fs::write(self.path(file), bytes).unwrap();
    }

    fn error(&self) -> String {
        let Err(error) = Checkpoint::open(self.0.path()) else {
            panic!("this checkpoint is wrong");
        };
        let text = error.to_string();
        println!("{text}");
        assert!(!text.contains('\n'), "one message: {text}");
        text
    }
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn sound_copies_open() {
    for (copy, naming) in [
        (Copy::mistral(), Naming::Mistral),
        (Copy::hf(), Naming::HuggingFace),
    ] {
        let checkpoint = Checkpoint::open(copy.0.path()).unwrap();
        assert_eq!(checkpoint.config().naming, naming);
    }
}

#[test]
fn a_truncated_file() {
    let copy = Copy::mistral();
    let path = copy.path("consolidated.safetensors");
    let whole = fs::read(&path).unwrap();
    for keep in [whole.len() - 7, whole.len() / 2, 3000, 4, 0] {
        fs::write(&path, &whole[..keep]).unwrap();
        let error = copy.error();
        has(&error, &["consolidated.safetensors"]);
        assert!(error.contains("truncated") || keep == 0, "{error}");
    }
}

#[test]
fn a_wrong_type() {
    let copy = Copy::mistral();
    copy.rewrite("consolidated.safetensors", |name, dtype| {
        let wrong = name == "layers.1.feed_forward.w2.weight";
        Some((name.to_owned(), if wrong { Dtype::I16 } else { dtype }))
    });
    has(
        &copy.error(),
        &[
            "1 of a wrong type",
            "layers.1.feed_forward.w2.weight is I16",
        ],
    );
}

#[test]
fn one_naming_s_weights_with_the_other_s_configuration() {
    let copy = Copy::of(&["params.json", "tekken.json"]);
    fs::copy(
        fixtures().join("model.safetensors"),
        copy.path("consolidated.safetensors"),
    )
    .unwrap();
    has(
        &copy.error(),
        &[
            "names its tensors as Hugging Face does",
            "params.json is Mistral's",
        ],
    );
    let copy = Copy::of(&["config.json", "tekken.json"]);
    fs::copy(
        fixtures().join("consolidated.safetensors"),
        copy.path("model.safetensors"),
    )
    .unwrap();
    has(
        &copy.error(),
        &[
            "names its tensors as Mistral does",
            "config.json is Hugging Face's",
        ],
    );
}

#[test]
fn no_tokenizer_and_another_model_s() {
    let copy = Copy::mistral();
    fs::remove_file(copy.path("tekken.json")).unwrap();
    has(&copy.error(), &["no tekken.json"]);
    let copy = Copy::mistral();
    copy.edit("tekken.json", "[STREAMING_WORD]", "[OTHER]");
    has(&copy.error(), &["tekken.json", "[STREAMING_WORD]"]);
    let copy = Copy::mistral();
    copy.edit(
        "tekken.json",
        "\"default_vocab_size\": 1280",
        "\"default_vocab_size\": 1270",
    );
    has(&copy.error(), &["1270 tokens where params.json says 1280"]);
    let copy = Copy::mistral();
    fs::write(copy.path("tekken.json"), "{").unwrap();
    has(&copy.error(), &["tekken.json"]);
}

#[test]
fn another_model() {
    let copy = Copy::mistral();
    copy.edit("params.json", "\"multimodal\"", "\"nothing\"");
    has(
        &copy.error(),
        &[
            "params.json",
            "not a Voxtral Realtime model",
            "audio encoder",
        ],
    );
    let copy = Copy::mistral();
    copy.edit(
        "params.json",
        "\"ada_rms_norm_t_cond\": true",
        "\"ada_rms_norm_t_cond\": false",
    );
    has(&copy.error(), &["ada_rms_norm_t_cond"]);
    let copy = Copy::hf();
    copy.edit("config.json", "\"voxtral_realtime\"", "\"voxtral\"");
    has(
        &copy.error(),
        &["config.json", "not a Voxtral Realtime model"],
    );
    let copy = Copy::mistral();
    copy.edit("params.json", "\"n_layers\"", "\"layers\"");
    has(&copy.error(), &["params.json", "n_layers"]);
}

#[test]
fn other_sizes_and_missing_and_left_over_tensors_together() {
    let copy = Copy::mistral();
    copy.edit("params.json", "\"hidden_dim\": 112", "\"hidden_dim\": 128");
    copy.rewrite("consolidated.safetensors", |name, dtype| match name {
        "norm.weight" => None,
        "layers.0.attention.wo.weight" => Some(("layers.0.attention.w0.weight".to_owned(), dtype)),
        _ => Some((name.to_owned(), dtype)),
    });
    let error = copy.error();
    has(
        &error,
        &["2 missing", "norm.weight", "layers.0.attention.wo.weight"],
    );
    has(
        &error,
        &["1 unexpected: layers.0.attention.w0.weight", "6 misshapen"],
    );
    has(
        &error,
        &["layers.0.feed_forward.w1.weight is [112, 64] and not [128, 64]"],
    );
}

#[test]
fn nothing_there() {
    let empty = Copy::of(&[]);
    has(
        &empty.error(),
        &["holds nothing", "consolidated.safetensors with params.json"],
    );
    let half = Copy::of(&["params.json", "model.safetensors"]);
    has(
        &half.error(),
        &["params.json", "model.safetensors", "expected"],
    );
    let Err(error) = Checkpoint::open(Path::new("/nowhere")) else {
        panic!("nothing is there");
    };
    has(&error.to_string(), &["/nowhere"]);
}

#[test]
fn names_of_newer_transformers() {
    let copy = Copy::hf();
    copy.rewrite("model.safetensors", |name, dtype| {
        let newer = match name.strip_prefix("language_model.model.") {
            Some(rest) => format!("model.language_model.{rest}"),
            None => format!("model.{name}"),
        };
        Some((newer, dtype))
    });
    let golden = Golden::of(fixtures());
    let mut checkpoint = Checkpoint::open(copy.0.path()).unwrap();
    let mut ear = Ear::of(&mut checkpoint, Formats::new(Format::F32), CacheFormat::F32);
    let heard = listen(&mut ear, 6, &golden.padded(6), &[usize::MAX], 4);
    assert_eq!(heard.ids, golden.ids("d6.generated_ids"));
}

#[test]
fn a_saved_copy_is_what_was_saved() {
    let golden = Golden::of(fixtures());
    for naming in support::NAMINGS {
        for format in [Format::Bf16, Format::Q8, Format::Q4] {
            let mut original = Checkpoint::open_as(&fixtures(), naming).unwrap();
            let folder = tempfile::tempdir().unwrap();
            original.save(Formats::new(format), folder.path()).unwrap();
            let mut saved = Checkpoint::open(folder.path()).unwrap();
            assert_eq!(saved.config(), original.config());
            let mut a = Ear::of(&mut original, Formats::new(format), CacheFormat::Bf16);
            // A saved copy knows its formats; what is asked for is for files that do not.
            let mut b = Ear::of(&mut saved, Formats::new(Format::F32), CacheFormat::Bf16);
            assert_eq!(a.model.weight_bytes(), b.model.weight_bytes());
            let audio = golden.padded(6);
            let a = listen(&mut a, 6, &audio, &[usize::MAX], 4);
            let b = listen(&mut b, 6, &audio, &[usize::MAX], 4);
            assert_eq!(
                a.stages[&Stage::Logits],
                b.stages[&Stage::Logits],
                "{format}"
            );
        }
    }
}

/// bf16 loses nothing of a bf16 checkpoint's weights, and 16 bits of the activations are as good as
/// all of them; integers lose little, and less with more bits. The
/// audio is the same, so stages before the first token are comparable; tokens may differ.
#[test]
fn formats_lose_what_they_may() {
    let golden = Golden::of(fixtures());
    let run = |format, cache| {
        let mut checkpoint = Checkpoint::open(&fixtures()).unwrap();
        let mut ear = Ear::of(&mut checkpoint, Formats::new(format), cache);
        listen(&mut ear, 6, &golden.padded(6), &[usize::MAX], 1)
    };
    let exact = run(Format::F32, CacheFormat::F32);
    let bf16 = run(Format::Bf16, CacheFormat::F32);
    assert_eq!(exact.ids, bf16.ids);
    let vocab = 1280;
    let worst = |heard: &support::Heard, stage: Stage, count: usize| {
        let (got, want) = (&heard.stages[&stage], &exact.stages[&stage]);
        let mut error = 0f64;
        let mut power = 0f64;
        for (g, w) in got.iter().zip(want).take(count.min(want.len())) {
            error += f64::from(g - w).powi(2);
            power += f64::from(*w).powi(2);
        }
        (error / power).sqrt()
    };
    for (format, cache, audio, first) in [
        (Format::Bf16, CacheFormat::Bf16, 0.01, 0.02),
        (Format::Q8, CacheFormat::Bf16, 0.05, 0.1),
        (Format::Q4, CacheFormat::Bf16, 0.05, 0.3),
    ] {
        let heard = run(format, cache);
        let adapter = worst(&heard, Stage::Adapter, usize::MAX);
        let logits = worst(&heard, Stage::Logits, vocab);
        println!("{format}: adapter {adapter:.4}, first logits {logits:.4}");
        assert!(
            adapter < audio && logits < first,
            "{format}: {adapter}, {logits}"
        );
    }
    assert!(worst(&bf16, Stage::Adapter, usize::MAX) < 2e-5);
    assert!(worst(&bf16, Stage::Logits, usize::MAX) < 2e-5);
}
