//! A small model that speaks: the golden checkpoint, with a vocabulary as large as that of the small
//! tokenizer, in a directory as published.
#![allow(clippy::unwrap_used)]
use std::{fs, path::Path};

use safetensors::tensor::{SafeTensors, TensorView, serialize_to_file};
use tempfile::TempDir;

const TEXT: &str = "mm_audio_embeddings.tok_embeddings.weight";
const HEAD: &str = "acoustic_transformer.semantic_codebook_output.weight";

/// Rows for the ids that the checkpoint lacks are those of other ids. Unless it `ends`, the end is
/// never likeliest.
pub fn directory(golden: &Path, ends: bool) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let tekken = fs::read(golden.join("tekken_mini.json")).unwrap();
    fs::write(at("tekken.json"), &tekken).unwrap();
    let tekken: serde_json::Value = serde_json::from_slice(&tekken).unwrap();
    let vocab = usize::try_from(tekken["config"]["default_vocab_size"].as_u64().unwrap()).unwrap();
    let params = fs::read_to_string(golden.join("params.json")).unwrap();
    let params = params.replace("\"vocab_size\": 1056", &format!("\"vocab_size\": {vocab}"));
    fs::write(at("params.json"), params).unwrap();
    fs::create_dir(at("voice_embedding")).unwrap();
    for name in ["tiny_a.pt", "tiny_b.pt"] {
        let file = Path::new("voice_embedding").join(name);
        fs::copy(golden.join(&file), directory.path().join(file)).unwrap();
    }
    let bytes = fs::read(golden.join("consolidated.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let few = file.tensor(TEXT).unwrap();
    let dim = few.shape()[1];
    let rows: Vec<u8> = few
        .data()
        .iter()
        .copied()
        .cycle()
        .take(vocab * dim * 2)
        .collect();
    let many = TensorView::new(few.dtype(), vec![vocab, dim], &rows).unwrap();
    let head = file.tensor(HEAD).unwrap();
    let mut endless = head.data().to_vec();
    // The row of the end: its logit is zero, and among many some are above.
    endless[dim * 2..2 * dim * 2].fill(0);
    let endless = TensorView::new(head.dtype(), head.shape().to_vec(), &endless).unwrap();
    let tensors = file.iter().map(|(name, view)| match name {
        TEXT => (name, many.clone()),
        HEAD if !ends => (name, endless.clone()),
        _ => (name, view),
    });
    serialize_to_file(tensors, None, &at("consolidated.safetensors")).unwrap();
    directory
}
