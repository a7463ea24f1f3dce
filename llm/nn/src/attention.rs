//! Grouped attention over ring caches: rotates, stores and attends in one pass over the heads,
//! with every row's own position and window.
use std::sync::{Mutex, PoisonError};

use candle_core::{Result, Tensor, bail};

use crate::{
    cpu::Isa,
    kv_cache::{Batch, CacheShape, KvCache, Lane, Ring, Rings, Run},
    pool,
    rope::{Angles, RopeLayout},
    rows::values,
};

mod task;

use task::{QUERIES, Task};

/// What all layers of a stack have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heads {
    /// Heads of queries; a multiple of `kv_heads`.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Channels of a head.
    pub head_dim: usize,
    /// Keys a query sees, its own included.
    pub window: usize,
    /// Which channels rotate together.
    pub layout: RopeLayout,
}

impl Heads {
    /// The cache a layer needs for `slots` rings when up to `together` positions of a ring are
    /// written in one step.
    pub fn cache_shape(&self, slots: usize, together: usize) -> CacheShape {
        CacheShape {
            slots,
            positions: self.window + together - 1,
            heads: self.kv_heads,
            head_dim: self.head_dim,
        }
    }

    fn width(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }
}

/// `qkv`, `[rows, (heads + 2 kv_heads) * head_dim]`: all queries of a row, then its keys, then its
/// values, before rotation. Stores keys and values in `cache` and yields
/// `[rows, heads * head_dim]`.
pub fn attend(
    qkv: &Tensor,
    heads: &Heads,
    batch: &Batch,
    angles: &Angles,
    cache: &mut KvCache,
) -> Result<Tensor> {
    attend_with(Isa::detect(), qkv, heads, batch, angles, cache)
}

fn attend_with(
    isa: Isa,
    qkv: &Tensor,
    heads: &Heads,
    batch: &Batch,
    angles: &Angles,
    cache: &mut KvCache,
) -> Result<Tensor> {
    let shape = cache.shape();
    let longest = batch.runs().iter().map(|run| run.rows).max().unwrap_or(0);
    if qkv.dims() != [batch.rows(), heads.width()]
        || shape.heads != heads.kv_heads
        || shape.head_dim != heads.head_dim
        || shape.capacity() < heads.window + longest.max(1) - 1
        || batch.runs().iter().any(|run| run.slot >= shape.slots)
    {
        let dims = qkv.dims();
        bail!("{dims:?} and {batch:?} do not fit {heads:?} with a cache of {shape:?}");
    }
    let width = heads.heads * heads.head_dim;
    let mut out = vec![0f32; batch.rows() * width];
    values(qkv, |qkv| {
        let out: Vec<Mutex<&mut [f32]>> = out.chunks_mut(heads.head_dim).map(Mutex::new).collect();
        let call = Call {
            isa,
            qkv,
            heads,
            batch,
            angles,
            shape,
            out: &out,
        };
        match cache.rings() {
            Rings::F32(rings) => call.run(&rings),
            Rings::Bf16(rings) => call.run(&rings),
        }
    })?;
    Tensor::from_vec(out, (batch.rows(), width), qkv.device())
}

struct Call<'a> {
    isa: Isa,
    qkv: &'a [f32],
    heads: &'a Heads,
    batch: &'a Batch,
    angles: &'a Angles,
    shape: CacheShape,
    /// By row and head.
    out: &'a [Mutex<&'a mut [f32]>],
}

impl Call<'_> {
    /// One piece of work for every run and head of keys: no two share a ring or an output.
    fn run<T: Lane + Send>(&self, rings: &[Mutex<Ring<'_, T>>]) {
        let kv_heads = self.heads.kv_heads;
        let mut firsts = Vec::new();
        let mut first = 0;
        for run in self.batch.runs() {
            firsts.push(first);
            first += run.rows;
        }
        let keys = |run: &Run| (run.position as usize + 1).min(self.heads.window);
        let reads: usize = self.batch.runs().iter().map(keys).sum();
        let work = 2 * reads * self.heads.heads * self.heads.head_dim;
        pool::run(work, firsts.len() * kv_heads, &|i| {
            let (r, head) = (i / kv_heads, i % kv_heads);
            let run = self.batch.runs()[r];
            let ring = &rings[run.slot * kv_heads + head];
            let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
            self.head(&run, firsts[r], head, &mut ring);
        });
    }

    fn head<T: Lane>(&self, run: &Run, first: usize, head: usize, ring: &mut Ring<'_, T>) {
        let (heads, d) = (self.heads, self.heads.head_dim);
        let group = heads.heads / heads.kv_heads;
        let part = |row: usize, index: usize| {
            let at = (first + row) * heads.width() + index * d;
            &self.qkv[at..at + d]
        };
        let mut key = vec![0f32; d];
        for row in 0..run.rows {
            key.copy_from_slice(part(row, heads.heads + head));
            self.angles.rotate(heads.layout, first + row, &mut key);
            let value = part(row, heads.heads + heads.kv_heads + head);
            ring.write(&self.shape, run.position + row as u64, &key, value);
        }
        // All queries that share this head's keys, a few at a time.
        let scale = (d as f32).sqrt().recip();
        let all: Vec<(usize, usize)> = (0..run.rows)
            .flat_map(|row| (0..group).map(move |g| (row, head * group + g)))
            .collect();
        let mut scores = Vec::new();
        let mut out = vec![0f32; QUERIES * self.shape.value_dim()];
        for some in all.chunks(QUERIES) {
            let mut queries = vec![[0f32; QUERIES]; d];
            let mut positions = [0; QUERIES];
            for (q, (row, index)) in some.iter().enumerate() {
                key.copy_from_slice(part(*row, *index));
                self.angles.rotate(heads.layout, first + row, &mut key);
                for (to, v) in queries.iter_mut().zip(&key) {
                    to[q] = v * scale;
                }
                positions[q] = run.position + *row as u64;
            }
            let task = Task {
                shape: self.shape,
                window: heads.window,
                keys: ring.keys,
                values: ring.values,
                queries: &queries,
                positions: &positions[..some.len()],
            };
            scores.resize(task.scores_len(), 0.0);
            task.run(self.isa, &mut scores, &mut out);
            for (q, (row, index)) in some.iter().enumerate() {
                let to = &self.out[(first + row) * heads.heads + index];
                let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
                to.copy_from_slice(&out[q * self.shape.value_dim()..][..d]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
