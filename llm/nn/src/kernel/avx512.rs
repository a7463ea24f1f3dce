//! The kernels for AVX-512 with VNNI: a panel is one register wide.
//!
//! bf16 weights are widened to f32 by a shift and a mask and multiplied in f32. The dot product of
//! bf16 pairs, where there is one, halves the work of many rows; it does not read memory faster.
#![allow(unsafe_code)]
use std::arch::x86_64::*;

use super::{PANELS, Part, ROWS, Tile, with_sizes};
use crate::{
    cpu::Isa,
    matrix::{Format, GROUP, PANEL},
    quantize::HALVES,
};

pub(super) fn tile(isa: Isa, part: Part<'_>, out: &mut Tile) {
    // SAFETY: called only when the set was detected; `super::tile` checked the bounds of
    // panels and rows, and the matrix and the prepared rows are padded alike.
    unsafe {
        match part.matrix.format() {
            Format::F32 => with_sizes!(part, f32_tile(&part, out)),
            Format::Bf16 if isa == Isa::Avx512Bf16 => with_sizes!(part, pairs_tile(&part, out)),
            Format::Bf16 => with_sizes!(part, bf16_tile(&part, out)),
            Format::Q8 => with_sizes!(part, q8_tile(&part, out)),
            Format::Q4 => with_sizes!(part, q4_tile(&part, out)),
        }
    }
}

/// Where the tile's first panel and its rows begin.
struct Pointers {
    panel: *const u8,
    stride: usize,
    scales_at: usize,
}

impl Pointers {
    fn new(part: &Part<'_>) -> Pointers {
        let stride = part.matrix.stride();
        Pointers {
            panel: part.matrix.packed()[part.panel * stride..].as_ptr(),
            stride,
            scales_at: part.matrix.scales_at(),
        }
    }
}

/// How far ahead of the weights being read the next ones are asked for.
const AHEAD: usize = 2048;

/// Asks for weights that will be read soon: the processor does so by itself, but not soon enough
/// for several streams of small numbers (measured with q4: 28 GB/s without, 30 with).
#[inline]
#[target_feature(enable = "avx512f")]
fn prefetch(panel: *const u8) {
    // Any address may be asked for; beyond a matrix it is in vain.
    _mm_prefetch::<_MM_HINT_T0>(panel.wrapping_add(AHEAD).cast());
}

type Accumulators<const M: usize, const P: usize> = [[__m512; M]; P];

