//! Sizes of the model, from `params.json` (Mistral's naming) or `config.json` (Hugging Face's).
//!
//! Nothing has a default that the files state: transformers' own class defaults differ from the
//! published values.
use serde::Deserialize;
use voiced_nn::{attention::Heads, rope::RopeLayout};

/// How a checkpoint names its tensors and orders the rows that rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `consolidated.safetensors` with `params.json`.
    Mistral,
    /// `model.safetensors` with `config.json`.
    HuggingFace,
}

impl Naming {
    /// The rotation its rows are ordered for.
    pub fn layout(self) -> RopeLayout {
        match self {
            Naming::Mistral => RopeLayout::Interleaved,
            Naming::HuggingFace => RopeLayout::SplitHalf,
        }
    }
}

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
    /// Keys a query sees, its own included.
    pub window: usize,
    /// Base of the rotary angles.
    pub theta: f64,
    /// Of the norms.
    pub eps: f64,
}

impl Stack {
    /// The attention of its layers.
    pub fn attention(&self, naming: Naming) -> Heads {
        Heads {
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            window: self.window,
            layout: naming.layout(),
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
            self.window,
        ];
        if sizes.contains(&0) || !self.heads.is_multiple_of(self.kv_heads) || self.head_dim % 2 == 1
        {
            return Err(format!("impossible sizes of the {of}: {self:?}"));
        }
        Ok(())
    }
}

/// Sizes and constants of Voxtral Realtime.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// How the checkpoint names its tensors.
    pub naming: Naming,
    /// The audio encoder.
    pub encoder: Stack,
    /// The text decoder.
    pub decoder: Stack,
    /// Ids the decoder knows.
    pub vocab: usize,
    /// The constant the log-mel is cut against.
    pub loudest: f32,
}

/// Vectors of the encoder that make one position.
pub const STACKED: usize = 4;

impl Config {
    /// The published model, for measurements without a checkpoint.
    pub fn published() -> Config {
        let theta = 1e6;
        let eps = 1e-5;
        Config {
            naming: Naming::Mistral,
            encoder: Stack {
                dim: 1280,
                layers: 32,
                heads: 32,
                kv_heads: 32,
                head_dim: 64,
                ffn: 5120,
                window: 750,
                theta,
                eps,
            },
            decoder: Stack {
                dim: 3072,
                layers: 26,
                heads: 32,
                kv_heads: 8,
                head_dim: 128,
                ffn: 9216,
                window: 8192,
                theta,
                eps,
            },
            vocab: 131_072,
            loudest: 1.5,
        }
    }

    /// Reads `params.json` or `config.json`; the error says what in it is not Voxtral Realtime.
    pub fn from_json(naming: Naming, json: &[u8]) -> Result<Config, String> {
        let config = match naming {
            Naming::Mistral => serde_json::from_slice::<Params>(json)
                .map_err(|e| e.to_string())?
                .config()?,
            Naming::HuggingFace => serde_json::from_slice::<HfConfig>(json)
                .map_err(|e| e.to_string())?
                .config()?,
        };
        config.encoder.check("encoder")?;
        config.decoder.check("decoder")?;
        if config.decoder.dim % 2 == 1 {
            return Err(format!("an odd width, {}", config.decoder.dim));
        }
        Ok(config)
    }
}

/// Says which of some named facts do not hold.
fn require(facts: &[(&str, bool)]) -> Result<(), String> {
    let wrong: Vec<&str> = facts.iter().filter(|f| !f.1).map(|f| f.0).collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        let wrong = wrong.join(", ");
        Err(format!("not a Voxtral Realtime model: expected {wrong}"))
    }
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
    tied_embeddings: bool,
    sliding_window: Option<usize>,
    #[serde(default)]
    ada_rms_norm_t_cond: bool,
    multimodal: Option<Multimodal>,
}

#[derive(Deserialize)]
struct Multimodal {
    whisper_model_args: Option<WhisperArgs>,
}

#[derive(Deserialize)]
struct WhisperArgs {
    encoder_args: EncoderArgs,
    downsample_args: DownsampleArgs,
}

#[derive(Deserialize)]
struct DownsampleArgs {
    downsample_factor: usize,
}

#[derive(Deserialize)]
struct EncoderArgs {
    audio_encoding_args: AudioArgs,
    dim: usize,
    n_layers: usize,
    head_dim: usize,
    hidden_dim: usize,
    n_heads: usize,
    n_kv_heads: Option<usize>,
    rope_theta: f64,
    norm_eps: f64,
    #[serde(default)]
    causal: bool,
    pos_embed: String,
    ffn_type: String,
    norm_type: String,
    sliding_window: Option<usize>,
}

#[derive(Deserialize)]
struct AudioArgs {
    sampling_rate: usize,
    num_mel_bins: usize,
    hop_length: usize,
    window_size: usize,
    global_log_mel_max: Option<f32>,
}

