//! Sizes of the codec.

/// One stage: a convolution and the layers beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageConfig {
    /// Transformer layers.
    pub layers: usize,
    /// Taps of the convolution.
    pub kernel: usize,
    /// Steps it goes up (decoder) or down (encoder) by.
    pub stride: usize,
    /// Steps a layer looks back; it sees one key more than this, its own.
    pub window: usize,
}

/// Sizes of the codec.
#[derive(Clone, Debug, PartialEq)]
pub struct CodecConfig {
    /// Samples of a step at the highest rate.
    pub patch: usize,
    /// Width of the layers.
    pub dim: usize,
    /// Width of their feed-forward networks.
    pub ffn: usize,
    /// Channels of a head.
    pub head_dim: usize,
    /// Heads of queries, a power of two.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Of the norms in front of attention and feed-forward.
    pub eps: f64,
    /// Of the norms of queries and keys.
    pub qk_eps: f64,
    /// Semantic codes.
    pub semantic: usize,
    /// Width of a semantic code's vector.
    pub semantic_dim: usize,
    /// Levels of an acoustic code.
    pub levels: usize,
    /// Acoustic codes of a frame.
    pub acoustic: usize,
    /// Taps of the convolutions to and from samples.
    pub kernel: usize,
    /// The decoder's stages in order.
    pub decoder: Vec<StageConfig>,
    /// The encoder's stages in order: layers first, then the convolution.
    pub encoder: Vec<StageConfig>,
}

impl CodecConfig {
    /// The published sizes.
    pub fn published() -> CodecConfig {
        let stage = |kernel, stride, window| StageConfig {
            layers: 2,
            kernel,
            stride,
            window,
        };
        CodecConfig {
            patch: 240,
            dim: 1024,
            ffn: 4096,
            head_dim: 128,
            heads: 8,
            kv_heads: 8,
            eps: 0.01,
            qk_eps: 1e-6,
            semantic: 8192,
            semantic_dim: 256,
            levels: 21,
            acoustic: 36,
            kernel: 7,
            decoder: vec![
                stage(3, 1, 2),
                stage(4, 2, 4),
                stage(4, 2, 8),
                stage(4, 2, 16),
            ],
            encoder: vec![
                stage(4, 2, 16),
                stage(4, 2, 8),
                stage(4, 2, 4),
                stage(3, 1, 2),
            ],
        }
    }

    /// Width of a frame's vector: semantic, then acoustic.
    pub fn latent(&self) -> usize {
        self.semantic_dim + self.acoustic
    }

    /// Steps at the highest rate in a frame.
    pub fn steps(&self) -> usize {
        self.decoder.iter().map(|s| s.stride).product()
    }

    /// Samples of a frame.
    pub fn samples(&self) -> usize {
        self.patch * self.steps()
    }

    /// Whether the codec as written here can be of these sizes; the error says what not.
    pub fn check(&self) -> Result<(), String> {
        let sizes = [
            self.patch,
            self.dim,
            self.ffn,
            self.head_dim,
            self.heads,
            self.kv_heads,
            self.semantic,
            self.semantic_dim,
            self.acoustic,
            self.kernel,
            self.decoder.len(),
            self.encoder.len(),
        ];
        let stages = || self.decoder.iter().chain(&self.encoder);
        if sizes.contains(&0) || self.levels < 2 || stages().any(|s| s.stride == 0 || s.window == 0)
        {
            return Err(format!("impossible sizes of the codec: {self:?}"));
        }
        if !self.heads.is_power_of_two() || !self.heads.is_multiple_of(self.kv_heads) {
            let (heads, kv) = (self.heads, self.kv_heads);
            return Err(format!("a codec with {heads} heads on {kv}"));
        }
        let first = self.decoder[0].stride == 1 && self.decoder[0].kernel > 1;
        let up = |s: &StageConfig| s.kernel == 2 * s.stride;
        if !first || !self.decoder[1..].iter().all(up) {
            return Err(format!("decoder stages of {:?}", self.decoder));
        }
        if stages().any(|s| s.kernel < s.stride) {
            return Err(format!("encoder stages of {:?}", self.encoder));
        }
        // The last convolution mirrors the first frame's steps.
        if self.steps() < self.kernel {
            let (steps, kernel) = (self.steps(), self.kernel);
            return Err(format!("{steps} steps in a frame and {kernel} taps"));
        }
        let down: usize = self.encoder.iter().map(|s| s.stride).product();
        if down != self.steps() {
            let up = self.steps();
            return Err(format!("a codec {down} steps down and {up} up"));
        }
        Ok(())
    }
}
