//! Sizes of the model, from `params.json`.
//!
//! What the published file does not state has its published default here: 7 steps of the flow, its
//! epsilon, and the shape of the encoder that is not published.
use serde::Deserialize;
use voiced_nn::{attention::Heads, rope::RopeLayout};

use crate::codec::{CodecConfig, StageConfig};

/// Sizes of a stack of layers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stack {
    /// Width of the residual stream.
    pub dim: usize,
    /// Layers.
    pub layers: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Channels of a head; heads times this need not be `dim`.
    pub head_dim: usize,
    /// Width of the feed-forward network.
    pub ffn: usize,
    /// Of the norms.
    pub eps: f64,
}

impl Stack {
    /// Causal attention of its layers over `window` positions.
    pub fn attention(&self, window: usize) -> Heads {
        Heads {
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            window,
            layout: RopeLayout::Interleaved,
        }
    }

    fn check(&self, of: &str) -> Result<(), String> {
        let sizes = [
            self.dim,
            self.layers,
            self.heads,
            self.kv_heads,
            self.head_dim,
            self.ffn,
        ];
        let odd = self.head_dim % 2 == 1 || self.dim % 2 == 1;
        if sizes.contains(&0) || !self.heads.is_multiple_of(self.kv_heads) || odd {
            return Err(format!("impossible sizes of the {of}: {self:?}"));
        }
        Ok(())
    }
}

/// Sizes and constants of Voxtral TTS.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The text and audio decoder.
    pub backbone: Stack,
    /// Base of its rotary angles.
    pub theta: f64,
    /// Text ids it knows.
    pub vocab: usize,
    /// The transformer of the flow: no positions and no mask over its three tokens.
    pub flow: Stack,
    /// Euler steps.
    pub steps: usize,
    /// The codec.
    pub codec: CodecConfig,
    /// Names of the preset voices in order of their ids.
    pub voices: Vec<String>,
    /// Positions the model was made for.
    pub longest: usize,
}

/// What every real code is shifted up by.
pub const SPECIALS: usize = 2;
/// The semantic code that ends the speech.
pub const END: u16 = 1;

/// Tables are published with this many rows at least, in multiples.
const ROUNDED: usize = 128;

impl Config {
    /// Codes of a frame: one semantic, the others acoustic.
    pub fn codebooks(&self) -> usize {
        1 + self.codec.acoustic
    }

    /// Rows of the semantic head.
    pub fn semantic_rows(&self) -> usize {
        (self.codec.semantic + SPECIALS).next_multiple_of(ROUNDED)
    }

    /// The first row of each codebook in the table of audio embeddings.
    pub fn code_offsets(&self) -> Vec<usize> {
        let acoustic = self.codec.levels + SPECIALS;
        let semantic = self.codec.semantic + SPECIALS;
        let offset = |k: usize| match k {
            0 => 0,
            k => semantic + acoustic * (k - 1),
        };
        (0..self.codebooks()).map(offset).collect()
    }

    /// Rows of the table of audio embeddings.
    pub fn audio_rows(&self) -> usize {
        let acoustic = self.codec.acoustic * (self.codec.levels + SPECIALS);
        (self.codec.semantic + SPECIALS + acoustic).next_multiple_of(ROUNDED)
    }

    /// The published model, for measurements without a checkpoint.
    pub fn published() -> Config {
        let layers = Stack {
            dim: 3072,
            layers: 26,
            heads: 32,
            kv_heads: 8,
            head_dim: 128,
            ffn: 9216,
            eps: 1e-5,
        };
        let voices = [
            "casual_female",
            "casual_male",
            "cheerful_female",
            "neutral_female",
            "neutral_male",
            "pt_male",
            "pt_female",
            "nl_male",
            "nl_female",
            "it_male",
            "it_female",
            "fr_male",
            "fr_female",
            "es_male",
            "es_female",
            "de_male",
            "de_female",
            "ar_male",
            "hi_male",
            "hi_female",
        ];
        Config {
            backbone: layers,
            theta: 1e6,
            vocab: 131_072,
            flow: Stack {
                layers: 3,
                ..layers
            },
            steps: DEFAULT_STEPS,
            codec: CodecConfig::published(),
            voices: voices.map(str::to_owned).to_vec(),
            longest: 65_536,
        }
    }

