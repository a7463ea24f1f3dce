//! Ring, window and raggedness against plain attention over the whole history in f64.
#![allow(clippy::unwrap_used)]
use candle_core::Device;

use super::*;
use crate::{kernel::tests::noise, kv_cache::CacheFormat};

const HEADS: Heads = Heads {
    heads: 6,
    kv_heads: 2,
    head_dim: 24,
    window: 20,
    layout: RopeLayout::Interleaved,
};

fn batch(runs: &[(usize, u64, usize)]) -> Batch {
    let run = |&(slot, position, rows)| Run {
        slot,
        position,
        rows,
    };
    Batch::new(runs.iter().map(run).collect())
}

/// Row `position` of the session `session`.
fn qkv(heads: &Heads, session: u64, position: u64) -> Vec<f32> {
    noise(heads.width(), session * 1_000_003 + position + 1)
        .iter()
        .map(|v| v * 2.0)
        .collect()
}

fn step(
    isa: Isa,
    heads: &Heads,
    cache: &mut KvCache,
    runs: &[(usize, u64, usize)],
    session: impl Fn(usize) -> u64,
) -> Vec<Vec<f32>> {
    let batch = batch(runs);
    let mut rows = Vec::new();
    for run in batch.runs() {
        for p in run.position..run.position + run.rows as u64 {
            rows.extend(qkv(heads, session(run.slot), p));
        }
    }
    let x = Tensor::from_vec(rows, (batch.rows(), heads.width()), &Device::Cpu).unwrap();
    let angles = Angles::new(&batch, heads.head_dim, 1e4);
    let out = attend_with(isa, &x, heads, &batch, &angles, cache).unwrap();
    out.to_vec2().unwrap()
}

/// Attention of one position as written in a textbook.
fn plain(heads: &Heads, session: u64, position: u64) -> Vec<f32> {
    let d = heads.head_dim;
    let rotated = |p: u64, index: usize| -> Vec<f64> {
        let mut head = qkv(heads, session, p)[index * d..(index + 1) * d].to_vec();
        Angles::new(&batch(&[(0, p, 1)]), d, 1e4).rotate(heads.layout, 0, &mut head);
        head.iter().map(|v| f64::from(*v)).collect()
    };
    let mut out = Vec::new();
    for h in 0..heads.heads {
        let kv = h / (heads.heads / heads.kv_heads);
        let q = rotated(position, h);
        let seen: Vec<u64> = (0..=position)
            .filter(|j| *j + heads.window as u64 > position)
            .collect();
        let scores: Vec<f64> = seen
            .iter()
            .map(|j| {
                let k = rotated(*j, heads.heads + kv);
                q.iter().zip(k).map(|(a, b)| a * b).sum::<f64>() / (d as f64).sqrt()
            })
            .collect();
        let sum: f64 = scores.iter().map(|s| s.exp()).sum();
        for c in 0..d {
            let index = (heads.heads + heads.kv_heads + kv) * d + c;
            let value = |j: u64| f64::from(qkv(heads, session, j)[index]);
            let mixed: f64 = seen
                .iter()
                .zip(&scores)
                .map(|(j, s)| s.exp() / sum * value(*j))
                .sum();
            out.push(mixed as f32);
        }
    }
    out
}

fn close(got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() < tolerance, "{got} for {want}");
    }
}

fn cache(heads: &Heads, slots: usize, together: usize, format: CacheFormat) -> KvCache {
    KvCache::new(heads.cache_shape(slots, together), format).unwrap()
}

#[test]
fn the_ring_is_the_whole_history() {
    for isa in Isa::available() {
        for layout in [RopeLayout::Interleaved, RopeLayout::SplitHalf] {
            for head_dim in [16, 24, 64] {
                let heads = Heads {
                    head_dim,
                    layout,
                    ..HEADS
                };
                let mut cache = cache(&heads, 1, 4, CacheFormat::F32);
                let mut position = 0;
                for rows in [1, 4, 4, 3, 1, 2, 4, 4, 4, 4, 1, 4, 4, 4, 4, 4, 4, 4] {
                    let got = step(isa, &heads, &mut cache, &[(0, position, rows)], |_| 7);
                    for row in got {
                        close(&row, &plain(&heads, 7, position), 2e-5);
                        position += 1;
                    }
                }
            }
        }
    }
}

