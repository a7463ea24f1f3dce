//! The codec's tensors by name and shape, and what is made of them at load: norms folded into
//! weights, taps in order of time.
use candle_core::{Device, Tensor};
use voiced_nn::{
    linear::Linear,
    matrix::{Format, Matrix},
    norm::RmsNorm,
    weights::{Wanted, Weights, WeightsError},
};

use super::{
    CodecConfig, CodecDecoder, CodecEncoder, Stage,
    conv::{Before, Causal},
    layer::Layer,
    quantizer::Quantizer,
};

/// In front of every tensor of the codec.
const AT: &str = "audio_tokenizer";
const SUMS: &str = "audio_tokenizer.quantizer.semantic_codebook.embedding_sum";
const USAGE: &str = "audio_tokenizer.quantizer.semantic_codebook.cluster_usage";

struct Wants<'a>(&'a CodecConfig, Vec<Wanted>);

impl Wants<'_> {
    fn conv(&mut self, name: &str, shape: [usize; 3]) {
        let at = format!("{AT}.{name}.conv.parametrizations.weight");
        self.1
            .push(Wanted::new(format!("{at}.original0"), &[shape[0], 1, 1]));
        self.1.push(Wanted::new(format!("{at}.original1"), &shape));
    }

    fn layers(&mut self, block: &str, count: usize) {
        let c = self.0;
        let (queries, keys) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        for l in 0..count {
            let mut want = |name: &str, shape: &[usize]| {
                self.1.push(Wanted::new(
                    format!("{AT}.{block}.layers.{l}.{name}"),
                    shape,
                ));
            };
            want("attention.wq.weight", &[queries, c.dim]);
            want("attention.wk.weight", &[keys, c.dim]);
            want("attention.wv.weight", &[keys, c.dim]);
            want("attention.wo.weight", &[c.dim, queries]);
            want("attention.q_norm.weight", &[queries]);
            want("attention.k_norm.weight", &[keys]);
            want("attention_norm.weight", &[c.dim]);
            want("ffn_norm.weight", &[c.dim]);
            want("attention_scale", &[c.dim]);
            want("ffn_scale", &[c.dim]);
            want("feed_forward.w1.weight", &[c.ffn, c.dim]);
            want("feed_forward.w3.weight", &[c.ffn, c.dim]);
            want("feed_forward.w2.weight", &[c.dim, c.ffn]);
        }
    }
}

/// Tensors of the decoder and the quantizer.
pub fn decoder_wanted(config: &CodecConfig) -> Vec<Wanted> {
    let mut wants = Wants(config, Vec::new());
    wants.1.push(Wanted::new(USAGE, &[config.semantic]));
    wants
        .1
        .push(Wanted::new(SUMS, &[config.semantic, config.semantic_dim]));
    for (s, stage) in config.decoder.iter().enumerate() {
        let inputs = if s == 0 { config.latent() } else { config.dim };
        wants.conv(
            &format!("decoder_blocks.{}", 2 * s),
            [config.dim, inputs, stage.kernel],
        );
        wants.layers(&format!("decoder_blocks.{}", 2 * s + 1), stage.layers);
    }
    wants.conv("output_proj", [config.patch, config.dim, config.kernel]);
    wants.1
}

/// Tensors of the encoder.
pub fn encoder_wanted(config: &CodecConfig) -> Vec<Wanted> {
    let mut wants = Wants(config, Vec::new());
    wants.conv("input_proj", [config.dim, config.patch, config.kernel]);
    let last = config.encoder.len() - 1;
    for (s, stage) in config.encoder.iter().enumerate() {
        let outputs = if s == last {
            config.latent()
        } else {
            config.dim
        };
        wants.layers(&format!("encoder_blocks.{}", 2 * s), stage.layers);
        let conv = format!("encoder_blocks.{}", 2 * s + 1);
        wants.conv(&conv, [outputs, config.dim, stage.kernel]);
    }
    wants.1
}

/// Reads parts of the codec from checked weights.
struct Reader<'a> {
    config: &'a CodecConfig,
    weights: &'a Weights,
    format: Format,
}

impl CodecDecoder {
    /// The decoder of weights that were checked against [`decoder_wanted`].
    pub fn load(
        config: &CodecConfig,
        weights: &Weights,
        format: Format,
    ) -> Result<CodecDecoder, WeightsError> {
        let read = Reader {
            config,
            weights,
            format,
        };
        let stage = |(s, stage): (usize, &super::StageConfig)| {
            let name = format!("decoder_blocks.{}", 2 * s);
            let conv = if s == 0 {
                let shape = [config.dim, config.latent(), stage.kernel];
                read.conv(&name, shape, Before::Replicate)?
            } else {
                read.upsampler(&name, stage.stride)?
            };
            let layers = format!("decoder_blocks.{}", 2 * s + 1);
            Ok::<_, WeightsError>(Stage {
                conv,
                layers: read.layers(&layers, stage.layers, stage.window)?,
            })
        };
        let stages: Result<Vec<Stage>, _> = config.decoder.iter().enumerate().map(stage).collect();
        let shape = [config.patch, config.dim, config.kernel];
        Ok(CodecDecoder {
            quantizer: read.quantizer(),
            stages: stages?,
            output: read.conv("output_proj", shape, Before::Reflect)?,
            config: config.clone(),
        })
    }
}

