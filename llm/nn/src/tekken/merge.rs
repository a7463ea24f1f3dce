//! Byte-pair merging: again and again the adjacent pair with the lowest rank, the leftmost of
//! equals, in n log n steps for a piece of n bytes.
use std::{cmp::Reverse, collections::BinaryHeap};

/// Merges `piece` and hands out the ranks of what remains. Every single byte must have a rank.
pub(super) fn merge(piece: &[u8], rank: impl Fn(&[u8]) -> Option<u32>, mut emit: impl FnMut(u32)) {
    if piece.is_empty() {
        return;
    }
    if let Some(whole) = rank(piece) {
        return emit(whole);
    }
    // Part `i` runs from byte `i` to byte `next[i]`; `before[i]` is the part that ends at `i`.
    let count = piece.len();
    let mut next: Vec<usize> = (1..=count).collect();
    let mut before: Vec<Option<usize>> = (0..count).map(|i| i.checked_sub(1)).collect();
    let mut alive = vec![true; count];
    let mut pairs = BinaryHeap::new();
    let pair =
        |start: usize, end: usize| rank(&piece[start..end]).map(|rank| Reverse((rank, start, end)));
    pairs.extend((0..count - 1).filter_map(|i| pair(i, i + 2)));
    while let Some(Reverse((_, start, end))) = pairs.pop() {
        // Pairs whose parts have been merged otherwise meanwhile are stale.
        let middle = next[start];
        if !alive[start] || middle >= count || next[middle] != end {
            continue;
        }
        alive[middle] = false;
        next[start] = end;
        if end < count {
            before[end] = Some(start);
            pairs.extend(pair(start, next[end]));
        }
        if let Some(left) = before[start] {
            pairs.extend(pair(left, end));
        }
    }
    let mut start = 0;
    while start < count {
        let end = next[start];
        emit(rank(&piece[start..end]).expect("parts are bytes or merged pairs"));
        start = end;
    }
}
