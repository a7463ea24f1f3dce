//! The kernels for AMX: tiles of sixteen rows. A block of 32 columns of a panel is a tile as it
//! lies in memory, so weights are not rearranged; bytes of 4-bit weights are unfolded first.
//!
//! Tiles are configured and given back inside every function here, so that nothing else ever runs
//! with tiles in use, and a thread that sleeps has none to be saved.
#![allow(unsafe_code)]
use std::arch::{asm, x86_64::*};

use super::{Part, TILE_ROWS, Tile, avx512};
use crate::{
    cpu::Isa,
    matrix::{Format, GROUP, PANEL},
};

pub(super) fn tile(part: Part<'_>, out: &mut Tile) {
    match part.matrix.format() {
        // SAFETY: called only when `Isa::Amx` was detected; `super::tile` checked the bounds.
        Format::Bf16 => unsafe { bf16_tile(&part, out) },
        Format::Q8 | Format::Q4 if !part.x.integer.tiles.is_empty() => {
            // SAFETY: as above.
            unsafe {
                match part.rows {
                    1..=4 => integer_tile::<4>(&part, out),
                    5..=8 => integer_tile::<8>(&part, out),
                    _ => integer_tile::<16>(&part, out),
                }
            }
        }
        _ => avx512::tile(Isa::Amx, part, out),
    }
}

/// Rows and bytes a row of the eight tile registers, as the processor reads it.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    rows: [u8; 16],
}

impl Shapes {
    fn new(shapes: [(usize, usize); 8]) -> Shapes {
        let mut all = Shapes {
            palette: 1,
            start: 0,
            reserved: [0; 14],
            bytes: [0; 16],
            rows: [0; 16],
        };
        for (i, (rows, bytes)) in shapes.into_iter().enumerate() {
            all.bytes[i] = bytes as u16;
            all.rows[i] = rows as u8;
        }
        all
    }

    /// # Safety
    /// The processor has tiles and the process may use them; `release` follows.
    unsafe fn configure(&self) {
        // SAFETY: reads the 64 bytes of `self`; the shapes are within 16 rows of 64 bytes.
        unsafe { asm!("ldtilecfg [{}]", in(reg) self, options(nostack, readonly)) };
    }
}

/// # Safety
/// The processor has tiles.
unsafe fn release() {
    // SAFETY: forgets the tiles; the compiler keeps nothing in them.
    unsafe { asm!("tilerelease", options(nostack, nomem)) };
}

