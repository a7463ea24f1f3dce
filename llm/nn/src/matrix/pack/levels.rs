//! The integers and the scale of 32 columns, for sixteen rows at once. Of a few scales the one with
//! the least squared error is chosen, then mended by least squares.
#![allow(unsafe_code)]
use half::f16;

use super::{GROUP, PANEL};
use crate::lanes::{Lanes, by_lanes};

/// One group of a panel, column by column.
#[repr(align(64))]
#[derive(Default)]
pub(super) struct Group {
    /// What is to be rounded.
    pub values: [[f32; PANEL]; GROUP],
    /// What it became: the low byte of each number is the integer with its offset, 128 or 8.
    pub levels: [[f32; PANEL]; GROUP],
    /// By row, rounded to f16.
    pub scales: [f32; PANEL],
}

/// Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
const ROUND: f32 = 12_582_912.0;

by_lanes! {
    /// The nearest multiples of a scale that takes the largest value to 127.
    pub(super) fn eight_bits(group: &mut Group) = eight_body
}

by_lanes! {
    /// Sixteen levels, -8 to 7. Taking the largest value to exactly -8 is not the best choice for
    /// bell-shaped weights, so a few scales around it are tried.
    pub(super) fn four_bits(group: &mut Group) = four_body
}

/// # Safety
/// The processor has the lanes.
#[inline(always)]
unsafe fn eight_body<L: Lanes>(group: &mut Group) {
    // SAFETY: the caller's contract, here and below.
    let extremes = unsafe { extremes::<L>(group) };
    group.scales = extremes.map(|v| stored(v.abs() / 127.0));
    // SAFETY: as above.
    unsafe { round::<L>(group, 127.0, 127.0, 128.0) };
}

/// # Safety
/// The processor has the lanes.
#[inline(always)]
unsafe fn four_body<L: Lanes>(group: &mut Group) {
    // SAFETY: the caller's contract, here and below.
    let extremes = unsafe { extremes::<L>(group) };
    let mut best = [f32::INFINITY; PANEL];
    let mut scales = [0f32; PANEL];
    for divisor in [-8.4, -8.0, -7.5, -7.0, -6.4, 7.2] {
        // SAFETY: as above.
        let (dot, square) = unsafe { tried::<L>(group, &extremes, divisor) };
        for r in 0..PANEL {
            // With these levels the best scale is known exactly; what it leaves of the values'
            // squares is all of them less dot² / square.
            let found = square[r] > 0.0;
            let mended = if found { dot[r] / square[r] } else { 0.0 };
            let error = -dot[r] * mended;
            if error < best[r] {
                (best[r], scales[r]) = (error, mended);
            }
        }
    }
    group.scales = scales.map(stored);
    // SAFETY: as above.
    unsafe { round::<L>(group, 8.0, 7.0, 8.0) };
}

/// Every row's value farthest from zero.
#[inline(always)]
unsafe fn extremes<L: Lanes>(group: &Group) -> [f32; PANEL] {
    let (mut highest, mut lowest) = ([0f32; PANEL], [0f32; PANEL]);
    // SAFETY: the caller's processor has the lanes; columns are sixteen long.
    unsafe {
        let (mut high, mut low) = (L::splat(0.0), L::splat(0.0));
        for column in &group.values {
            let column = L::load(column.as_ptr());
            high = high.max(column);
            low = low.min(column);
        }
        high.store(highest.as_mut_ptr());
        low.store(lowest.as_mut_ptr());
    }
    std::array::from_fn(|r| {
        let (high, low) = (highest[r], lowest[r]);
        if high > -low { high } else { low }
    })
}

/// What four bits make of the values when the extremes become `divisor`: the products of values
/// and levels, and the levels' squares, summed for each row.
#[inline(always)]
unsafe fn tried<L: Lanes>(
    group: &Group,
    extremes: &[f32; PANEL],
    divisor: f32,
) -> ([f32; PANEL], [f32; PANEL]) {
    let inverses = extremes.map(|v| if v == 0.0 { 0.0 } else { divisor / v });
    let (mut dots, mut squares) = ([0f32; PANEL], [0f32; PANEL]);
    // SAFETY: the caller's processor has the lanes; columns are sixteen long.
    unsafe {
        let inverse = L::load(inverses.as_ptr());
        let (lowest, highest) = (L::splat(-8.0), L::splat(7.0));
        let (up, down) = (L::splat(ROUND), L::splat(-ROUND));
        let (mut dot, mut square) = (L::splat(0.0), L::splat(0.0));
        for column in &group.values {
            let column = L::load(column.as_ptr());
            let level = column.mul(inverse).max(lowest).min(highest);
            let level = level.add(up).add(down);
            dot = column.mul_add(level, dot);
            square = level.mul_add(level, square);
        }
        dot.store(dots.as_mut_ptr());
        square.store(squares.as_mut_ptr());
    }
    (dots, squares)
}

/// Rounds to multiples of the scales from `-lowest` to `highest`, and adds `offset`.
#[inline(always)]
unsafe fn round<L: Lanes>(group: &mut Group, lowest: f32, highest: f32, offset: f32) {
    let inverses = group.scales.map(|v| if v == 0.0 { 0.0 } else { 1.0 / v });
    // SAFETY: the caller's processor has the lanes; columns are sixteen long.
    unsafe {
        let inverse = L::load(inverses.as_ptr());
        let (lowest, highest) = (L::splat(-lowest), L::splat(highest));
        let up = L::splat(ROUND + offset);
        for (column, levels) in group.values.iter().zip(&mut group.levels) {
            let scaled = L::load(column.as_ptr()).mul(inverse);
            let level = scaled.max(lowest).min(highest).add(up);
            level.store(levels.as_mut_ptr());
        }
    }
}

/// A scale as the file will hold it: levels must be chosen for what is multiplied later.
#[inline(always)]
fn stored(scale: f32) -> f32 {
    f16::from_f32(scale).to_f32()
}
