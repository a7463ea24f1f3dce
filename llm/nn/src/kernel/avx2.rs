//! The kernels for AVX2 with FMA and F16C: a panel is two registers wide, and one panel is done
//! after the other because sixteen registers hold no more.
#![allow(unsafe_code)]
use std::arch::x86_64::*;

use super::{Part, Tile};
use crate::{
    matrix::{Format, GROUP, PANEL},
    quantize::HALVES,
};

pub(super) fn tile(part: Part<'_>, out: &mut Tile) {
    for p in 0..part.panels {
        let one = Part {
            panel: part.panel + p,
            panels: 1,
            ..part
        };
        let out = &mut out.0[p];
        // SAFETY: called only when `Isa::Avx2` was detected; `super::tile` checked the bounds of
        // panels and rows, and the matrix and the prepared rows are padded alike.
        unsafe {
            match part.rows {
                1 => rows::<1>(&one, out),
                2 => rows::<2>(&one, out),
                3 => rows::<3>(&one, out),
                _ => rows::<4>(&one, out),
            }
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn rows<const M: usize>(part: &Part<'_>, out: &mut [[f32; PANEL]]) {
    // SAFETY: the contract is `tile`'s.
    let acc: [[__m256; 2]; M] = unsafe {
        match part.matrix.format() {
            Format::F32 => f32_panel(part),
            Format::Bf16 => bf16_panel(part),
            Format::Q8 => q8_panel(part),
            Format::Q4 => q4_panel(part),
        }
    };
    for (acc, out) in acc.iter().zip(out) {
        // SAFETY: twice eight floats are sixteen.
        unsafe {
            _mm256_storeu_ps(out.as_mut_ptr(), acc[0]);
            _mm256_storeu_ps(out.as_mut_ptr().add(8), acc[1]);
        }
    }
}

fn panel(part: &Part<'_>) -> *const u8 {
    part.matrix.packed()[part.panel * part.matrix.stride()..].as_ptr()
}

#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn f32_panel<const M: usize>(part: &Part<'_>) -> [[__m256; 2]; M] {
    let panel = panel(part).cast::<f32>();
    let stride = part.x.plain_stride;
    let x = part.x.plain[part.row * stride..].as_ptr();
    let mut acc = [[_mm256_setzero_ps(); 2]; M];
    for c in 0..part.matrix.padded_cols() {
        // SAFETY: column `c` of the panel and of each row.
        unsafe {
            let low = _mm256_loadu_ps(panel.add(c * PANEL));
            let high = _mm256_loadu_ps(panel.add(c * PANEL + 8));
            for (m, acc) in acc.iter_mut().enumerate() {
                let x = _mm256_set1_ps(*x.add(m * stride + c));
                acc[0] = _mm256_fmadd_ps(low, x, acc[0]);
                acc[1] = _mm256_fmadd_ps(high, x, acc[1]);
            }
        }
    }
    acc
}

#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn bf16_panel<const M: usize>(part: &Part<'_>) -> [[__m256; 2]; M] {
    let panel = panel(part);
    let width = part.x.bf16.blocks * GROUP;
    let x = part.x.bf16.wide[part.row * HALVES * width..].as_ptr();
    let mask = _mm256_set1_epi32(0xffff_0000_u32 as i32);
    let mut acc = [[_mm256_setzero_ps(); 2]; M];
    for block in 0..part.x.bf16.blocks {
        // One half of the activations, and of the panel, after the other: three accumulators for
        // each of four rows fill the registers.
        for (half, eight) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let mut even = [_mm256_setzero_ps(); M];
            let mut odd = [_mm256_setzero_ps(); M];
            for pair in block * GROUP / 2..(block + 1) * GROUP / 2 {
                // SAFETY: a pair of columns of the panel and of each row, which have whole blocks.
                unsafe {
                    let both = _mm256_loadu_si256(panel.add(pair * 64 + eight * 32).cast());
                    let first = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(both));
                    let second = _mm256_castsi256_ps(_mm256_and_si256(both, mask));
                    for m in 0..M {
                        let x = x.add((m * HALVES + half) * width + pair * 2);
                        even[m] = _mm256_fmadd_ps(first, _mm256_set1_ps(*x), even[m]);
                        odd[m] = _mm256_fmadd_ps(second, _mm256_set1_ps(*x.add(1)), odd[m]);
                    }
                }
            }
            for m in 0..M {
                acc[m][eight] = _mm256_add_ps(acc[m][eight], _mm256_add_ps(even[m], odd[m]));
            }
        }
    }
    acc
}