impl CodecEncoder {
    /// The encoder of `weights`, checked against [`encoder_wanted`], beside the quantizer of
    /// `codec`, checked against [`decoder_wanted`].
    pub fn load(
        config: &CodecConfig,
        codec: &Weights,
        weights: &Weights,
        format: Format,
    ) -> Result<CodecEncoder, WeightsError> {
        let read = Reader {
            config,
            weights,
            format,
        };
        let last = config.encoder.len() - 1;
        let stage = |(s, stage): (usize, &super::StageConfig)| {
            let outputs = if s == last {
                config.latent()
            } else {
                config.dim
            };
            let layers = format!("encoder_blocks.{}", 2 * s);
            let shape = [outputs, config.dim, stage.kernel];
            let conv = format!("encoder_blocks.{}", 2 * s + 1);
            Ok::<_, WeightsError>((
                read.layers(&layers, stage.layers, stage.window)?,
                read.conv(&conv, shape, Before::Replicate)?,
            ))
        };
        let stages: Result<Vec<_>, _> = config.encoder.iter().enumerate().map(stage).collect();
        let shape = [config.dim, config.patch, config.kernel];
        let quantizer = Reader {
            config,
            weights: codec,
            format,
        };
        Ok(CodecEncoder {
            config: config.clone(),
            quantizer: quantizer.quantizer(),
            input: read.conv("input_proj", shape, Before::Reflect)?,
            stages: stages?,
        })
    }
}

impl Reader<'_> {
    fn quantizer(&self) -> Quantizer {
        let usage = self.weights.vector(USAGE);
        Quantizer::new(self.config, self.weights.vector(SUMS), &usage)
    }

    /// `gain * v / |v|` for every index of the first axis.
    fn folded(&self, name: &str, first: usize) -> Vec<f32> {
        let at = format!("{AT}.{name}.conv.parametrizations.weight");
        let gains = self.weights.vector(&format!("{at}.original0"));
        let mut v = self.weights.vector(&format!("{at}.original1"));
        let each = v.len() / first;
        for (v, gain) in v.chunks_exact_mut(each).zip(gains) {
            let square: f64 = v.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
            let factor = f64::from(gain) / square.sqrt();
            v.iter_mut()
                .for_each(|v| *v = (f64::from(*v) * factor) as f32);
        }
        v
    }

    fn packed(&self, name: &str, rows: usize, values: Vec<f32>) -> Result<Linear, WeightsError> {
        let cols = values.len() / rows;
        let matrix = Matrix::from_values(self.format, rows, cols, &values);
        let matrix = matrix.map_err(|source| WeightsError::Memory {
            name: name.to_owned(),
            source,
        })?;
        Ok(Linear::new(matrix, None))
    }

    fn conv(
        &self,
        name: &str,
        [outputs, inputs, taps]: [usize; 3],
        before: Before,
    ) -> Result<Causal, WeightsError> {
        let w = self.folded(name, outputs);
        let mut values = Vec::with_capacity(w.len());
        for row in w.chunks_exact(inputs * taps) {
            for tap in 0..taps {
                values.extend((0..inputs).map(|i| row[i * taps + tap]));
            }
        }
        let weight = self.packed(name, outputs, values)?;
        Ok(Causal::new(weight, taps, 1, before))
    }

    /// A transposed convolution, stored `[inputs, outputs, 2 * stride]`, as a convolution of the
    /// previous and the present input.
    fn upsampler(&self, name: &str, stride: usize) -> Result<Causal, WeightsError> {
        let dim = self.config.dim;
        let w = self.folded(name, dim);
        let at =
            |input: usize, output: usize, tap: usize| w[(input * dim + output) * 2 * stride + tap];
        let mut values = Vec::with_capacity(w.len());
        for phase in 0..stride {
            for output in 0..dim {
                values.extend((0..dim).map(|input| at(input, output, phase + stride)));
                values.extend((0..dim).map(|input| at(input, output, phase)));
            }
        }
        let weight = self.packed(name, stride * dim, values)?;
        Ok(Causal::new(weight, 2, stride, Before::Zeros))
    }

    fn layers(&self, block: &str, count: usize, window: usize) -> Result<Vec<Layer>, WeightsError> {
        (0..count)
            .map(|l| self.layer(&format!("{AT}.{block}.layers.{l}"), window))
            .collect()
    }

    fn layer(&self, at: &str, window: usize) -> Result<Layer, WeightsError> {
        let c = self.config;
        let linear = |name: &str| {
            let matrix = self
                .weights
                .matrix(&format!("{at}.{name}.weight"), self.format)?;
            Ok::<_, WeightsError>(Linear::new(matrix, None))
        };
        let vector = |name: &str| self.weights.vector(&format!("{at}.{name}"));
        let norm = |name: &str, eps| RmsNorm::new(vector(&format!("{name}.weight")), eps);
        let scale = |name: &str| {
            let scale = vector(name);
            let width = scale.len();
            Tensor::from_vec(scale, (1, width), &Device::Cpu).expect("as many values as the shape")
        };
        Ok(Layer {
            heads: c.heads,
            kv_heads: c.kv_heads,
            head_dim: c.head_dim,
            window,
            attention_norm: norm("attention_norm", c.eps),
            wq: linear("attention.wq")?,
            wk: linear("attention.wk")?,
            wv: linear("attention.wv")?,
            wo: linear("attention.wo")?,
            q_norm: norm("attention.q_norm", c.qk_eps),
            k_norm: norm("attention.k_norm", c.qk_eps),
            attention_scale: scale("attention_scale"),
            ffn_norm: norm("ffn_norm", c.eps),
            w1: linear("feed_forward.w1")?,
            w2: linear("feed_forward.w2")?,
            w3: linear("feed_forward.w3")?,
            ffn_scale: scale("ffn_scale"),
        })
    }
}