impl Params {
    fn config(self) -> Result<Config, String> {
        let audio = self.multimodal.and_then(|m| m.whisper_model_args);
        require(&[
            (
                "an audio encoder (multimodal.whisper_model_args)",
                audio.is_some(),
            ),
            ("ada_rms_norm_t_cond", self.ada_rms_norm_t_cond),
            ("tied_embeddings", self.tied_embeddings),
            ("sliding_window", self.sliding_window.is_some()),
        ])?;
        let WhisperArgs {
            encoder_args: encoder,
            downsample_args,
        } = audio.expect("required above");
        let mel = &encoder.audio_encoding_args;
        require(&[
            ("a causal encoder", encoder.causal),
            ("an encoder window", encoder.sliding_window.is_some()),
            ("rope", encoder.pos_embed == "rope"),
            ("swiglu", encoder.ffn_type == "swiglu"),
            ("rms_norm", encoder.norm_type == "rms_norm"),
            (
                "4 vectors to a position",
                downsample_args.downsample_factor == STACKED,
            ),
            ("16 kHz", mel.sampling_rate == 16_000),
            ("128 mel bins", mel.num_mel_bins == crate::mel::BINS),
            ("a hop of 160", mel.hop_length == crate::mel::HOP),
            ("a window of 400", mel.window_size == crate::mel::WINDOW),
        ])?;
        Ok(Config {
            naming: Naming::Mistral,
            encoder: Stack {
                dim: encoder.dim,
                layers: encoder.n_layers,
                heads: encoder.n_heads,
                kv_heads: encoder.n_kv_heads.unwrap_or(encoder.n_heads),
                head_dim: encoder.head_dim,
                ffn: encoder.hidden_dim,
                window: encoder.sliding_window.expect("required above"),
                theta: encoder.rope_theta,
                eps: encoder.norm_eps,
            },
            decoder: Stack {
                dim: self.dim,
                layers: self.n_layers,
                heads: self.n_heads,
                kv_heads: self.n_kv_heads,
                head_dim: self.head_dim,
                ffn: self.hidden_dim,
                window: self.sliding_window.expect("required above"),
                theta: self.rope_theta,
                eps: self.norm_eps,
            },
            vocab: self.vocab_size,
            loudest: mel.global_log_mel_max.unwrap_or(1.5),
        })
    }
}

#[derive(Deserialize)]
struct HfConfig {
    #[serde(default)]
    model_type: String,
    downsample_factor: Option<usize>,
    audio_length_per_tok: Option<usize>,
    projector_hidden_act: Option<String>,
    audio_config: Option<HfStack>,
    text_config: Option<HfStack>,
}

#[derive(Deserialize)]
struct HfStack {
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: usize,
    intermediate_size: usize,
    rms_norm_eps: f64,
    sliding_window: Option<usize>,
    rope_parameters: Option<RopeParameters>,
    rope_theta: Option<f64>,
    hidden_act: String,
    activation_function: Option<String>,
    num_mel_bins: Option<usize>,
    vocab_size: Option<usize>,
    #[serde(default)]
    tie_word_embeddings: bool,
}

#[derive(Deserialize)]
struct RopeParameters {
    rope_theta: f64,
}

impl HfStack {
    fn stack(&self, of: &str) -> Result<Stack, String> {
        let theta = self.rope_parameters.as_ref().map(|r| r.rope_theta);
        Ok(Stack {
            dim: self.hidden_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            kv_heads: self.num_key_value_heads.unwrap_or(self.num_attention_heads),
            head_dim: self.head_dim,
            ffn: self.intermediate_size,
            window: self
                .sliding_window
                .ok_or_else(|| format!("no sliding_window of the {of}"))?,
            theta: theta
                .or(self.rope_theta)
                .ok_or_else(|| format!("no rope_theta of the {of}"))?,
            eps: self.rms_norm_eps,
        })
    }
}

impl HfConfig {
    fn config(self) -> Result<Config, String> {
        require(&[
            (
                "model_type voxtral_realtime",
                self.model_type == "voxtral_realtime",
            ),
            ("audio_config", self.audio_config.is_some()),
            ("text_config", self.text_config.is_some()),
        ])?;
        let audio = self.audio_config.expect("required above");
        let text = self.text_config.expect("required above");
        let gelu = |name: &Option<String>| name.as_deref().is_none_or(|n| n == "gelu");
        require(&[
            (
                "4 vectors to a position",
                self.downsample_factor.unwrap_or(STACKED) == STACKED,
            ),
            (
                "8 frames to a position",
                self.audio_length_per_tok.unwrap_or(2 * STACKED) == 2 * STACKED,
            ),
            ("gelu in the adapter", gelu(&self.projector_hidden_act)),
            ("gelu in the stem", gelu(&audio.activation_function)),
            (
                "silu",
                audio.hidden_act == "silu" && text.hidden_act == "silu",
            ),
            ("128 mel bins", audio.num_mel_bins == Some(crate::mel::BINS)),
            ("tie_word_embeddings", text.tie_word_embeddings),
            ("a vocabulary", text.vocab_size.is_some()),
        ])?;
        Ok(Config {
            naming: Naming::HuggingFace,
            encoder: audio.stack("encoder")?,
            decoder: text.stack("decoder")?,
            vocab: text.vocab_size.expect("required above"),
            loudest: 1.5,
        })
    }
}
