//! How the parts of the model are stored, and how many bytes that takes.
use voiced_nn::matrix::Format;

use crate::{
    mel::BINS,
    voxtral::{
        config::{Config, STACKED, Stack},
        names::DELAY_WIDTH,
    },
};

/// How the parts of the model are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formats {
    /// Layers of the encoder, and the adapter. Its errors reach every token.
    pub encoder: Format,
    /// Layers of the decoder.
    pub decoder: Format,
    /// Embedding and output, one matrix.
    pub embedding: Format,
}

impl Formats {
    /// Everything in one format, except that 4 bits are too few for the parts whose errors reach
    /// every token: these get 8.
    pub fn new(format: Format) -> Formats {
        let finer = if format == Format::Q4 {
            Format::Q8
        } else {
            format
        };
        Formats {
            encoder: finer,
            decoder: format,
            embedding: finer,
        }
    }

    /// Bytes of all weights of a model of these sizes.
    pub fn bytes(self, config: &Config) -> usize {
        let (enc, dec) = (&config.encoder, &config.decoder);
        let small = |rows, cols| self.small().matrix_bytes(rows, cols);
        let delay = small(DELAY_WIDTH, dec.dim) + small(dec.dim, DELAY_WIDTH);
        self.encoder_bytes(config)
            + small(enc.dim, 3 * BINS)
            + small(enc.dim, 3 * enc.dim)
            + self.decoder_bytes(config)
            + dec.layers * delay
    }

    /// Bytes of the weights that a call of the encoder and the adapter reads, without the
    /// convolutions.
    pub fn encoder_bytes(self, config: &Config) -> usize {
        let (enc, dec) = (&config.encoder, &config.decoder);
        stack_bytes(enc, self.encoder)
            + self.encoder.matrix_bytes(dec.dim, enc.dim * STACKED)
            + self.encoder.matrix_bytes(dec.dim, dec.dim)
    }

    /// Bytes of the weights that choosing a token reads.
    pub fn decoder_bytes(self, config: &Config) -> usize {
        stack_bytes(&config.decoder, self.decoder)
            + self
                .embedding
                .matrix_bytes(config.vocab, config.decoder.dim)
    }

    /// Of the small parts that are never rounded: the convolutions and what tells the delay.
    pub(super) fn small(self) -> Format {
        Format::F32
    }
}

fn stack_bytes(stack: &Stack, format: Format) -> usize {
    let (queries, keys) = (
        stack.heads * stack.head_dim,
        stack.kv_heads * stack.head_dim,
    );
    let bytes = |rows, cols| format.matrix_bytes(rows, cols);
    let layer = bytes(queries, stack.dim)
        + 2 * bytes(keys, stack.dim)
        + bytes(stack.dim, queries)
        + 2 * bytes(stack.ffn, stack.dim)
        + bytes(stack.dim, stack.ffn);
    layer * stack.layers
}
