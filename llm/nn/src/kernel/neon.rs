//! The kernels for AArch64: a panel is four registers wide. Bytes of weights lose their offset as
//! they are loaded and are multiplied by the dot product of bytes, or where there is none by long
//! products that are added in pairs.
#![allow(unsafe_code)]
use std::arch::{aarch64::*, asm};

use half::f16;

use super::{Part, ROWS, Tile};
use crate::{
    cpu::Isa,
    matrix::{Format, GROUP, PANEL},
    quantize::HALVES,
};

/// Registers of a panel.
const QUARTERS: usize = PANEL / 4;

pub(super) fn tile(isa: Isa, part: Part<'_>, out: &mut Tile) {
    for p in 0..part.panels {
        let one = Part {
            panel: part.panel + p,
            panels: 1,
            ..part
        };
        let out = &mut out.0[p];
        // SAFETY: every AArch64 has NEON, and `NeonDot` was detected; `super::tile` checked the
        // bounds of panels and rows, and the matrix and the prepared rows are padded alike.
        unsafe {
            match part.rows {
                1 => rows::<1>(isa, &one, out),
                2 => rows::<2>(isa, &one, out),
                3 => rows::<3>(isa, &one, out),
                _ => rows::<4>(isa, &one, out),
            }
        }
    }
}

type Accumulators<const M: usize> = [[float32x4_t; QUARTERS]; M];

unsafe fn rows<const M: usize>(isa: Isa, part: &Part<'_>, out: &mut [[f32; PANEL]]) {
    const { assert!(M <= ROWS) };
    // SAFETY: the contract is `tile`'s.
    let acc: Accumulators<M> = unsafe {
        match (part.matrix.format(), isa) {
            (Format::F32, _) => f32_panel(part),
            (Format::Bf16, _) => bf16_panel(part),
            (Format::Q8, Isa::NeonDot) => integer_panel::<M, 8, true>(part),
            (Format::Q8, _) => integer_panel::<M, 8, false>(part),
            (Format::Q4, Isa::NeonDot) => integer_panel::<M, 4, true>(part),
            (Format::Q4, _) => integer_panel::<M, 4, false>(part),
        }
    };
    for (acc, out) in acc.iter().zip(out) {
        for (q, acc) in acc.iter().enumerate() {
            // SAFETY: four times four floats are sixteen.
            unsafe { vst1q_f32(out.as_mut_ptr().add(q * 4), *acc) };
        }
    }
}

fn panel(part: &Part<'_>) -> *const u8 {
    part.matrix.packed()[part.panel * part.matrix.stride()..].as_ptr()
}

#[inline]
unsafe fn f32_panel<const M: usize>(part: &Part<'_>) -> Accumulators<M> {
    let panel = panel(part).cast::<f32>();
    let stride = part.x.plain_stride;
    let x = part.x.plain[part.row * stride..].as_ptr();
    // SAFETY: column `c` of the panel and of each row.
    unsafe {
        let mut acc: Accumulators<M> = [[vdupq_n_f32(0.0); QUARTERS]; M];
        for c in 0..part.matrix.padded_cols() {
            for q in 0..QUARTERS {
                let weights = vld1q_f32(panel.add(c * PANEL + q * 4));
                for (m, acc) in acc.iter_mut().enumerate() {
                    acc[q] = vfmaq_n_f32(acc[q], weights, *x.add(m * stride + c));
                }
            }
        }
        acc
    }
}

