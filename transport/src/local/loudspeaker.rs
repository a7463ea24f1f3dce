//! The playing callback, which reads the call's ring itself, and the copy of what it played that
//! echo cancellation needs.
use cpal::{FromSample, SizedSample};
use ringbuf::{
    HeapCons, HeapProd, HeapRb,
    traits::{Consumer, Producer, Split},
};
use voiced_core::{
    audio::SampleRate,
    playout::{FRAME, Playback, PlayoutFrame, PlayoutReader},
    resample::Resampler,
};

use super::microphone::{Meter, silence};

/// Frames that wait for the task: 640 ms. Beyond, the copy of what was played has a hole.
const WAITING: usize = 32;
/// Room for what was resampled and not yet played: more than a frame of 20 ms at 192 kHz and what
/// the filter holds back.
const READY: usize = 3 * 192 * 20;

/// 20 ms that were pulled for the device.
#[derive(Clone, Copy)]
pub(super) struct Played {
    /// The agent, or silence.
    pub(super) frame: Option<PlayoutFrame>,
    /// How far the loudspeaker was after it.
    pub(super) playback: Playback,
}

/// In the callback.
pub(super) struct Loudspeaker {
    ring: PlayoutReader,
    resampler: Resampler,
    /// At the device's rate. Never grows beyond its first capacity.
    ready: Vec<f32>,
    echo: HeapProd<Played>,
    meter: Meter,
}

/// In the task.
pub(super) struct Echo(HeapCons<Played>);

impl Loudspeaker {
    /// Plays `ring` at the device's rate.
    pub(super) fn new(ring: PlayoutReader, rate: SampleRate, meter: Meter) -> (Loudspeaker, Echo) {
        let (producer, consumer) = HeapRb::new(WAITING).split();
        let mut loudspeaker = Loudspeaker {
            ring,
            resampler: Resampler::new(SampleRate::SPEECH, rate),
            ready: Vec::with_capacity(READY),
            echo: producer,
            meter,
        };
        loudspeaker.warm_up();
        (loudspeaker, Echo(consumer))
    }

    /// Lets the resampler's own buffers grow to their size before the callback runs.
    fn warm_up(&mut self) {
        for _ in 0..16 {
            self.resampler.process(&[0.0; FRAME], &mut self.ready);
            self.ready.clear();
        }
    }

    /// Fills the device's buffer: interleaved, the same on every channel.
    pub(super) fn fill<T>(&mut self, interleaved: &mut [T], channels: usize)
    where
        T: SizedSample + FromSample<f32>,
    {
        let wanted = interleaved.len() / channels;
        let (mut rest, odd) = interleaved.split_at_mut(wanted * channels);
        silence(odd);
        while !rest.is_empty() {
            if self.ready.is_empty() {
                self.pull();
            }
            let count = (rest.len() / channels).min(self.ready.len());
            let (now, later) = rest.split_at_mut(count * channels);
            for (frame, sample) in now.chunks_exact_mut(channels).zip(&self.ready) {
                frame.fill(T::from_sample(*sample));
            }
            rest = later;
            self.meter.heard(&self.ready[..count]);
            // Moves what is left to the front; frees nothing.
            self.ready.drain(..count);
        }
    }

    fn pull(&mut self) {
        const SILENCE: [f32; FRAME] = [0.0; FRAME];
        let frame = self.ring.pull();
        let samples = frame.as_ref().map_or(&SILENCE, |frame| &frame.samples);
        self.resampler.process(samples, &mut self.ready);
        let played = Played {
            frame,
            playback: self.ring.playback(),
        };
        // Full when the task is far behind; then the echo is worth nothing anyway.
        let _ = self.echo.try_push(played);
    }
}

impl Echo {
    /// What was played next.
    pub(super) fn next(&mut self) -> Option<Played> {
        self.0.try_pop()
    }
}