    /// Reads `params.json`; the error says what in it is not Voxtral TTS.
    pub fn from_json(json: &[u8]) -> Result<Config, String> {
        let params: Params = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        let config = params.config()?;
        config.backbone.check("backbone")?;
        config.flow.check("flow transformer")?;
        config.codec.check()?;
        if config.flow.dim != config.backbone.dim {
            let (flow, backbone) = (config.flow.dim, config.backbone.dim);
            return Err(format!("a flow {flow} wide on a backbone {backbone} wide"));
        }
        Ok(config)
    }
}

const DEFAULT_STEPS: usize = 7;

/// Says which of some named facts do not hold.
fn require(facts: &[(&str, bool)]) -> Result<(), String> {
    let wrong: Vec<&str> = facts.iter().filter(|f| !f.1).map(|f| f.0).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let wrong = wrong.join(", ");
    Err(format!("not a Voxtral TTS model: expected {wrong}"))
}

#[derive(Deserialize)]
struct Params {
    dim: usize,
    n_layers: usize,
    head_dim: usize,
    hidden_dim: usize,
    n_heads: usize,
    n_kv_heads: usize,
    rope_theta: f64,
    norm_eps: f64,
    vocab_size: usize,
    #[serde(default)]
    use_biases: bool,
    max_seq_len: Option<usize>,
    multimodal: Option<Multimodal>,
}

#[derive(Deserialize)]
struct Multimodal {
    audio_model_args: Option<AudioModel>,
    audio_tokenizer_args: Option<AudioTokenizer>,
}

#[derive(Deserialize)]
struct AudioModel {
    semantic_codebook_size: usize,
    acoustic_codebook_size: usize,
    n_acoustic_codebook: usize,
    audio_token_id: Option<u32>,
    begin_audio_token_id: Option<u32>,
    input_embedding_concat_type: Option<String>,
    acoustic_transformer_args: FlowArgs,
}

#[derive(Deserialize)]
struct FlowArgs {
    dim: usize,
    n_layers: usize,
    head_dim: usize,
    hidden_dim: usize,
    n_heads: usize,
    n_kv_heads: usize,
    #[serde(default)]
    use_biases: bool,
    norm_eps: Option<f64>,
    n_decoding_steps: Option<usize>,
}

#[derive(Deserialize)]
struct AudioTokenizer {
    channels: usize,
    sampling_rate: usize,
    pretransform_patch_size: usize,
    patch_proj_kernel_size: usize,
    semantic_codebook_size: usize,
    semantic_dim: usize,
    acoustic_codebook_size: usize,
    acoustic_dim: usize,
    conv_weight_norm: bool,
    causal: bool,
    attn_sliding_window_size: usize,
    half_attn_window_upon_downsampling: bool,
    dim: usize,
    hidden_dim: usize,
    head_dim: usize,
    n_heads: usize,
    n_kv_heads: usize,
    qk_norm_eps: f64,
    qk_norm: bool,
    use_biases: bool,
    norm_eps: f64,
    layer_scale: bool,
    decoder_transformer_lengths_str: String,
    decoder_convs_kernels_str: String,
    decoder_convs_strides_str: String,
    encoder_transformer_lengths_str: Option<String>,
    encoder_convs_kernels_str: Option<String>,
    encoder_convs_strides_str: Option<String>,
    #[serde(default)]
    voice: std::collections::BTreeMap<String, usize>,
}

