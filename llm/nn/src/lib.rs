//! What the neural models share: weights, linear layers, norms, rotary positions, windowed
//! attention over ring caches, and the tekken tokenizer.
//!
//! Reading order: [`weights`] brings tensors in, [`matrix`] packs them, [`linear`] multiplies,
//! [`norm`], [`rope`], [`kv_cache`] and [`attention`] are the rest of a layer, [`block`] is the
//! layer that the ear and the voice are stacks of, [`tekken`] turns ids into text.
//!
//! Invariant: activations travel between operations as candle tensors, `[rows, width]` in f32, and
//! a model is written in these operations only; so a device gets a model by getting the operations.
//! What lives as long as the process, packed matrices and ring caches, is memory of this crate:
//! candle's CPU storage knows neither huge pages nor pages that appear when first written, and
//! its bf16 product widens the whole matrix at each call.
//!
//! Invariant: a row of a batch never sees its neighbours. Every operation computes a row by the
//! same additions in the same order, whatever rows it is batched with; tests compare the bits.
//!
//! Invariant: this crate knows no audio, no sessions and no particular model.

mod cpu;
mod kernel;
mod lanes;
mod pages;
mod quantize;

pub mod weights;

pub mod matrix;

pub mod linear;

pub mod activation;
pub mod attention;
pub mod block;
pub mod kv_cache;
pub mod measure;
pub mod memory;
pub mod norm;
pub mod pool;
pub mod rope;
pub mod rows;
pub mod tekken;

pub use cpu::Isa;
