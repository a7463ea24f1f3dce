//! Every tensor of backbone and flow: name and shape. The codec names its own.
use voiced_nn::weights::Wanted;

use super::config::{Config, Stack};
use crate::codec::decoder_wanted;

/// Text embeddings.
pub(super) const TEXT: &str = "mm_audio_embeddings.tok_embeddings.weight";
/// Audio embeddings: one table for all codebooks.
pub(super) const AUDIO: &str = "mm_audio_embeddings.audio_codebook_embeddings.embeddings.weight";
pub(super) const NORM: &str = "norm.weight";

/// A tensor of the flow by its last name.
pub(super) fn flow(name: &str) -> String {
    format!("acoustic_transformer.{name}.weight")
}

/// What the names of a layer begin with.
pub(super) fn layer(of_flow: bool, layer: usize) -> String {
    let stack = if of_flow { "acoustic_transformer." } else { "" };
    format!("{stack}layers.{layer}")
}

/// Everything in the published file.
pub(super) fn wanted(config: &Config) -> Vec<Wanted> {
    let dim = config.backbone.dim;
    let acoustic = config.codec.acoustic;
    let mut all = vec![
        Wanted::new(TEXT, &[config.vocab, dim]),
        Wanted::new(AUDIO, &[config.audio_rows(), dim]),
        Wanted::new(NORM, &[dim]),
        Wanted::new(flow("input_projection"), &[dim, acoustic]),
        Wanted::new(flow("time_projection"), &[dim, dim]),
        Wanted::new(flow("llm_projection"), &[dim, dim]),
        Wanted::new(
            flow("semantic_codebook_output"),
            &[config.semantic_rows(), dim],
        ),
        Wanted::new(flow("acoustic_codebook_output"), &[acoustic, dim]),
        Wanted::new(flow("norm"), &[dim]),
    ];
    for (of_flow, stack) in [(false, &config.backbone), (true, &config.flow)] {
        for i in 0..stack.layers {
            layer_wanted(&layer(of_flow, i), stack, &mut all);
        }
    }
    all.extend(decoder_wanted(&config.codec));
    all
}

fn layer_wanted(at: &str, stack: &Stack, all: &mut Vec<Wanted>) {
    let queries = stack.heads * stack.head_dim;
    let keys = stack.kv_heads * stack.head_dim;
    let mut want = |name: &str, shape: &[usize]| {
        all.push(Wanted::new(format!("{at}.{name}.weight"), shape));
    };
    want("attention_norm", &[stack.dim]);
    want("attention.wq", &[queries, stack.dim]);
    want("attention.wk", &[keys, stack.dim]);
    want("attention.wv", &[keys, stack.dim]);
    want("attention.wo", &[stack.dim, queries]);
    want("ffn_norm", &[stack.dim]);
    want("feed_forward.w1", &[stack.ffn, stack.dim]);
    want("feed_forward.w2", &[stack.dim, stack.ffn]);
    want("feed_forward.w3", &[stack.ffn, stack.dim]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encoder_wanted;

    fn values(all: &[Wanted]) -> usize {
        all.iter().map(|w| w.shape.iter().product::<usize>()).sum()
    }

    #[test]
    fn the_published_model_has_386_tensors_and_4_billion_values() {
        let config = Config::published();
        let all = wanted(&config);
        assert_eq!(all.len(), 386);
        assert_eq!(values(&all), 4_002_353_392);
        let encoder = encoder_wanted(&config.codec);
        assert_eq!(encoder.len(), 114);
        assert_eq!(values(&encoder), 149_471_524);
    }
}