impl Params {
    fn config(self) -> Result<Config, String> {
        let (audio, codec) = match self.multimodal {
            Some(Multimodal {
                audio_model_args: Some(audio),
                audio_tokenizer_args: Some(codec),
            }) => (audio, codec),
            _ => {
                return require(&[("audio_model_args and audio_tokenizer_args", false)])
                    .map(|()| unreachable!("a fact that does not hold"));
            }
        };
        let flow = &audio.acoustic_transformer_args;
        let concat = audio.input_embedding_concat_type.as_deref();
        require(&[
            ("no biases", !(self.use_biases || flow.use_biases)),
            (
                "audio_token_id 24",
                audio.audio_token_id.is_none_or(|id| id == 24),
            ),
            (
                "begin_audio_token_id 25",
                audio.begin_audio_token_id.is_none_or(|id| id == 25),
            ),
            ("embeddings summed", concat.is_none_or(|c| c == "sum")),
            (
                "one size of the semantic codebook",
                audio.semantic_codebook_size == codec.semantic_codebook_size,
            ),
            (
                "one size of the acoustic codebooks",
                audio.acoustic_codebook_size == codec.acoustic_codebook_size
                    && audio.n_acoustic_codebook == codec.acoustic_dim,
            ),
        ])?;
        let mut voices: Vec<(usize, String)> =
            codec.voice.iter().map(|(n, id)| (*id, n.clone())).collect();
        voices.sort();
        Ok(Config {
            backbone: Stack {
                dim: self.dim,
                layers: self.n_layers,
                heads: self.n_heads,
                kv_heads: self.n_kv_heads,
                head_dim: self.head_dim,
                ffn: self.hidden_dim,
                eps: self.norm_eps,
            },
            theta: self.rope_theta,
            vocab: self.vocab_size,
            flow: Stack {
                dim: flow.dim,
                layers: flow.n_layers,
                heads: flow.n_heads,
                kv_heads: flow.n_kv_heads,
                head_dim: flow.head_dim,
                ffn: flow.hidden_dim,
                eps: flow.norm_eps.unwrap_or(1e-5),
            },
            steps: flow
                .n_decoding_steps
                .filter(|n| *n > 0)
                .unwrap_or(DEFAULT_STEPS),
            codec: codec.config()?,
            voices: voices.into_iter().map(|(_, name)| name).collect(),
            longest: self.max_seq_len.unwrap_or(65_536),
        })
    }
}

impl AudioTokenizer {
    fn config(&self) -> Result<CodecConfig, String> {
        require(&[
            ("one channel", self.channels == 1),
            ("24 kHz", self.sampling_rate == 24_000),
            ("weight-normed convolutions", self.conv_weight_norm),
            ("a causal codec", self.causal),
            ("norms of queries and keys", self.qk_norm),
            ("layer scales", self.layer_scale),
            ("no biases in the codec", !self.use_biases),
            (
                "windows halved upon downsampling",
                self.half_attn_window_upon_downsampling,
            ),
        ])?;
        let or = |given: &Option<String>, default: &str| -> Result<Vec<usize>, String> {
            numbers(given.as_deref().unwrap_or(default))
        };
        let mut window = self.attn_sliding_window_size;
        let encoder = stages(
            &or(&self.encoder_transformer_lengths_str, "2,2,2,2")?,
            &or(&self.encoder_convs_kernels_str, "4,4,4,3")?,
            &or(&self.encoder_convs_strides_str, "2,2,2,1")?,
            |stride| {
                let this = window;
                window = if stride > 1 { window / 2 } else { window };
                this
            },
        )?;
        let decoder = stages(
            &numbers(&self.decoder_transformer_lengths_str)?,
            &numbers(&self.decoder_convs_kernels_str)?,
            &numbers(&self.decoder_convs_strides_str)?,
            |stride| {
                window = if stride > 1 { window * 2 } else { window };
                window
            },
        )?;
        Ok(CodecConfig {
            patch: self.pretransform_patch_size,
            dim: self.dim,
            ffn: self.hidden_dim,
            head_dim: self.head_dim,
            heads: self.n_heads,
            kv_heads: self.n_kv_heads,
            eps: self.norm_eps,
            qk_eps: self.qk_norm_eps,
            semantic: self.semantic_codebook_size,
            semantic_dim: self.semantic_dim,
            levels: self.acoustic_codebook_size,
            acoustic: self.acoustic_dim,
            kernel: self.patch_proj_kernel_size,
            decoder,
            encoder,
        })
    }
}

fn stages(
    layers: &[usize],
    kernels: &[usize],
    strides: &[usize],
    mut window: impl FnMut(usize) -> usize,
) -> Result<Vec<StageConfig>, String> {
    if layers.len() != kernels.len() || layers.len() != strides.len() {
        return Err(format!("stages of {layers:?}, {kernels:?} and {strides:?}"));
    }
    let all = layers.iter().zip(kernels).zip(strides);
    let stage = all.map(|((layers, kernel), stride)| StageConfig {
        layers: *layers,
        kernel: *kernel,
        stride: *stride,
        window: window(*stride),
    });
    Ok(stage.collect())
}

fn numbers(list: &str) -> Result<Vec<usize>, String> {
    let number = |n: &str| n.trim().parse().map_err(|_| format!("the list {list:?}"));
    list.split(',').map(number).collect()
}

#[cfg(test)]
mod tests;
