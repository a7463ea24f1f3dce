//! Which word the speech has come to, from the number of frames alone: words take time by their
//! letters and by the pause behind them, at a pace learnt from what the lease has said.
use super::segment::Segment;

/// Frames for a unit of weight before anything was said.
const PACE: f32 = 1.0;
/// How much of what a segment took enters the pace.
const LEARN: f32 = 0.3;

#[derive(Clone, Debug)]
pub(super) struct Timing {
    pace: f32,
    /// Weight up to the end of each word, and where in the line it ends.
    words: Vec<(f32, usize)>,
    next: usize,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            pace: PACE,
            words: Vec::new(),
            next: 0,
        }
    }
}

impl Timing {
    /// A segment begins.
    pub fn begin(&mut self, segment: &Segment) {
        self.words = segment.words.clone();
        self.next = 0;
    }

    /// `frames` of the segment were said: where the last word that ended since the last call ends.
    pub fn said(&mut self, frames: usize) -> Option<usize> {
        let mut end = None;
        // The last word ends with the sound, whatever the pace says.
        while let Some((weight, source)) = self.words.get(self.next)
            && self.next + 1 < self.words.len()
            && weight * self.pace <= frames as f32
        {
            end = Some(*source);
            self.next += 1;
        }
        end
    }

    /// The segment ended after `frames`: where its last word ends.
    pub fn end(&mut self, frames: usize) -> Option<usize> {
        let (weight, source) = *self.words.last()?;
        if weight > 0.0 && frames > 0 {
            self.pace += LEARN * (frames as f32 / weight - self.pace);
        }
        self.words.clear();
        Some(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_in_order_and_the_last_with_the_end() {
        let segment = Segment {
            text: String::new(),
            words: vec![(3.0, 2), (5.0, 4), (9.0, 8), (12.0, 12)],
        };
        let mut timing = Timing::default();
        timing.begin(&segment);
        let said: Vec<_> = (1..=14).map(|n| timing.said(n)).collect();
        assert_eq!(said[2], Some(2));
        assert_eq!(said[4], Some(4));
        assert_eq!(said[8], Some(8));
        assert_eq!(said.iter().flatten().count(), 3);
        assert_eq!(timing.end(24), Some(12));
        // The next segment is expected at a slower pace.
        timing.begin(&segment);
        assert_eq!(timing.said(3), None);
        assert_eq!(timing.said(4), Some(2));
        // A speaker who rushes makes several words end at once; the last of them counts.
        assert_eq!(timing.said(40), Some(8));
    }
}
