//! Every tensor of the model: name in either naming, and shape.
use voiced_nn::weights::{Wanted, Weights};

use super::config::{Config, Naming, STACKED, Stack};
use crate::mel::BINS;

/// Where Mistral's naming keeps what concerns audio.
const MM: &str = "mm_streams_embeddings.embedding_module";

/// Width of the small network that turns the delay into scales.
pub(super) const DELAY_WIDTH: usize = 32;

/// Tensors that are not of a layer. Names as in [`Names::global`].
const GLOBALS: [(&str, &str, &str); 9] = [
    (
        "embedding",
        "{MM}.tok_embeddings.weight",
        "language_model.model.embed_tokens.weight",
    ),
    ("norm", "norm.weight", "language_model.model.norm.weight"),
    (
        "adapter.0",
        "{MM}.audio_language_projection.0.weight",
        "multi_modal_projector.linear_1.weight",
    ),
    (
        "adapter.1",
        "{MM}.audio_language_projection.2.weight",
        "multi_modal_projector.linear_2.weight",
    ),
    (
        "conv.0.weight",
        "{MM}.whisper_encoder.conv_layers.0.conv.weight",
        "audio_tower.embedder.conv1.weight",
    ),
    (
        "conv.0.bias",
        "{MM}.whisper_encoder.conv_layers.0.conv.bias",
        "audio_tower.embedder.conv1.bias",
    ),
    (
        "conv.1.weight",
        "{MM}.whisper_encoder.conv_layers.1.conv.weight",
        "audio_tower.embedder.conv2.weight",
    ),
    (
        "conv.1.bias",
        "{MM}.whisper_encoder.conv_layers.1.conv.bias",
        "audio_tower.embedder.conv2.bias",
    ),
    (
        "encoder.norm",
        "{MM}.whisper_encoder.transformer.norm.weight",
        "audio_tower.norm.weight",
    ),
];

/// Tensors of a layer in Mistral's naming, then the encoder's and the decoder's in the other.
/// The encoder's `final_layer_norm` is, misleadingly, the norm before the feed-forward network.
const LAYERS: [(&str, &str, &str); 14] = [
    (
        "attention_norm.weight",
        "self_attn_layer_norm.weight",
        "input_layernorm.weight",
    ),
    (
        "attention.wq.weight",
        "self_attn.q_proj.weight",
        "self_attn.q_proj.weight",
    ),
    ("attention.wq.bias", "self_attn.q_proj.bias", ""),
    (
        "attention.wk.weight",
        "self_attn.k_proj.weight",
        "self_attn.k_proj.weight",
    ),
    (
        "attention.wv.weight",
        "self_attn.v_proj.weight",
        "self_attn.v_proj.weight",
    ),
    ("attention.wv.bias", "self_attn.v_proj.bias", ""),
    (
        "attention.wo.weight",
        "self_attn.o_proj.weight",
        "self_attn.o_proj.weight",
    ),
    ("attention.wo.bias", "self_attn.o_proj.bias", ""),
    (
        "ffn_norm.weight",
        "final_layer_norm.weight",
        "post_attention_layernorm.weight",
    ),
    (
        "feed_forward.w1.weight",
        "mlp.gate_proj.weight",
        "mlp.gate_proj.weight",
    ),
    (
        "feed_forward.w2.weight",
        "mlp.down_proj.weight",
        "mlp.down_proj.weight",
    ),
    ("feed_forward.w2.bias", "mlp.down_proj.bias", ""),
    (
        "feed_forward.w3.weight",
        "mlp.up_proj.weight",
        "mlp.up_proj.weight",
    ),
    ("ada_rms_norm_t_cond", "", "ada_rms_norm"),
];

/// Which stack a layer is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Encoder,
    Decoder,
}

/// Names of tensors in a checkpoint.
#[derive(Clone, Copy)]
pub(super) struct Names(pub Naming);

impl Names {
    pub fn global(self, name: &str) -> String {
        let entry = GLOBALS.iter().find(|e| e.0 == name);
        let (_, mistral, hf) = entry.unwrap_or_else(|| panic!("no tensor is called {name}"));
        match self.0 {
            Naming::Mistral => mistral.replace("{MM}", MM),
            Naming::HuggingFace => (*hf).to_owned(),
        }
    }

    /// A tensor of a layer by Mistral's name.
    pub fn layer(self, part: Part, layer: usize, name: &str) -> String {
        let entry = LAYERS.iter().find(|e| e.0 == name);
        let (mistral, encoder, decoder) =
            entry.unwrap_or_else(|| panic!("no tensor of a layer is called {name}"));
        match (self.0, part) {
            (Naming::Mistral, Part::Encoder) => {
                format!("{MM}.whisper_encoder.transformer.layers.{layer}.{mistral}")
            }
            (Naming::Mistral, Part::Decoder) => format!("layers.{layer}.{mistral}"),
            (Naming::HuggingFace, Part::Encoder) => format!("audio_tower.layers.{layer}.{encoder}"),
            (Naming::HuggingFace, Part::Decoder) => {
                format!("language_model.model.layers.{layer}.{decoder}")
            }
        }
    }

