//! Keys and values of one layer, a ring for every row of the engine, addressed by absolute
//! position: `slot = position mod capacity`.
//!
//! Invariant: a ring holds window + written-together - 1 positions or more, and positions are
//! written before they are read; so whatever a query may see is there, and what an earlier lease
//! of the row left behind is never looked at.
use std::{io, ops::Range};

use half::bf16;

use crate::{
    lanes::Lanes,
    pages::{Backing, Pages},
};

/// Some rows of a batch that continue one ring: `rows` positions beginning at `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The ring.
    pub slot: usize,
    /// Absolute position of the first row.
    pub position: u64,
    /// How many rows, at consecutive positions.
    pub rows: usize,
}

/// The rows of one step: runs, one after the other. Positions are as ragged as they come.
#[derive(Clone, Debug)]
pub struct Batch {
    runs: Vec<Run>,
}

impl Batch {
    /// A batch of these runs.
    ///
    /// # Panics
    /// When a slot appears twice: its rows would not see each other.
    pub fn new(runs: Vec<Run>) -> Batch {
        for (i, run) in runs.iter().enumerate() {
            let twice = runs[..i].iter().any(|other| other.slot == run.slot);
            assert!(!twice, "one run for each slot of a batch");
        }
        Batch { runs }
    }

    /// The runs in order.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Rows of all runs.
    pub fn rows(&self) -> usize {
        self.runs.iter().map(|run| run.rows).sum()
    }

    /// The position of every row.
    pub fn positions(&self) -> impl Iterator<Item = u64> + '_ {
        self.runs
            .iter()
            .flat_map(|run| run.position..run.position + run.rows as u64)
    }
}

/// How keys and values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheFormat {
    /// 32-bit floats: the reference.
    F32,
    /// What the published models keep: half the memory and half the reading.
    Bf16,
}

impl CacheFormat {
    fn bytes(self) -> usize {
        match self {
            CacheFormat::F32 => 4,
            CacheFormat::Bf16 => 2,
        }
    }
}

/// Sizes of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheShape {
    /// Rings.
    pub slots: usize,
    /// Positions a ring holds at least.
    pub positions: usize,
    /// Heads of keys and values.
    pub heads: usize,
    /// Channels of a head.
    pub head_dim: usize,
}

/// Keys that lie together: one register of scores.
pub(crate) const BLOCK: usize = 16;

impl CacheShape {
    /// Positions as stored: whole blocks.
    pub fn capacity(&self) -> usize {
        self.positions.next_multiple_of(BLOCK)
    }

    /// Channels of a value as stored.
    pub(crate) fn value_dim(&self) -> usize {
        self.head_dim.next_multiple_of(BLOCK)
    }

    /// Bytes of a cache when every position of every ring was written.
    pub fn bytes(&self, format: CacheFormat) -> usize {
        let position = (self.head_dim + self.value_dim()) * self.heads;
        self.slots * self.capacity() * position * format.bytes()
    }
}

/// The rings of one layer. Keys lie as `[slot, head, block, channel, 16]`, values as
/// `[slot, head, position, channel]`; memory becomes resident as positions are first written.
pub struct KvCache {
    shape: CacheShape,
    format: CacheFormat,
    keys: Pages,
    values: Pages,
}

impl KvCache {
    /// Empty rings. Fails when the system has no memory to promise.
    pub fn new(shape: CacheShape, format: CacheFormat) -> io::Result<KvCache> {
        let positions = shape.slots * shape.heads * shape.capacity() * format.bytes();
        Ok(KvCache {
            shape,
            format,
            keys: Pages::zeroed(positions * shape.head_dim, Backing::Lazy)?,
            values: Pages::zeroed(positions * shape.value_dim(), Backing::Lazy)?,
        })
    }

    /// Its sizes.
    pub fn shape(&self) -> CacheShape {
        self.shape
    }

    /// Copies the last `window` positions before `end` from one ring to another.
    ///
    /// # Panics
    /// When the window is larger than the ring.
    pub fn copy(&mut self, from: usize, to: usize, end: u64, window: usize) {
        let shape = self.shape;
        assert!(window <= shape.capacity(), "a window fits its ring");
        let first = end.saturating_sub(window as u64) / BLOCK as u64;
        let blocks = end.div_ceil(BLOCK as u64) - first;
        let ring = (shape.capacity() / BLOCK) as u64;
        for head in 0..shape.heads {
            for block in first..first + blocks.min(ring) {
                let block = (block % ring) as usize;
                for (pages, dim) in [
                    (&mut self.keys, shape.head_dim),
                    (&mut self.values, shape.value_dim()),
                ] {
                    let bytes = BLOCK * dim * self.format.bytes();
                    let at = |slot: usize| {
                        ((slot * shape.heads + head) * shape.capacity() / BLOCK + block) * bytes
                    };
                    pages.copy_within(at(from)..at(from) + bytes, at(to));
                }
            }
        }
    }

    /// Copies the last `window` positions before `end` from a ring of another cache.
    ///
    /// # Panics
    /// When the rings are not of the same shape and format, or the window is larger than they are.
    pub fn copy_from(&mut self, other: &KvCache, from: usize, to: usize, end: u64, window: usize) {
        let shape = self.shape;
        let slots = shape.slots;
        let alike = CacheShape {
            slots,
            ..other.shape
        };
        assert!(
            shape == alike && self.format == other.format,
            "rings of the same shape"
        );
        assert!(window <= shape.capacity(), "a window fits its ring");
        let first = end.saturating_sub(window as u64) / BLOCK as u64;
        let blocks = end.div_ceil(BLOCK as u64) - first;
        let ring = (shape.capacity() / BLOCK) as u64;
        for head in 0..shape.heads {
            for block in first..first + blocks.min(ring) {
                let block = (block % ring) as usize;
                for (pages, source, dim) in [
                    (&mut self.keys, &other.keys, shape.head_dim),
                    (&mut self.values, &other.values, shape.value_dim()),
                ] {
                    let bytes = BLOCK * dim * self.format.bytes();
                    let at = |slot: usize| {
                        ((slot * shape.heads + head) * shape.capacity() / BLOCK + block) * bytes
                    };
                    pages[at(to)..at(to) + bytes]
                        .copy_from_slice(&source[at(from)..at(from) + bytes]);
                }
            }
        }
    }

