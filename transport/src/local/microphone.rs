//! The capturing callback and what it leaves behind.
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use cpal::{FromSample, Sample, SizedSample};
use ringbuf::{
    HeapCons, HeapProd, HeapRb,
    traits::{Consumer, Producer, Split},
};
use voiced_core::{audio::SampleRate, resample::Resampler};

/// How loud something was. Written by an audio callback, read by whoever draws it.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<AtomicU32>);

impl Meter {
    /// The highest absolute sample value since it was last asked, 0 to 1.
    pub fn take_peak(&self) -> f32 {
        f32::from_bits(self.0.swap(0, Ordering::Relaxed)).min(1.0)
    }

    pub(super) fn heard(&self, samples: &[f32]) {
        let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        // The bits of floats that are not negative sort like the floats.
        self.0.fetch_max(peak.to_bits(), Ordering::Relaxed);
    }
}

/// In the callback.
pub(super) struct Microphone {
    samples: HeapProd<f32>,
    meter: Meter,
}

/// In the task.
pub(super) struct Captured {
    samples: HeapCons<f32>,
    block: Box<[f32; BLOCK]>,
}

/// Samples handled at a time: they fit on any stack.
const BLOCK: usize = 512;

impl Microphone {
    /// The two ends of a ring of one second.
    pub(super) fn new(rate: SampleRate, meter: Meter) -> (Microphone, Captured) {
        let (producer, consumer) = HeapRb::new(rate.hz() as usize).split();
        let microphone = Microphone {
            samples: producer,
            meter,
        };
        let captured = Captured {
            samples: consumer,
            block: Box::new([0.0; BLOCK]),
        };
        (microphone, captured)
    }

    /// Takes interleaved samples as the device gives them; channels are mixed. When the task is a
    /// second behind, what comes now is lost.
    pub(super) fn take<T>(&mut self, interleaved: &[T], channels: usize)
    where
        T: SizedSample,
        f32: FromSample<T>,
    {
        let mut block = [0.0; BLOCK];
        for frames in interleaved.chunks(BLOCK * channels) {
            let mut count = 0;
            for (mono, frame) in block.iter_mut().zip(frames.chunks_exact(channels)) {
                let sum: f32 = frame.iter().map(|s| f32::from_sample(*s)).sum();
                *mono = sum / channels as f32;
                count += 1;
            }
            self.meter.heard(&block[..count]);
            let _taken = self.samples.push_slice(&block[..count]);
        }
    }
}

impl Captured {
    /// Appends all that was captured since the last time, at 16 kHz.
    pub(super) fn take(&mut self, resampler: &mut Resampler, heard: &mut Vec<f32>) {
        loop {
            let count = self.samples.pop_slice(&mut self.block[..]);
            if count == 0 {
                return;
            }
            resampler.process(&self.block[..count], heard);
        }
    }
}

/// Silence in the device's own terms.
pub(super) fn silence<T: Sample>(samples: &mut [T]) {
    samples.fill(T::EQUILIBRIUM);
}