/// One group's integer sums, offset taken away, become f32 and join the accumulators.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn scale_and_add<const M: usize>(
    part: &Part<'_>,
    group: usize,
    offset: i32,
    sums: &[[__m256i; 2]; M],
    acc: &mut [[__m256; 2]; M],
) {
    let x = &part.x.integer;
    for half in 0..2 {
        // SAFETY: sixteen f16 scales for each group follow the panel's body; one scale and one
        // sum for each group of each row.
        unsafe {
            let scales = panel(part).add(part.matrix.scales_at() + (group * PANEL + half * 8) * 2);
            let scales = _mm256_cvtph_ps(_mm_loadu_si128(scales.cast()));
            for m in 0..M {
                let at = (part.row + m) * x.groups + group;
                let taken = _mm256_set1_epi32(offset * *x.sums.as_ptr().add(at));
                let sum = _mm256_cvtepi32_ps(_mm256_sub_epi32(sums[m][half], taken));
                let scale = _mm256_set1_ps(*x.scales.as_ptr().add(at));
                acc[m][half] = _mm256_fmadd_ps(sum, _mm256_mul_ps(scales, scale), acc[m][half]);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn q8_panel<const M: usize>(part: &Part<'_>) -> [[__m256; 2]; M] {
    let panel = panel(part);
    let x = &part.x.integer;
    let byte = _mm256_set1_epi16(255);
    let mut acc = [[_mm256_setzero_ps(); 2]; M];
    for group in 0..x.groups {
        let mut sums = [[_mm256_setzero_si256(); 2]; M];
        for quad in group * 8..group * 8 + 8 {
            for half in 0..2 {
                // SAFETY: a quad of columns of the panel and of each row. Products of bytes
                // could overflow pairs of 16 bits, so bytes are widened first.
                unsafe {
                    let all = _mm256_loadu_si256(panel.add(quad * 64 + half * 32).cast());
                    let even = _mm256_and_si256(all, byte);
                    let odd = _mm256_srli_epi16::<8>(all);
                    for (m, sums) in sums.iter_mut().enumerate() {
                        let [a, b] = *x.pairs.as_ptr().add((part.row + m) * x.groups * 8 + quad);
                        let products = _mm256_add_epi32(
                            _mm256_madd_epi16(even, _mm256_set1_epi32(a)),
                            _mm256_madd_epi16(odd, _mm256_set1_epi32(b)),
                        );
                        sums[half] = _mm256_add_epi32(sums[half], products);
                    }
                }
            }
        }
        // SAFETY: the contract is `tile`'s.
        unsafe { scale_and_add(part, group, 128, &sums, &mut acc) };
    }
    acc
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn q4_panel<const M: usize>(part: &Part<'_>) -> [[__m256; 2]; M] {
    let panel = panel(part);
    let x = &part.x.integer;
    let nibble = _mm256_set1_epi8(15);
    let ones = _mm256_set1_epi16(1);
    let mut acc = [[_mm256_setzero_ps(); 2]; M];
    for group in 0..x.groups {
        // Eight quads of pairs, each at most 2 * 15 * 127, stay below 2^15.
        let mut sums = [[_mm256_setzero_si256(); 2]; M];
        for unit in 0..4 {
            for half in 0..2 {
                // SAFETY: two quads of columns of the panel and of each row.
                unsafe {
                    let from = (group * 4 + unit) * 64 + half * 32;
                    let both = _mm256_loadu_si256(panel.add(from).cast());
                    let low = _mm256_and_si256(both, nibble);
                    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(both), nibble);
                    for (m, sums) in sums.iter_mut().enumerate() {
                        let quads = x
                            .quads
                            .as_ptr()
                            .add(((part.row + m) * x.groups + group) * 8);
                        let a = _mm256_set1_epi32(*quads.add(unit));
                        let b = _mm256_set1_epi32(*quads.add(unit + 4));
                        let products = _mm256_add_epi16(
                            _mm256_maddubs_epi16(low, a),
                            _mm256_maddubs_epi16(high, b),
                        );
                        sums[half] = _mm256_add_epi16(sums[half], products);
                    }
                }
            }
        }
        for sums in &mut sums {
            for half in sums {
                *half = _mm256_madd_epi16(*half, ones);
            }
        }
        // SAFETY: the contract is `tile`'s.
        unsafe { scale_and_add(part, group, 8, &sums, &mut acc) };
    }
    acc
}