/// Multiplies one or two tiles of activations with one or two panels over all blocks.
macro_rules! bf16_loop {
    ($at:expr, [$($zero:literal)*], [$($body:literal)*], [$($store:literal)*]) => {
        asm!(
            $(concat!("tilezero ", $zero),)*
            "2:",
            $($body,)*
            "add {a}, {a_step}",
            "add {second}, {second_step}",
            "add {b}, 1024",
            "add {b_second}, 1024",
            "dec {blocks}",
            "jnz 2b",
            $($store,)*
            a = inout(reg) $at.a => _,
            a_step = in(reg) $at.a_step,
            second = inout(reg) $at.second => _,
            second_step = in(reg) $at.second_step,
            b = inout(reg) $at.panel => _,
            b_second = inout(reg) $at.panel.wrapping_add($at.stride) => _,
            blocks = inout(reg) $at.blocks => _,
            row = in(reg) 64usize,
            out = in(reg) $at.out,
            out_second = in(reg) $at.out.wrapping_add(size_of_val(&Tile::new().0[0])),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// Where the loop reads and writes.
struct At {
    /// The first tile of the first sixteen rows, and from one to the next.
    a: *const u8,
    a_step: usize,
    /// The same of the second sixteen rows.
    second: *const u8,
    second_step: usize,
    panel: *const u8,
    /// From one panel to the next.
    stride: usize,
    blocks: usize,
    out: *mut u8,
}

#[target_feature(enable = "avx512f")]
unsafe fn bf16_tile(part: &Part<'_>, out: &mut Tile) {
    let x = &part.x.bf16;
    let first = part.rows.min(TILE_ROWS);
    let second = part.rows - first;
    let tiles = &x.tiles[part.row * x.blocks * GROUP / 2..];
    let at = At {
        a: tiles.as_ptr().cast(),
        a_step: first * GROUP * 2,
        second: tiles[first * x.blocks * GROUP / 2..].as_ptr().cast(),
        second_step: second * GROUP * 2,
        panel: part.matrix.packed()[part.panel * part.matrix.stride()..].as_ptr(),
        stride: part.matrix.stride(),
        blocks: x.blocks,
        out: out.0.as_mut_ptr().cast(),
    };
    let shape = |rows: usize| (rows.max(1), 64);
    let (up, down) = (shape(first), shape(second));
    let shapes = Shapes::new([up, up, down, down, up, down, (16, 64), (16, 64)]);
    // SAFETY: the caller's processor has tiles. A block of a panel is 16 rows of 64 bytes, a block
    // of some rows of activations that many of 64; `out` has room for 32 rows of each panel. The
    // second sixteen rows and the second panel are touched only where there are some.
    unsafe {
        shapes.configure();
        match (second > 0, part.panels > 1) {
            (true, true) => bf16_loop!(
                at,
                ["tmm0" "tmm1" "tmm2" "tmm3"],
                [
                    "tileloadd tmm4, [{a} + {row}]"
                    "tileloadd tmm6, [{b} + {row}]"
                    "tileloadd tmm5, [{second} + {row}]"
                    "tileloadd tmm7, [{b_second} + {row}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tdpbf16ps tmm2, tmm5, tmm6"
                    "tdpbf16ps tmm1, tmm4, tmm7"
                    "tdpbf16ps tmm3, tmm5, tmm7"
                ],
                [
                    "tilestored [{out} + {row}], tmm0"
                    "tilestored [{out_second} + {row}], tmm1"
                    "tilestored [{out} + {row} + 1024], tmm2"
                    "tilestored [{out_second} + {row} + 1024], tmm3"
                ]
            ),
            (true, false) => bf16_loop!(
                at,
                ["tmm0" "tmm2"],
                [
                    "tileloadd tmm4, [{a} + {row}]"
                    "tileloadd tmm6, [{b} + {row}]"
                    "tileloadd tmm5, [{second} + {row}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tdpbf16ps tmm2, tmm5, tmm6"
                ],
                [
                    "tilestored [{out} + {row}], tmm0"
                    "tilestored [{out} + {row} + 1024], tmm2"
                    "/* {out_second} */"
                ]
            ),
            (false, true) => bf16_loop!(
                at,
                ["tmm0" "tmm1"],
                [
                    "tileloadd tmm4, [{a} + {row}]"
                    "tileloadd tmm6, [{b} + {row}]"
                    "tileloadd tmm7, [{b_second} + {row}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tdpbf16ps tmm1, tmm4, tmm7"
                ],
                [
                    "tilestored [{out} + {row}], tmm0"
                    "tilestored [{out_second} + {row}], tmm1"
                ]
            ),
            (false, false) => bf16_loop!(
                at,
                ["tmm0"],
                [
                    "tileloadd tmm4, [{a} + {row}]"
                    "tileloadd tmm6, [{b} + {row}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                ],
                [
                    "tilestored [{out} + {row}], tmm0"
                    "/* {out_second} */"
                ]
            ),
        }
        release();
    }
}

/// Groups whose sums are made before they are scaled.
const TOGETHER: usize = 4;
/// Integer sums of some groups, sixteen rows of sixteen.
#[repr(align(64))]
struct Sums([[[i32; PANEL]; TILE_ROWS]; TOGETHER]);
/// Some groups of one panel, a byte to a weight.
#[repr(align(64))]
struct Unfolded([u8; TOGETHER * GROUP * PANEL]);

/// One panel with up to `M` rows of the integer formats. Bytes of weights have an offset, and so
/// have sums; what it adds is known and is taken away before anything is rounded.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn integer_tile<const M: usize>(part: &Part<'_>, out: &mut Tile) {
    let x = &part.x.integer;
    let panel = part.matrix.packed()[part.panel * part.matrix.stride()..].as_ptr();
    let four = part.matrix.format() == Format::Q4;
    let tiles = x.tiles[part.row * x.groups * 8..].as_ptr().cast::<u8>();
    let tile_bytes = part.rows * GROUP;
    let mut sums = Sums([[[0; PANEL]; TILE_ROWS]; TOGETHER]);
    let mut unfolded = Unfolded([0; TOGETHER * GROUP * PANEL]);
    let mut acc = [_mm512_setzero_ps(); M];
    let (sum, activations, weights) = ((part.rows, 64), (part.rows, 32), (8, 64));
    let shapes = Shapes::new([
        sum,
        sum,
        sum,
        sum,
        activations,
        activations,
        weights,
        weights,
    ]);
    // SAFETY: the caller's processor has tiles. A group of a panel is 8 rows of 64 bytes, of some
    // rows of activations that many of 32; both have `groups` of them, and so have the scales.
    unsafe {
        shapes.configure();
        let mut group = 0;
        while group < x.groups {
            let some = if group + TOGETHER <= x.groups {
                TOGETHER
            } else {
                1
            };
            let bytes = if four {
                unfold(panel.add(group * GROUP * PANEL / 2), some, &mut unfolded);
                unfolded.0.as_ptr()
            } else {
                panel.add(group * GROUP * PANEL)
            };
            let a = tiles.add(group * tile_bytes);
            let to = sums.0.as_mut_ptr().cast();
            if some == TOGETHER {
                sum_four(a, tile_bytes, bytes, to);
            } else {
                sum_one(a, bytes, to);
            }
            for (i, sums) in sums.0[..some].iter().enumerate() {
                scale_and_add(part, panel, group + i, sums, &mut acc);
            }
            group += some;
        }
        release();
    }
    for (acc, out) in acc.iter().zip(&mut out.0[0]) {
        // SAFETY: sixteen floats fit sixteen floats.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), *acc) };
    }
}

/// The bytes of `groups` groups of 4-bit weights, in order of their columns.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn unfold(from: *const u8, groups: usize, to: &mut Unfolded) {
    let nibble = _mm512_set1_epi8(15);
    let to = to.0.as_mut_ptr();
    for group in 0..groups {
        for unit in 0..4 {
            // SAFETY: a group is four registers of two quads each, and eight of one.
            unsafe {
                let both = _mm512_loadu_si512(from.add((group * 4 + unit) * 64).cast());
                let low = _mm512_and_si512(both, nibble);
                let high = _mm512_and_si512(_mm512_srli_epi16::<4>(both), nibble);
                _mm512_store_si512(to.add((group * 8 + unit) * 64).cast(), low);
                _mm512_store_si512(to.add((group * 8 + unit + 4) * 64).cast(), high);
            }
        }
    }
}

/// Products of four groups. The tiles are shaped as in `integer_tile`.
#[inline]
unsafe fn sum_four(a: *const u8, a_step: usize, b: *const u8, sums: *mut u8) {
    // SAFETY: the caller's contract.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "tileloadd tmm4, [{a} + {half}]",
            "tileloadd tmm6, [{b} + {row}]",
            "add {a}, {step}",
            "tileloadd tmm5, [{a} + {half}]",
            "tileloadd tmm7, [{b} + {row} + 512]",
            "tdpbsud tmm0, tmm4, tmm6",
            "tdpbsud tmm1, tmm5, tmm7",
            "add {a}, {step}",
            "tileloadd tmm4, [{a} + {half}]",
            "tileloadd tmm6, [{b} + {row} + 1024]",
            "add {a}, {step}",
            "tileloadd tmm5, [{a} + {half}]",
            "tileloadd tmm7, [{b} + {row} + 1536]",
            "tdpbsud tmm2, tmm4, tmm6",
            "tdpbsud tmm3, tmm5, tmm7",
            "tilestored [{sums} + {row}], tmm0",
            "tilestored [{sums} + {row} + 1024], tmm1",
            "tilestored [{sums} + {row} + 2048], tmm2",
            "tilestored [{sums} + {row} + 3072], tmm3",
            a = inout(reg) a => _,
            step = in(reg) a_step,
            half = in(reg) 32usize,
            b = in(reg) b,
            row = in(reg) 64usize,
            sums = in(reg) sums,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}

/// Products of one group. The tiles are shaped as in `integer_tile`.
#[inline]
unsafe fn sum_one(a: *const u8, b: *const u8, sums: *mut u8) {
    // SAFETY: the caller's contract.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tileloadd tmm4, [{a} + {half}]",
            "tileloadd tmm6, [{b} + {row}]",
            "tdpbsud tmm0, tmm4, tmm6",
            "tilestored [{sums} + {row}], tmm0",
            a = in(reg) a,
            half = in(reg) 32usize,
            b = in(reg) b,
            row = in(reg) 64usize,
            sums = in(reg) sums,
            out("tmm0") _, out("tmm4") _, out("tmm6") _,
            options(nostack),
        );
    }
}

