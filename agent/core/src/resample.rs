//! One sample rate to another, streamed, any chunk size in, on rubato's windowed sinc.
//!
//! Guarantees: the output does not depend on how the input was cut into chunks, lies in time where
//! the input lay, and is as long as the input once flushed.
use std::time::Duration;

use audioadapter_buffers::direct::SequentialSlice;
use rubato::{
    Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

use crate::audio::SampleRate;

/// Length of the filter in samples of the slower of the two rates. 48 keep 0.8 of the band within
/// 0.2 dB and what folds back from 1.12 of it 75 dB down (measured), for half of them as delay:
/// 3 ms at 8 kHz, 1.5 ms at 16 kHz, 1 ms at 24 kHz.
const TAPS: usize = 48;

/// Up to this many output phases the exact filter of each is kept; that is every pair of 8, 16, 24
/// and 48 kHz. Beyond it (44.1 kHz) the result is interpolated between 32 stored phases, so that
/// no pair needs a large table.
const EXACT_PHASES: u32 = 32;

/// A stream of mono audio on its way from one rate to another.
///
/// Cost per 20 ms, release build, one core of an EPYC (Zen 4): 3 to 7 us down, 5 to 14 us up, 21 us
/// for 8 to 48 kHz and for 44.1 to 16 kHz (`cargo test --release -p voiced-core resample --
/// --ignored --nocapture`). Filters and buffers of a pair of 8/16/24/48 kHz take less than 8 KiB.
pub struct Resampler {
    from: SampleRate,
    to: SampleRate,
    /// `None`: the rates are equal and samples pass as they are.
    sinc: Option<Box<Sinc>>,
}

struct Sinc {
    filter: Async<f32>,
    /// Input that does not fill a chunk yet.
    pending: Vec<f32>,
    chunk: usize,
    /// Where a chunk's output is put before it is appended.
    scratch: Vec<f32>,
    /// Output that lies before the first input sample and is not given out.
    lead: usize,
    taken: u64,
    given: u64,
}

impl Resampler {
    /// A stream from `from` to `to`. Equal rates cost nothing.
    pub fn new(from: SampleRate, to: SampleRate) -> Resampler {
        let sinc = (from != to).then(|| Box::new(Sinc::new(from, to)));
        Resampler { from, to, sinc }
    }

    /// Takes the next stretch of input, of any length, and appends to `out` what is ready. Samples
    /// that are not numbers count as silence.
    pub fn process(&mut self, input: &[f32], out: &mut Vec<f32>) {
        match &mut self.sinc {
            None => out.extend_from_slice(input),
            Some(sinc) => sinc.process(input, out),
        }
    }

    /// Ends the stream: appends what was still inside, so that all output since the last flush
    /// lasts as long as all input, and is ready for a new stream.
    pub fn flush(&mut self, out: &mut Vec<f32>) {
        let (from, to) = (self.from, self.to);
        if let Some(sinc) = &mut self.sinc {
            sinc.flush(from, to, out);
        }
    }

    /// How much later than its input an output sample is ready, at most.
    pub fn delay(&self) -> Duration {
        self.sinc.as_ref().map_or(Duration::ZERO, |sinc| {
            self.to.duration_of(sinc.delay_frames() as u64)
                + self.from.duration_of(sinc.chunk as u64)
        })
    }
}

impl Sinc {
    fn new(from: SampleRate, to: SampleRate) -> Sinc {
        let (from, to) = (from.hz(), to.hz());
        let phases = to / gcd(from, to);
        let (oversampling_factor, interpolation) = if phases <= EXACT_PHASES {
            (phases as usize, SincInterpolationType::Nearest)
        } else {
            (EXACT_PHASES as usize, SincInterpolationType::Cubic)
        };
        // rubato counts taps in input samples.
        let slower = f64::from(from) / f64::from(from.min(to));
        let parameters = SincInterpolationParameters::new(
            (TAPS as f64 * slower) as usize,
            WindowFunction::Blackman,
        )
        .oversampling_factor(oversampling_factor)
        .interpolation(interpolation);
        // A millisecond: always the same chunk, whatever the caller's chunks are, and little delay.
        let chunk = (from / 1_000) as usize;
        let filter = Async::<f32>::new_sinc(
            f64::from(to) / f64::from(from),
            1.0,
            &parameters,
            chunk,
            1,
            FixedAsync::Input,
        )
        .expect("rates of 4 to 384 kHz give a finite ratio and a chunk of at least 4 samples");
        let lead = lead(&filter);
        Sinc {
            scratch: vec![0.0; filter.output_frames_max()],
            filter,
            pending: Vec::with_capacity(chunk),
            chunk,
            lead,
            taken: 0,
            given: 0,
        }
    }

    fn delay_frames(&self) -> usize {
        self.filter.output_delay()
    }

    fn process(&mut self, mut input: &[f32], out: &mut Vec<f32>) {
        self.taken += input.len() as u64;
        while !input.is_empty() {
            let room = self.chunk - self.pending.len();
            let (now, later) = input.split_at(room.min(input.len()));
            let audible = |s: &f32| if s.is_finite() { *s } else { 0.0 };
            self.pending.extend(now.iter().map(audible));
            input = later;
            if self.pending.len() == self.chunk {
                self.run_chunk(u64::MAX, out);
            }
        }
    }

    fn flush(&mut self, from: SampleRate, to: SampleRate, out: &mut Vec<f32>) {
        let due = (u128::from(self.taken) * u128::from(to.hz())).div_ceil(u128::from(from.hz()));
        let due = u64::try_from(due).unwrap_or(u64::MAX);
        while self.given < due {
            self.pending.resize(self.chunk, 0.0);
            self.run_chunk(due, out);
        }
        self.filter.reset();
        self.pending.clear();
        self.lead = lead(&self.filter);
        self.taken = 0;
        self.given = 0;
    }

    /// Filters the full chunk in `pending`; gives out what lies after the lead, up to `due` samples
    /// of the stream in all.
    fn run_chunk(&mut self, due: u64, out: &mut Vec<f32>) {
        let expected = "buffers were sized by the filter itself";
        let frames = self.scratch.len();
        let input = SequentialSlice::new(&self.pending, 1, self.chunk).expect(expected);
        let mut output = SequentialSlice::new_mut(&mut self.scratch, 1, frames).expect(expected);
        let (_, made) = self
            .filter
            .process_into_buffer(&input, &mut output, None)
            .expect(expected);
        self.pending.clear();
        let skipped = self.lead.min(made);
        self.lead -= skipped;
        let wanted = usize::try_from(due - self.given).unwrap_or(usize::MAX);
        let ready = &self.scratch[skipped..made];
        let ready = &ready[..ready.len().min(wanted)];
        self.given += ready.len() as u64;
        out.extend_from_slice(ready);
    }
}

/// How many of the first output samples lie before the input. rubato's own figure is one output
/// sample more than there are: it advances its position before the first one. What is left is less
/// than a sample.
fn lead(filter: &Async<f32>) -> usize {
    filter.output_delay().saturating_sub(1)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
