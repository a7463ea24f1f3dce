//! A few queries over one ring: scores, weights and their mixture of values, in vectors.
#![allow(unsafe_code)]
use crate::{
    cpu::{Isa, by_isa, exp},
    kv_cache::{BLOCK, CacheShape, Lane, visible},
    lanes::{Lanes, Portable},
};

/// Queries scored together: their accumulators and a block of keys fit the registers.
pub(super) const QUERIES: usize = 4;

/// Up to four rotated, scaled queries over one ring.
pub(super) struct Task<'a, T> {
    pub shape: CacheShape,
    pub window: usize,
    pub keys: &'a [T],
    pub values: &'a [T],
    /// By channel.
    pub queries: &'a [[f32; QUERIES]],
    pub positions: &'a [u64],
}

impl<T: Lane> Task<'_, T> {
    /// The first position anyone sees.
    fn start(&self) -> u64 {
        let lowest = self.positions.iter().min().expect("a task has queries");
        visible(*lowest, self.window).start
    }

    /// That position rounded down to a block, and the end of what anyone sees.
    fn span(&self) -> (u64, u64) {
        let highest = self.positions.iter().max().expect("a task has queries");
        (self.start() / BLOCK as u64 * BLOCK as u64, highest + 1)
    }

    /// Scores of one query: whole blocks.
    fn padded(&self) -> usize {
        let (first, end) = self.span();
        ((end - first) as usize).next_multiple_of(BLOCK)
    }

    /// Room for the scores of all queries.
    pub fn scores_len(&self) -> usize {
        self.padded() * QUERIES
    }

    /// Attends; `out` gets a row of `value_dim` channels for each query.
    pub fn run(&self, isa: Isa, scores: &mut [f32], out: &mut [f32]) {
        assert!(self.queries.len() == self.shape.head_dim && self.positions.len() <= QUERIES);
        assert!(scores.len() == self.scores_len());
        assert!(out.len() == QUERIES * self.shape.value_dim());
        assert!(self.keys.len() == self.shape.capacity() * self.shape.head_dim);
        assert!(self.values.len() == self.shape.capacity() * self.shape.value_dim());
        assert!(self.padded() <= self.shape.capacity() + BLOCK);
        #[cfg(target_arch = "x86_64")]
        match isa {
            // SAFETY: other sets than `Portable` were detected; sizes as just checked.
            Isa::Avx512 | Isa::Avx512Bf16 | Isa::Amx => {
                return unsafe { wide(self, isa, scores, out) };
            }
            // SAFETY: as above.
            Isa::Avx2 => return unsafe { half(self, isa, scores, out) },
            _ => {}
        }
        // SAFETY: `Portable` needs nothing; sizes as just checked.
        unsafe { body::<Portable, T>(self, isa, scores, out) };
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn wide<T: Lane>(task: &Task<'_, T>, isa: Isa, scores: &mut [f32], out: &mut [f32]) {
    // SAFETY: the caller's contract.
    unsafe { body::<crate::lanes::Avx512, T>(task, isa, scores, out) };
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn half<T: Lane>(task: &Task<'_, T>, isa: Isa, scores: &mut [f32], out: &mut [f32]) {
    // SAFETY: the caller's contract.
    unsafe { body::<crate::lanes::Avx2, T>(task, isa, scores, out) };
}

/// # Safety
/// The processor has the lanes, and sizes are as `Task::run` checks.
#[inline(always)]
unsafe fn body<L: Lanes, T: Lane>(
    task: &Task<'_, T>,
    isa: Isa,
    scores: &mut [f32],
    out: &mut [f32],
) {
    let padded = task.padded();
    // SAFETY: the caller's contract.
    unsafe { score::<L, T>(task, scores) };
    let first = task.span().0;
    let mut inverses = [0f32; QUERIES];
    for (q, row) in scores.chunks_exact_mut(padded).enumerate() {
        let Some(position) = task.positions.get(q) else {
            row.fill(0.0);
            continue;
        };
        let seen = visible(*position, task.window);
        row[..(seen.start - first) as usize].fill(f32::NEG_INFINITY);
        row[(seen.end - first) as usize..].fill(f32::NEG_INFINITY);
        // SAFETY: whole blocks.
        let highest = across(
            unsafe { join::<L>(row, f32::NEG_INFINITY, L::max) },
            f32::max,
        );
        weigh(isa, row, highest);
        // SAFETY: whole blocks. The sum runs along absolute positions, so it does not depend on
        // the other queries.
        let sum = across(unsafe { join::<L>(row, 0.0, L::add) }, |a, b| a + b);
        inverses[q] = sum.recip();
    }
    let dim = task.shape.value_dim();
    let mut from = 0;
    while from < dim {
        // SAFETY: `from` and two or one blocks lie inside a value.
        unsafe {
            if from + 2 * BLOCK <= dim {
                mix::<L, T, 2>(task, scores, &inverses, from, out);
                from += 2 * BLOCK;
            } else {
                mix::<L, T, 1>(task, scores, &inverses, from, out);
                from += BLOCK;
            }
        }
    }
}

by_isa! {
    /// Scores to weights, before they are divided by their sum.
    fn weigh(scores: &mut [f32], highest: f32) = weigh_body
}

#[inline(always)]
fn weigh_body<const FMA: bool>(scores: &mut [f32], highest: f32) {
    for score in scores {
        *score = exp::<FMA>(*score - highest);
    }
}

/// Joins all blocks of a row lane by lane.
#[inline(always)]
unsafe fn join<L: Lanes>(row: &[f32], start: f32, join: unsafe fn(L, L) -> L) -> [f32; BLOCK] {
    let mut lanes = [0f32; BLOCK];
    // SAFETY: the caller's contract; chunks are sixteen long.
    unsafe {
        let mut joined = L::splat(start);
        for block in row.chunks_exact(BLOCK) {
            joined = join(joined, L::load(block.as_ptr()));
        }
        joined.store(lanes.as_mut_ptr());
    }
    lanes
}

fn across(lanes: [f32; BLOCK], join: impl Fn(f32, f32) -> f32) -> f32 {
    lanes.into_iter().reduce(join).unwrap_or_default()
}

/// Scores of all queries with a block of keys at a time.
#[inline(always)]
unsafe fn score<L: Lanes, T: Lane>(task: &Task<'_, T>, scores: &mut [f32]) {
    let d = task.shape.head_dim;
    let padded = task.padded();
    let ring = task.shape.capacity() / BLOCK;
    let mut block = (task.span().0 / BLOCK as u64 % ring as u64) as usize;
    for b in 0..padded / BLOCK {
        let keys = task.keys[block * d * BLOCK..][..d * BLOCK].as_ptr();
        block = if block + 1 == ring { 0 } else { block + 1 };
        // SAFETY: `d` channels of sixteen keys; `b` counts whole blocks of the scores.
        unsafe {
            let mut acc = [L::splat(0.0); QUERIES];
            for (c, queries) in task.queries.iter().enumerate() {
                let lanes: L = T::lanes(keys.add(c * BLOCK));
                for (acc, query) in acc.iter_mut().zip(queries) {
                    *acc = lanes.mul_add(L::splat(*query), *acc);
                }
            }
            for (q, acc) in acc.iter().enumerate() {
                acc.store(scores.as_mut_ptr().add(q * padded + b * BLOCK));
            }
        }
    }
}

/// The weighted values of `W` blocks of channels.
#[inline(always)]
unsafe fn mix<L: Lanes, T: Lane, const W: usize>(
    task: &Task<'_, T>,
    scores: &[f32],
    inverses: &[f32; QUERIES],
    from: usize,
    out: &mut [f32],
) {
    let dim = task.shape.value_dim();
    let padded = task.padded();
    // Positions before the first one seen may belong to an earlier lease of the row.
    let (start, (first, end)) = (task.start(), task.span());
    let skip = (start - first) as usize;
    let count = (end - start) as usize;
    let capacity = task.shape.capacity();
    let slot = (start % capacity as u64) as usize;
    let until_wrap = count.min(capacity - slot);
    // SAFETY: slots and positions as in the ring and the scores; the ring wraps once.
    unsafe {
        let mut acc = [[L::splat(0.0); W]; QUERIES];
        for (slot, skip, count) in [
            (slot, skip, until_wrap),
            (0, skip + until_wrap, count - until_wrap),
        ] {
            let values = task.values[slot * dim..][..count * dim].as_ptr();
            let weights = scores[skip..].as_ptr();
            for i in 0..count {
                let mut lanes = [L::splat(0.0); W];
                for (w, lanes) in lanes.iter_mut().enumerate() {
                    *lanes = T::lanes(values.add(i * dim + from + w * BLOCK));
                }
                for (q, acc) in acc.iter_mut().enumerate() {
                    let weight = L::splat(*weights.add(q * padded + i));
                    for (acc, lanes) in acc.iter_mut().zip(lanes) {
                        *acc = lanes.mul_add(weight, *acc);
                    }
                }
            }
        }
        for (q, acc) in acc.iter().enumerate() {
            for (w, acc) in acc.iter().enumerate() {
                let to = &mut out[q * dim + from + w * BLOCK..][..BLOCK];
                acc.store(to.as_mut_ptr());
                to.iter_mut().for_each(|v| *v *= inverses[q]);
            }
        }
    }
}