#[target_feature(enable = "avx512f")]
unsafe fn store<const M: usize, const P: usize>(acc: &Accumulators<M, P>, out: &mut Tile) {
    const { assert!(M <= ROWS && P <= PANELS) };
    for (acc, out) in acc.iter().zip(&mut out.0) {
        for (acc, out) in acc.iter().zip(out) {
            // SAFETY: sixteen floats fit sixteen floats.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), *acc) };
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn f32_tile<const M: usize, const P: usize>(part: &Part<'_>, out: &mut Tile) {
    let at = Pointers::new(part);
    let x: [*const f32; M] =
        std::array::from_fn(|m| part.x.plain[(part.row + m) * part.x.plain_stride..].as_ptr());
    let mut acc: Accumulators<M, P> = [[_mm512_setzero_ps(); M]; P];
    for c in 0..part.matrix.padded_cols() {
        let mut weights = [_mm512_setzero_ps(); P];
        for (p, w) in weights.iter_mut().enumerate() {
            // SAFETY: column `c` of a panel inside the matrix.
            *w = unsafe { _mm512_loadu_ps(at.panel.add(p * at.stride + c * 64).cast()) };
        }
        for m in 0..M {
            // SAFETY: row `row + m` has this column.
            let x = _mm512_set1_ps(unsafe { *x[m].add(c) });
            for p in 0..P {
                acc[p][m] = _mm512_fmadd_ps(weights[p], x, acc[p][m]);
            }
        }
    }
    // SAFETY: the caller's processor has the feature.
    unsafe { store(&acc, out) };
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn bf16_tile<const M: usize, const P: usize>(part: &Part<'_>, out: &mut Tile) {
    // SAFETY: the contract is `tile`'s. Both halves at once read the weights once; for several
    // rows there are not enough registers.
    unsafe {
        if M == 1 {
            halves_tile::<M, P, HALVES>(part, out);
        } else {
            halves_tile::<M, P, 1>(part, out);
        }
    }
}

/// `H` halves of the activations at once.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn halves_tile<const M: usize, const P: usize, const H: usize>(
    part: &Part<'_>,
    out: &mut Tile,
) {
    let at = Pointers::new(part);
    let width = part.x.bf16.blocks * GROUP;
    let x: [*const f32; M] =
        std::array::from_fn(|m| part.x.bf16.wide[(part.row + m) * HALVES * width..].as_ptr());
    let high = _mm512_set1_epi32(0xffff_0000_u32 as i32);
    let mut acc: Accumulators<M, P> = [[_mm512_setzero_ps(); M]; P];
    for block in 0..part.x.bf16.blocks {
        for half in (0..HALVES).step_by(H) {
            let mut even = [[[_mm512_setzero_ps(); M]; P]; H];
            let mut odd = [[[_mm512_setzero_ps(); M]; P]; H];
            for pair in block * GROUP / 2..(block + 1) * GROUP / 2 {
                for p in 0..P {
                    let from = at.panel.wrapping_add(p * at.stride + pair * 64);
                    if half == 0 {
                        prefetch(from);
                    }
                    // SAFETY: a pair of columns of a panel inside the matrix.
                    let both = unsafe { _mm512_loadu_si512(from.cast()) };
                    let first = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(both));
                    let second = _mm512_castsi512_ps(_mm512_and_si512(both, high));
                    for h in 0..H {
                        for m in 0..M {
                            // SAFETY: prepared rows have two halves of whole blocks of columns.
                            let (a, b) = unsafe {
                                let x = x[m].add((half + h) * width + pair * 2);
                                (_mm512_set1_ps(*x), _mm512_set1_ps(*x.add(1)))
                            };
                            even[h][p][m] = _mm512_fmadd_ps(first, a, even[h][p][m]);
                            odd[h][p][m] = _mm512_fmadd_ps(second, b, odd[h][p][m]);
                        }
                    }
                }
            }
            for h in 0..H {
                for p in 0..P {
                    for m in 0..M {
                        let sum = _mm512_add_ps(even[h][p][m], odd[h][p][m]);
                        acc[p][m] = _mm512_add_ps(acc[p][m], sum);
                    }
                }
            }
        }
    }
    // SAFETY: the caller's processor has the feature.
    unsafe { store(&acc, out) };
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")]
unsafe fn pairs_tile<const M: usize, const P: usize>(part: &Part<'_>, out: &mut Tile) {
    let at = Pointers::new(part);
    let width = part.x.bf16.blocks * GROUP / 2;
    let x: [*const u32; M] =
        std::array::from_fn(|m| part.x.bf16.pairs[(part.row + m) * HALVES * width..].as_ptr());
    let mut acc: Accumulators<M, P> = [[_mm512_setzero_ps(); M]; P];
    for pair in 0..width {
        let mut weights = [_mm512_setzero_si512(); P];
        for (p, w) in weights.iter_mut().enumerate() {
            // SAFETY: a pair of columns of a panel inside the matrix.
            *w = unsafe { _mm512_loadu_si512(at.panel.add(p * at.stride + pair * 64).cast()) };
        }
        for m in 0..M {
            for half in 0..HALVES {
                // SAFETY: prepared rows have two halves of whole blocks of columns.
                let x = _mm512_set1_epi32(unsafe { *x[m].add(half * width + pair) } as i32);
                for p in 0..P {
                    // SAFETY: both are registers of 32 bf16 numbers, whatever they are called.
                    let (w, x) = unsafe {
                        (
                            std::mem::transmute::<__m512i, __m512bh>(weights[p]),
                            std::mem::transmute::<__m512i, __m512bh>(x),
                        )
                    };
                    acc[p][m] = _mm512_dpbf16_ps(acc[p][m], w, x);
                }
            }
        }
    }
    // SAFETY: the caller's processor has the feature.
    unsafe { store(&acc, out) };
}

/// One group's integer sums become f32 and join the accumulators.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn scale_and_add<const M: usize, const P: usize>(
    part: &Part<'_>,
    at: &Pointers,
    group: usize,
    sums: &[[__m512i; M]; P],
    acc: &mut Accumulators<M, P>,
) {
    let x = &part.x.integer;
    for p in 0..P {
        // SAFETY: sixteen f16 scales for each group follow the panel's body.
        let scales = _mm512_cvtph_ps(unsafe {
            _mm256_loadu_si256(
                at.panel
                    .add(p * at.stride + at.scales_at + group * PANEL * 2)
                    .cast(),
            )
        });
        for m in 0..M {
            // SAFETY: one scale for each group of each row.
            let scale = unsafe { *x.scales.as_ptr().add((part.row + m) * x.groups + group) };
            acc[p][m] = _mm512_fmadd_ps(
                _mm512_cvtepi32_ps(sums[p][m]),
                _mm512_mul_ps(scales, _mm512_set1_ps(scale)),
                acc[p][m],
            );
        }
    }
}

/// What the weights' offset will have added, taken away beforehand.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn start<const M: usize, const P: usize>(
    part: &Part<'_>,
    group: usize,
    offset: i32,
) -> [[__m512i; M]; P] {
    let x = &part.x.integer;
    let mut sums = [[_mm512_setzero_si512(); M]; P];
    for m in 0..M {
        // SAFETY: one sum for each group of each row.
        let sum = unsafe { *x.sums.as_ptr().add((part.row + m) * x.groups + group) };
        for sums in &mut sums {
            sums[m] = _mm512_set1_epi32(-offset * sum);
        }
    }
    sums
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
unsafe fn q8_tile<const M: usize, const P: usize>(part: &Part<'_>, out: &mut Tile) {
    let at = Pointers::new(part);
    let x = &part.x.integer;
    let quads: [*const i32; M] =
        std::array::from_fn(|m| x.quads[(part.row + m) * x.groups * 8..].as_ptr());
    let mut acc: Accumulators<M, P> = [[_mm512_setzero_ps(); M]; P];
    for group in 0..x.groups {
        // SAFETY: bounds as checked by `super::tile`; eight quads to a group.
        unsafe {
            let mut sums: [[__m512i; M]; P] = start(part, group, 128);
            for quad in 0..8 {
                let mut weights = [_mm512_setzero_si512(); P];
                for (p, w) in weights.iter_mut().enumerate() {
                    let from = p * at.stride + (group * 8 + quad) * 64;
                    prefetch(at.panel.wrapping_add(from));
                    *w = _mm512_loadu_si512(at.panel.add(from).cast());
                }
                for m in 0..M {
                    let x = _mm512_set1_epi32(*quads[m].add(group * 8 + quad));
                    for p in 0..P {
                        sums[p][m] = _mm512_dpbusd_epi32(sums[p][m], weights[p], x);
                    }
                }
            }
            scale_and_add(part, &at, group, &sums, &mut acc);
        }
    }
    // SAFETY: the caller's processor has the feature.
    unsafe { store(&acc, out) };
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
unsafe fn q4_tile<const M: usize, const P: usize>(part: &Part<'_>, out: &mut Tile) {
    let at = Pointers::new(part);
    let x = &part.x.integer;
    let nibble = _mm512_set1_epi8(15);
    let quads: [*const i32; M] =
        std::array::from_fn(|m| x.quads[(part.row + m) * x.groups * 8..].as_ptr());
    let mut acc: Accumulators<M, P> = [[_mm512_setzero_ps(); M]; P];
    for group in 0..x.groups {
        // SAFETY: bounds as checked by `super::tile`; eight quads to a group, two in each
        // register.
        unsafe {
            let mut sums: [[__m512i; M]; P] = start(part, group, 8);
            for unit in 0..4 {
                let mut low = [_mm512_setzero_si512(); P];
                let mut high = [_mm512_setzero_si512(); P];
                for p in 0..P {
                    let from = p * at.stride + (group * 4 + unit) * 64;
                    prefetch(at.panel.wrapping_add(from));
                    let both = _mm512_loadu_si512(at.panel.add(from).cast());
                    low[p] = _mm512_and_si512(both, nibble);
                    high[p] = _mm512_and_si512(_mm512_srli_epi16::<4>(both), nibble);
                }
                for m in 0..M {
                    let a = _mm512_set1_epi32(*quads[m].add(group * 8 + unit));
                    let b = _mm512_set1_epi32(*quads[m].add(group * 8 + unit + 4));
                    for p in 0..P {
                        sums[p][m] = _mm512_dpbusd_epi32(sums[p][m], low[p], a);
                        sums[p][m] = _mm512_dpbusd_epi32(sums[p][m], high[p], b);
                    }
                }
            }
            scale_and_add(part, &at, group, &sums, &mut acc);
        }
    }
    // SAFETY: the caller's processor has the feature.
    unsafe { store(&acc, out) };
}