    /// The two matrices of the delay network.
    pub fn delay(self, layer: usize) -> [String; 2] {
        let base = self.layer(Part::Decoder, layer, "ada_rms_norm_t_cond");
        match self.0 {
            Naming::Mistral => [format!("{base}.0.weight"), format!("{base}.2.weight")],
            Naming::HuggingFace => [
                format!("{base}.linear1.weight"),
                format!("{base}.linear2.weight"),
            ],
        }
    }

    /// Everything the model of these sizes consists of.
    pub fn wanted(self, config: &Config) -> Vec<Wanted> {
        let (enc, dec) = (&config.encoder, &config.decoder);
        let global = |name: &str, shape: &[usize]| Wanted::new(self.global(name), shape);
        let mut all = vec![
            global("embedding", &[config.vocab, dec.dim]),
            global("norm", &[dec.dim]),
            global("adapter.0", &[dec.dim, enc.dim * STACKED]),
            global("adapter.1", &[dec.dim, dec.dim]),
            global("conv.0.weight", &[enc.dim, BINS, 3]),
            global("conv.0.bias", &[enc.dim]),
            global("conv.1.weight", &[enc.dim, enc.dim, 3]),
            global("conv.1.bias", &[enc.dim]),
            global("encoder.norm", &[enc.dim]),
        ];
        for (part, stack) in [(Part::Encoder, enc), (Part::Decoder, dec)] {
            for layer in 0..stack.layers {
                self.layer_wanted(part, stack, layer, &mut all);
            }
        }
        all
    }

    fn layer_wanted(self, part: Part, stack: &Stack, layer: usize, all: &mut Vec<Wanted>) {
        let queries = stack.heads * stack.head_dim;
        let keys = stack.kv_heads * stack.head_dim;
        let mut want = |name: &str, shape: &[usize]| {
            all.push(Wanted::new(self.layer(part, layer, name), shape));
        };
        want("attention_norm.weight", &[stack.dim]);
        want("attention.wq.weight", &[queries, stack.dim]);
        want("attention.wk.weight", &[keys, stack.dim]);
        want("attention.wv.weight", &[keys, stack.dim]);
        want("attention.wo.weight", &[stack.dim, queries]);
        want("ffn_norm.weight", &[stack.dim]);
        want("feed_forward.w1.weight", &[stack.ffn, stack.dim]);
        want("feed_forward.w2.weight", &[stack.dim, stack.ffn]);
        want("feed_forward.w3.weight", &[stack.ffn, stack.dim]);
        match part {
            // Keys, the gate and the way up have no bias.
            Part::Encoder => {
                want("attention.wq.bias", &[queries]);
                want("attention.wv.bias", &[keys]);
                want("attention.wo.bias", &[stack.dim]);
                want("feed_forward.w2.bias", &[stack.dim]);
            }
            Part::Decoder => {
                let [down, up] = self.delay(layer);
                all.push(Wanted::new(down, &[DELAY_WIDTH, stack.dim]));
                all.push(Wanted::new(up, &[stack.dim, DELAY_WIDTH]));
            }
        }
    }
}

/// Whether a file is named the other way: then its configuration was taken from the wrong file.
pub(super) fn named_as(weights: &Weights) -> Option<Naming> {
    let has = |part: &str| weights.names().any(|name| name.contains(part));
    match (has("mm_streams_embeddings."), has("audio_tower.")) {
        (true, false) => Some(Naming::Mistral),
        (false, true) => Some(Naming::HuggingFace),
        _ => None,
    }
}

/// Newer transformers write `model.language_model.…` for `language_model.model.…`, and the tied
/// output matrix beside the embedding.
pub(super) fn accept_newer_names(weights: &mut Weights) {
    weights.rename(|name| {
        let inner = name.strip_prefix("model.")?;
        match inner.strip_prefix("language_model.") {
            Some(rest) => Some(format!("language_model.model.{rest}")),
            None => Some(inner.to_owned()),
        }
    });
    weights.ignore("lm_head.weight");
    weights.ignore("language_model.lm_head.weight");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_model_has_711_tensors_and_4_4_billion_values() {
        for naming in [Naming::Mistral, Naming::HuggingFace] {
            let config = Config {
                naming,
                ..Config::published()
            };
            let all = Names(naming).wanted(&config);
            assert_eq!(all.len(), 711);
            let values: usize = all.iter().map(|w| w.shape.iter().product::<usize>()).sum();
            assert_eq!(values, 4_429_679_360);
            let mut names: Vec<&str> = all.iter().map(|w| w.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), 711);
        }
    }
}
