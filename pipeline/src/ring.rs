//! Samples of any length into the frames of a playout ring.
//!
//! Policy: a full ring makes its writer wait; nothing is dropped.
use std::time::Duration;

use tokio::time::sleep;
use voiced_core::{
    epoch::Epoch,
    playout::{FRAME, PlayoutFrame, PlayoutWriter},
};

/// How long to wait for the loudspeaker to make room: one frame.
const ROOM: Duration = Duration::from_millis(20);

/// Fills one ring.
pub struct RingFiller {
    ring: PlayoutWriter,
    /// Samples that do not fill a frame yet.
    tail: Vec<f32>,
}

impl RingFiller {
    /// Fills `ring`.
    pub fn new(ring: PlayoutWriter) -> Self {
        Self {
            ring,
            tail: Vec::with_capacity(FRAME),
        }
    }

    /// Puts whole frames into the ring and keeps the rest; how many samples it put.
    pub async fn fill(&mut self, epoch: Epoch, mut samples: &[f32]) -> u64 {
        let mut n_samples = 0;
        while !samples.is_empty() {
            let (now, later) = samples.split_at((FRAME - self.tail.len()).min(samples.len()));
            self.tail.extend_from_slice(now);
            samples = later;
            if self.tail.len() == FRAME {
                n_samples += self.flush(epoch).await;
            }
        }
        n_samples
    }

    /// Puts what is left into the ring, filled up with silence; how many samples it put.
    pub async fn flush(&mut self, epoch: Epoch) -> u64 {
        if self.tail.is_empty() {
            return 0;
        }
        let mut frame = PlayoutFrame {
            epoch,
            samples: [0.0; FRAME],
            is_last: false,
        };
        frame.samples[..self.tail.len()].copy_from_slice(&self.tail);
        self.tail.clear();
        self.put(frame).await;
        FRAME as u64
    }

    /// Marks the end of a reply.
    pub async fn end(&mut self, epoch: Epoch) {
        self.put(PlayoutFrame {
            epoch,
            samples: [0.0; FRAME],
            is_last: true,
        })
        .await;
    }

    /// Forgets what does not fill a frame.
    pub fn clear(&mut self) {
        self.tail.clear();
    }

    async fn put(&mut self, frame: PlayoutFrame) {
        while !self.ring.push(&frame) && !self.ring.is_abandoned() {
            sleep(ROOM).await;
        }
    }
}