#[inline]
unsafe fn bf16_panel<const M: usize>(part: &Part<'_>) -> Accumulators<M> {
    let panel = panel(part);
    let width = part.x.bf16.blocks * GROUP;
    let x = part.x.bf16.wide[part.row * HALVES * width..].as_ptr();
    // SAFETY: pairs of columns of the panel and of each row, which have whole blocks.
    unsafe {
        let high = vdupq_n_u32(0xffff_0000);
        let mut acc: Accumulators<M> = [[vdupq_n_f32(0.0); QUARTERS]; M];
        for block in 0..part.x.bf16.blocks {
            for (q, half) in (0..QUARTERS).flat_map(|q| (0..HALVES).map(move |half| (q, half))) {
                let mut even = [vdupq_n_f32(0.0); M];
                let mut odd = [vdupq_n_f32(0.0); M];
                for pair in block * GROUP / 2..(block + 1) * GROUP / 2 {
                    let both = vld1q_u32(panel.add(pair * 64 + q * 16).cast());
                    let first = vreinterpretq_f32_u32(vshlq_n_u32::<16>(both));
                    let second = vreinterpretq_f32_u32(vandq_u32(both, high));
                    for m in 0..M {
                        let x = x.add((m * HALVES + half) * width + pair * 2);
                        even[m] = vfmaq_n_f32(even[m], first, *x);
                        odd[m] = vfmaq_n_f32(odd[m], second, *x.add(1));
                    }
                }
                for m in 0..M {
                    acc[m][q] = vaddq_f32(acc[m][q], vaddq_f32(even[m], odd[m]));
                }
            }
        }
        acc
    }
}

#[inline]
unsafe fn integer_panel<const M: usize, const BITS: usize, const DOT: bool>(
    part: &Part<'_>,
) -> Accumulators<M> {
    let panel = panel(part);
    let x = &part.x.integer;
    // SAFETY: eight quads of columns in each group of the panel and of each row, sixteen f16
    // scales for each group behind the panel's body, one scale for each group of each row.
    unsafe {
        let mut acc: Accumulators<M> = [[vdupq_n_f32(0.0); QUARTERS]; M];
        for group in 0..x.groups {
            let mut sums = [[vdupq_n_s32(0); QUARTERS]; M];
            for q in 0..QUARTERS {
                for quad in 0..8 {
                    let weights = signed::<BITS>(panel, group, quad, q);
                    for (m, sums) in sums.iter_mut().enumerate() {
                        let at = ((part.row + m) * x.groups + group) * 8 + quad;
                        let x = vreinterpretq_s8_s32(vdupq_n_s32(*x.quads.as_ptr().add(at)));
                        sums[q] = dot::<DOT>(sums[q], weights, x);
                    }
                }
            }
            let scales = panel.add(part.matrix.scales_at() + group * PANEL * 2);
            let scales = scales.cast::<[u16; PANEL]>().read_unaligned();
            let scales = scales.map(|bits| f16::from_bits(bits).to_f32());
            for q in 0..QUARTERS {
                let scales = vld1q_f32(scales.as_ptr().add(q * 4));
                for m in 0..M {
                    let scale = *x.scales.as_ptr().add((part.row + m) * x.groups + group);
                    let sum = vcvtq_f32_s32(sums[m][q]);
                    acc[m][q] = vfmaq_f32(acc[m][q], sum, vmulq_n_f32(scales, scale));
                }
            }
        }
        acc
    }
}

/// Four columns of four rows, without their offset.
#[inline]
unsafe fn signed<const BITS: usize>(
    panel: *const u8,
    group: usize,
    quad: usize,
    q: usize,
) -> int8x16_t {
    // SAFETY: the caller's quad is inside the panel.
    unsafe {
        if BITS == 8 {
            let bytes = vld1q_u8(panel.add((group * 8 + quad) * 64 + q * 16));
            return vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(128)));
        }
        let both = vld1q_u8(panel.add((group * 4 + quad % 4) * 64 + q * 16));
        let bytes = if quad < 4 {
            vandq_u8(both, vdupq_n_u8(15))
        } else {
            vshrq_n_u8::<4>(both)
        };
        vsubq_s8(vreinterpretq_s8_u8(bytes), vdupq_n_s8(8))
    }
}

/// Adds to every lane the products of its four bytes.
#[inline]
unsafe fn dot<const DOT: bool>(sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the caller's processor has the instructions.
    unsafe {
        if DOT {
            let mut sums = sums;
            // The intrinsic is not stable yet.
            asm!(
                ".arch_extension dotprod",
                "sdot {sums:v}.4s, {a:v}.16b, {b:v}.16b",
                sums = inout(vreg) sums,
                a = in(vreg) a,
                b = in(vreg) b,
                options(pure, nomem, nostack),
            );
            return sums;
        }
        let low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
        let high = vpaddlq_s16(vmull_high_s8(a, b));
        vaddq_s32(sums, vpaddq_s32(low, high))
    }
}