#[test]
fn bf16_caches_lose_little() {
    let mut cache = cache(&HEADS, 1, 1, CacheFormat::Bf16);
    for position in 0..70 {
        let got = step(
            Isa::detect(),
            &HEADS,
            &mut cache,
            &[(0, position, 1)],
            |_| 3,
        );
        close(&got[0], &plain(&HEADS, 3, position), 0.05);
    }
}

#[test]
fn ragged_rows_in_one_batch_are_the_rows_alone() {
    let session = |slot: usize| slot as u64;
    for isa in Isa::available() {
        let alone: Vec<Vec<Vec<f32>>> = (0..3)
            .map(|slot| {
                let mut cache = cache(&HEADS, 3, 4, CacheFormat::Bf16);
                (0..60)
                    .map(|p| step(isa, &HEADS, &mut cache, &[(slot, p, 1)], session).remove(0))
                    .collect()
            })
            .collect();
        let mut cache = cache(&HEADS, 3, 4, CacheFormat::Bf16);
        let mut at = [0u64; 3];
        // Rows advance at their own pace, and some rest.
        for round in 0..18 {
            let runs: Vec<_> = (0..3)
                .map(|slot| (slot, at[slot], [3, 1, 2][(slot + round) % 3]))
                .filter(|(slot, ..)| (round + slot) % 4 != 0)
                .collect();
            let mut got = step(isa, &HEADS, &mut cache, &runs, session).into_iter();
            for (slot, position, rows) in runs {
                for p in position..position + rows as u64 {
                    assert_eq!(got.next().unwrap(), alone[slot][p as usize], "{isa:?}");
                }
                at[slot] += rows as u64;
            }
        }
        assert!(at.iter().all(|p| *p > HEADS.window as u64));
    }
}

#[test]
fn a_copied_ring_goes_on_like_the_original() {
    let session = |_| 5;
    for end in [1u64, 15, 16, 33, 90] {
        let mut cache = cache(&HEADS, 2, 4, CacheFormat::F32);
        for p in 0..end {
            step(Isa::detect(), &HEADS, &mut cache, &[(0, p, 1)], session);
        }
        cache.copy(0, 1, end, HEADS.window);
        let both = step(
            Isa::detect(),
            &HEADS,
            &mut cache,
            &[(0, end, 4), (1, end, 4)],
            session,
        );
        assert_eq!(both[..4], both[4..]);
        close(&both[3], &plain(&HEADS, 5, end + 3), 2e-5);
    }
}

/// A new lease of a row must not see what the last one left, not even as NaN.
#[test]
fn a_reused_ring_remembers_nothing() {
    let mut cache = cache(&HEADS, 1, 1, CacheFormat::F32);
    let width = HEADS.width();
    for p in 0..50 {
        let poison = Tensor::from_vec(vec![f32::NAN; width], (1, width), &Device::Cpu).unwrap();
        let one = batch(&[(0, p, 1)]);
        let angles = Angles::new(&one, HEADS.head_dim, 1e4);
        attend(&poison, &HEADS, &one, &angles, &mut cache).unwrap();
    }
    for p in 0..30 {
        let got = step(Isa::detect(), &HEADS, &mut cache, &[(0, p, 1)], |_| 9);
        close(&got[0], &plain(&HEADS, 9, p), 2e-5);
    }
}

#[test]
fn a_cache_too_small_is_refused() {
    let mut cache = cache(&HEADS, 1, 1, CacheFormat::F32);
    // The ring is rounded up to 32: 13 positions together still fit a window of 20, 14 do not.
    for (rows, fits) in [(13, true), (14, false)] {
        let one = batch(&[(0, 0, rows)]);
        let x = Tensor::zeros((rows, HEADS.width()), candle_core::DType::F32, &Device::Cpu);
        let angles = Angles::new(&one, HEADS.head_dim, 1e4);
        let result = attend(&x.unwrap(), &HEADS, &one, &angles, &mut cache);
        assert_eq!(result.is_ok(), fits);
    }
}