    /// The key and the value of one head at a position that was written and is still in its ring:
    /// what a comparison with a reference looks at.
    pub fn at(&mut self, slot: usize, head: usize, position: u64) -> (Vec<f32>, Vec<f32>) {
        let shape = self.shape;
        let ring = slot * shape.heads + head;
        match self.rings() {
            Rings::F32(rings) => read(&rings[ring], &shape, position, |v| *v),
            Rings::Bf16(rings) => read(&rings[ring], &shape, position, |v| {
                bf16::from_bits(*v).to_f32()
            }),
        }
    }

    /// The ring of every slot and head, in this order, to be handed to threads.
    pub(crate) fn rings(&mut self) -> Rings<'_> {
        let shape = self.shape;
        let keys = shape.capacity() * shape.head_dim;
        let values = shape.capacity() * shape.value_dim();
        match self.format {
            CacheFormat::F32 => Rings::F32(split(&mut self.keys, keys, &mut self.values, values)),
            CacheFormat::Bf16 => Rings::Bf16(split(&mut self.keys, keys, &mut self.values, values)),
        }
    }
}

fn read<T: Lane>(
    ring: &std::sync::Mutex<Ring<'_, T>>,
    shape: &CacheShape,
    position: u64,
    wide: impl Fn(&T) -> f32,
) -> (Vec<f32>, Vec<f32>) {
    let ring = ring
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let at = (position % shape.capacity() as u64) as usize;
    let (block, lane) = (at / BLOCK, at % BLOCK);
    let keys = &ring.keys[block * shape.head_dim * BLOCK..];
    let values = &ring.values[at * shape.value_dim()..];
    let key = keys.iter().skip(lane).step_by(BLOCK).take(shape.head_dim);
    let value = values.iter().take(shape.head_dim);
    (key.map(&wide).collect(), value.map(&wide).collect())
}

fn split<'a, T: Lane>(
    keys: &'a mut Pages,
    keys_len: usize,
    values: &'a mut Pages,
    values_len: usize,
) -> Vec<std::sync::Mutex<Ring<'a, T>>> {
    let keys = keys.of_mut::<T>().chunks_exact_mut(keys_len);
    let values = values.of_mut::<T>().chunks_exact_mut(values_len);
    keys.zip(values)
        .map(|(keys, values)| std::sync::Mutex::new(Ring { keys, values }))
        .collect()
}

/// One head's keys and values in one slot.
pub(crate) struct Ring<'a, T> {
    pub keys: &'a mut [T],
    pub values: &'a mut [T],
}

/// All rings of a layer; each is locked by the one thread that works on it.
pub(crate) enum Rings<'a> {
    F32(Vec<std::sync::Mutex<Ring<'a, f32>>>),
    Bf16(Vec<std::sync::Mutex<Ring<'a, u16>>>),
}

/// A stored number.
pub(crate) trait Lane: crate::pages::Plain {
    fn narrow(value: f32) -> Self;
    /// Sixteen of them.
    ///
    /// # Safety
    /// As [`Lanes`] says.
    #[allow(unsafe_code)]
    unsafe fn lanes<L: Lanes>(from: *const Self) -> L;
}

impl Lane for f32 {
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn lanes<L: Lanes>(from: *const f32) -> L {
        // SAFETY: the caller's contract.
        unsafe { L::load(from) }
    }
    #[inline(always)]
    fn narrow(value: f32) -> f32 {
        value
    }
}

impl Lane for u16 {
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn lanes<L: Lanes>(from: *const u16) -> L {
        // SAFETY: the caller's contract.
        unsafe { L::widen(from) }
    }
    #[inline(always)]
    fn narrow(value: f32) -> u16 {
        bf16::from_f32(value).to_bits()
    }
}

impl<T: Lane> Ring<'_, T> {
    /// Stores the key and the value of a position.
    pub fn write(&mut self, shape: &CacheShape, position: u64, key: &[f32], value: &[f32]) {
        let at = (position % shape.capacity() as u64) as usize;
        let (block, lane) = (at / BLOCK, at % BLOCK);
        let keys = &mut self.keys[block * shape.head_dim * BLOCK..];
        for (c, key) in key.iter().enumerate() {
            keys[c * BLOCK + lane] = T::narrow(*key);
        }
        let values = &mut self.values[at * shape.value_dim()..];
        for (to, value) in values.iter_mut().zip(value) {
            *to = T::narrow(*value);
        }
    }
}

/// The positions a query at `position` sees: the last `window`, itself included.
pub fn visible(position: u64, window: usize) -> Range<u64> {
    (position + 1).saturating_sub(window as u64)..position + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_sees_itself_and_no_more_than_the_window() {
        assert_eq!(visible(0, 4), 0..1);
        assert_eq!(visible(3, 4), 0..4);
        assert_eq!(visible(4, 4), 1..5);
        assert_eq!(
            visible(1_000_000_000_000, 1),
            1_000_000_000_000..1_000_000_000_001
        );
    }

    #[test]
    #[should_panic(expected = "one run for each slot")]
    fn a_slot_twice_is_refused() {
        let run = Run {
            slot: 1,
            position: 0,
            rows: 1,
        };
        Batch::new(vec![run, run]);
    }
}