/// One group's sums, offset taken away, become f32 and join the accumulators.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn scale_and_add<const M: usize>(
    part: &Part<'_>,
    panel: *const u8,
    group: usize,
    sums: &[[i32; PANEL]; TILE_ROWS],
    acc: &mut [__m512; M],
) {
    let x = &part.x.integer;
    let at = (part.row / TILE_ROWS * x.groups + group) * TILE_ROWS;
    let bits = match part.matrix.format() {
        Format::Q4 => _mm_cvtsi32_si128(3),
        _ => _mm_cvtsi32_si128(7),
    };
    let mut taken = Row([0; TILE_ROWS]);
    // SAFETY: sixteen f16 scales for each group follow the panel's body; sixteen scales and sums
    // for each group of every sixteen rows, of which some may not be there.
    unsafe {
        let sums_of_x = _mm512_loadu_si512(x.tile_sums.as_ptr().add(at).cast());
        _mm512_store_si512(
            taken.0.as_mut_ptr().cast(),
            _mm512_sll_epi32(sums_of_x, bits),
        );
        let scales = panel.add(part.matrix.scales_at() + group * PANEL * 2);
        let scales = _mm512_cvtph_ps(_mm256_loadu_si256(scales.cast()));
        for m in 0..M {
            let sum = _mm512_load_si512(sums[m].as_ptr().cast());
            let sum = _mm512_sub_epi32(sum, _mm512_set1_epi32(taken.0[m]));
            let scale = _mm512_set1_ps(*x.tile_scales.as_ptr().add(at + m));
            acc[m] = _mm512_fmadd_ps(
                _mm512_cvtepi32_ps(sum),
                _mm512_mul_ps(scales, scale),
                acc[m],
            );
        }
    }
}

/// What the offset added to the sums of each row.
#[repr(align(64))]
struct Row([i32; TILE_ROWS]);
