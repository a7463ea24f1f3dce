//! The shared ring between `speak` and the loudspeaker. Flushing is one atomic store: the reader
//! discards the frames of an old epoch when it next pulls, so there is no lock and no clear race.
//!
//! Invariant: the reader neither allocates, frees, locks nor logs; it may run in an audio callback.
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use ringbuf::{
    HeapCons, HeapProd, HeapRb,
    traits::{Consumer, Observer, Producer, Split},
};

use crate::epoch::{Epoch, EpochReader};

/// Samples of one frame: 20 ms at `SampleRate::SPEECH`.
pub const FRAME: usize = 480;

/// How many frames a call's ring holds: 1.5 s. Long enough to ride out a slow sentence of the
/// synthesiser, short enough that little work is thrown away on an interruption.
pub const RING_FRAMES: usize = 75;

/// Held inline: discarding a frame in the audio callback must not free memory.
#[derive(Clone, Copy, Debug)]
pub struct PlayoutFrame {
    /// The reply it belongs to.
    pub epoch: Epoch,
    /// 20 ms at 24 kHz.
    pub samples: [f32; FRAME],
    /// Whether it is the last of its reply; such a frame carries silence and does not count as
    /// heard.
    pub is_last: bool,
}

/// How far the loudspeaker is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Playback {
    /// The reply played last.
    pub epoch: Epoch,
    /// Samples of it played.
    pub samples: u64,
    /// Whether its last frame has been played.
    pub last: bool,
}

#[derive(Default)]
struct Shared {
    held: AtomicBool,
    /// Epoch of `played`, written before it.
    epoch: AtomicU64,
    played: AtomicU64,
    /// The newest epoch whose last frame was played, plus one; zero for none.
    finished: AtomicU64,
}

/// `speak`'s end.
pub struct PlayoutWriter {
    ring: HeapProd<PlayoutFrame>,
}

/// The loudspeaker's end.
pub struct PlayoutReader {
    ring: HeapCons<PlayoutFrame>,
    epoch: EpochReader,
    shared: Arc<Shared>,
    playing: Epoch,
    samples: u64,
}

/// The session's view: holds the speaker and sees how much was heard.
#[derive(Clone)]
pub struct PlayoutControl {
    shared: Arc<Shared>,
}

/// The ring of one call, `frames` long.
pub fn playout(
    frames: usize,
    epoch: EpochReader,
) -> (PlayoutWriter, PlayoutReader, PlayoutControl) {
    let (producer, consumer) = HeapRb::new(frames).split();
    let shared = Arc::new(Shared::default());
    (
        PlayoutWriter { ring: producer },
        PlayoutReader {
            ring: consumer,
            epoch,
            shared: shared.clone(),
            playing: Epoch::default(),
            samples: 0,
        },
        PlayoutControl { shared },
    )
}

impl PlayoutWriter {
    /// Says no when the ring is full: the caller waits, nothing is dropped.
    #[must_use]
    pub fn push(&mut self, frame: &PlayoutFrame) -> bool {
        self.ring.try_push(*frame).is_ok()
    }

    /// Whether the loudspeaker's end is gone.
    pub fn is_abandoned(&self) -> bool {
        !self.ring.read_is_held()
    }
}

impl PlayoutReader {
    /// Called by the carrier every 20 ms. `None` means play silence.
    pub fn pull(&mut self) -> Option<PlayoutFrame> {
        if self.shared.held.load(Ordering::Acquire) {
            return None;
        }
        while let Some(frame) = self.ring.try_pop() {
            if self.epoch.is_stale(frame.epoch) {
                continue;
            }
            if frame.epoch != self.playing {
                self.playing = frame.epoch;
                self.samples = 0;
            }
            if frame.is_last {
                self.shared
                    .finished
                    .store(frame.epoch.0 + 1, Ordering::Release);
            } else {
                self.samples += FRAME as u64;
            }
            self.shared.played.store(self.samples, Ordering::Relaxed);
            self.shared.epoch.store(frame.epoch.0, Ordering::Release);
            return Some(frame);
        }
        None
    }

    /// Whether a pull would find nothing, held or not. Stale frames count until they are pulled.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Whether the session holds the speaker.
    pub fn is_held(&self) -> bool {
        self.shared.held.load(Ordering::Acquire)
    }

    /// How far the loudspeaker is.
    pub fn playback(&self) -> Playback {
        playback(&self.shared)
    }
}

impl PlayoutControl {
    /// Holds the speaker: pulls give silence and the ring keeps its frames.
    pub fn hold(&self, held: bool) {
        self.shared.held.store(held, Ordering::Release);
    }

    /// How far the loudspeaker is.
    pub fn playback(&self) -> Playback {
        playback(&self.shared)
    }
}

fn playback(shared: &Shared) -> Playback {
    let epoch = shared.epoch.load(Ordering::Acquire);
    Playback {
        epoch: Epoch(epoch),
        samples: shared.played.load(Ordering::Relaxed),
        last: shared.finished.load(Ordering::Acquire) == epoch + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;

    fn frame(e: u64) -> PlayoutFrame {
        PlayoutFrame {
            epoch: Epoch(e),
            samples: [0.0; FRAME],
            is_last: false,
        }
    }

    #[test]
    fn advancing_the_epoch_silences_the_next_pull() {
        let (mut writer, reader) = epoch();
        writer.advance_to(Epoch(1));
        let (mut tx, mut rx, control) = playout(8, reader);
        for _ in 0..8 {
            assert!(tx.push(&frame(1)));
        }
        assert!(!tx.push(&frame(1)), "a full ring pushes back");
        assert!(rx.pull().is_some());
        writer.advance_to(Epoch(2));
        assert!(rx.pull().is_none(), "seven stale frames vanish in one pull");
        assert!(tx.push(&frame(2)));
        assert_eq!(rx.pull().map(|f| f.epoch), Some(Epoch(2)));
        assert_eq!(
            control.playback(),
            Playback {
                epoch: Epoch(2),
                samples: 480,
                last: false
            }
        );
    }

    #[test]
    fn a_held_speaker_keeps_its_frames() {
        let (_writer, reader) = epoch();
        let (mut tx, mut rx, control) = playout(8, reader);
        assert!(tx.push(&frame(0)));
        control.hold(true);
        assert!(rx.pull().is_none());
        control.hold(false);
        assert!(rx.pull().is_some());
    }

    #[test]
    fn the_last_frame_ends_its_reply_and_counts_no_samples() {
        let (_writer, reader) = epoch();
        let (mut tx, mut rx, control) = playout(8, reader);
        assert!(tx.push(&frame(0)));
        assert!(tx.push(&PlayoutFrame {
            is_last: true,
            ..frame(0)
        }));
        rx.pull();
        assert!(!control.playback().last);
        rx.pull();
        let playback = control.playback();
        assert!(playback.last);
        assert_eq!(playback.samples, 480);
    }
}
