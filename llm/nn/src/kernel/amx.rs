//! The kernel for AMX: tiles of sixteen rows of bf16. A block of 32 columns of a panel is a tile as
//! it lies in memory, so weights are not rearranged. Integers stay with the vectors: a group of 32
//! fills half a tile, its sums have to leave the tile to be scaled, and it was slower (414 against
//! 559 GFLOP/s at 32 rows). So does one row alone, which waits for memory whatever computes it.
//!
//! Tiles are configured and given back inside every function here, so that nothing else ever runs
//! with tiles in use, and a thread that sleeps has none to be saved.
#![allow(unsafe_code)]
use std::arch::asm;

use super::{Part, TILE_ROWS, Tile, avx512};
use crate::{
    cpu::Isa,
    matrix::{Format, GROUP},
    quantize::HALVES,
};

pub(super) fn tile(part: Part<'_>, out: &mut Tile) {
    match part.matrix.format() {
        // SAFETY: called only when `Isa::Amx` was detected; `super::tile` checked the bounds.
        Format::Bf16 if part.x.count > 1 => unsafe { bf16_tile(&part, out) },
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

/// Multiplies both halves of one or two tiles of activations with one or two panels, block after
/// block: the second half's tiles follow the first's.
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
    // Pairs of a row, both halves together.
    let width = x.blocks * HALVES * GROUP / 2;
    let tiles = &x.tiles[part.row * width..];
    let at = At {
        a: tiles.as_ptr().cast(),
        a_step: first * GROUP * 2,
        second: tiles[first * width..].as_ptr().cast(),
        second_step: second * GROUP * 2,
        panel: part.matrix.packed()[part.panel * part.matrix.stride()..].as_ptr(),
        stride: part.matrix.stride(),
        blocks: x.blocks,
        out: out.0.as_mut_ptr().cast(),
    };
    let shape = |rows: usize| (rows.max(1), 64);
    let (up, down) = (shape(first), shape(if second > 0 { second } else { first }));
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
                    "tileloadd tmm6, [{b} + {row}]"
                    "tileloadd tmm4, [{a} + {row}]"
                    "tileloadd tmm7, [{b_second} + {row}]"
                    "tileloadd tmm5, [{second} + {row}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tdpbf16ps tmm1, tmm4, tmm7"
                    "add {a}, {a_step}"
                    "add {second}, {second_step}"
                    "tileloadd tmm4, [{a} + {row}]"
                    "tdpbf16ps tmm2, tmm5, tmm6"
                    "tdpbf16ps tmm3, tmm5, tmm7"
                    "tileloadd tmm5, [{second} + {row}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tdpbf16ps tmm1, tmm4, tmm7"
                    "tdpbf16ps tmm2, tmm5, tmm6"
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
                    "add {a}, {a_step}"
                    "add {second}, {second_step}"
                    "tileloadd tmm4, [{a} + {row}]"
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
            // Few rows wait for memory: ask for the next blocks before they are needed.
            (false, true) => bf16_loop!(
                at,
                ["tmm0" "tmm1"],
                [
                    ".irp line, 0,64,128,192,256,320,384,448,512,576,640,704,768,832,896,960"
                    "prefetcht0 [{b} + \\line + 4096]"
                    "prefetcht0 [{b_second} + \\line + 4096]"
                    ".endr"
                    "tileloadd tmm4, [{a} + {row}]"
                    "tileloadd tmm6, [{b} + {row}]"
                    "tileloadd tmm7, [{b_second} + {row}]"
                    "tdpbf16ps tmm0, tmm4, tmm6"
                    "tdpbf16ps tmm1, tmm4, tmm7"
                    "add {a}, {a_step}"
                    "tileloadd tmm5, [{a} + {row}]"
                    "tdpbf16ps tmm0, tmm5, tmm6"
                    "tdpbf16ps tmm1, tmm5, tmm7"
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
                    "add {a}, {a_step}"
                    "tileloadd tmm5, [{a} + {row}]"
                    "tdpbf16ps tmm0, tmm5, tmm6"
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
