//! What is done to one caller's microphone before anybody listens: high-pass, echo cancellation
//! against what the agent plays, noise suppression.
//!
//! Guarantees: samples keep their number and order; what is switched off costs nothing and holds
//! no memory.
use sonora::{
    AudioProcessing, Config, StreamConfig,
    config::{EchoCanceller, HighPassFilter, NoiseSuppression, NoiseSuppressionLevel},
};
use voiced_core::{
    audio::SampleRate,
    playout::{FRAME, PlayoutFrame},
};

use crate::openai_realtime::session::NoiseReduction;

/// Samples of 10 ms at `SampleRate::HEARING`, the unit of processing.
const HEARD: usize = 160;
/// Samples of 10 ms at `SampleRate::SPEECH`.
const PLAYED: usize = FRAME / 2;

/// What to do to a microphone. Browsers do all of this themselves, unless asked not to; telephones
/// and bare sockets do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeSettings {
    /// Removes the agent's own voice coming back from the caller's loudspeaker. About 0.3 MB and
    /// 1.3 % of a core a call (`webrtc_cost` with `VOICED_AEC=1`).
    pub echo_cancellation: bool,
    /// Attenuates steady noise.
    pub noise_suppression: bool,
    /// By how much.
    pub noise_level: NoiseLevel,
    /// Removes what lies below 80 Hz: hum, handling, wind. Always on beside echo cancellation.
    pub high_pass: bool,
}

/// How much of a steady noise is taken away. More of it takes more of the voice with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoiseLevel {
    /// About 6 dB.
    Low,
    /// About 12 dB.
    #[default]
    Moderate,
    /// About 18 dB.
    High,
    /// About 21 dB.
    VeryHigh,
}

impl EdgeSettings {
    /// These settings with the client's wish about noise in their place.
    pub fn with_noise(self, wish: NoiseReduction) -> Self {
        let noise_level = match wish {
            NoiseReduction::Usual => return self,
            NoiseReduction::Near => NoiseLevel::Low,
            NoiseReduction::NearStrong => NoiseLevel::Moderate,
            NoiseReduction::Far => NoiseLevel::High,
            NoiseReduction::FarStrong => NoiseLevel::VeryHigh,
        };
        Self {
            noise_suppression: true,
            high_pass: true,
            noise_level,
            ..self
        }
    }
}

/// The processing of one microphone.
pub struct Edge {
    processing: Option<Box<Processing>>,
}

struct Processing {
    apm: AudioProcessing,
    cancels_echo: bool,
    /// Where the far end's samples go that nobody wants.
    discard: [f32; PLAYED],
    cleaned: [f32; HEARD],
    /// Less than 10 ms, kept until more comes; given back late by as much.
    partial: Vec<f32>,
    ready: Vec<f32>,
}

impl Edge {
    /// Processing as the settings say.
    pub fn new(settings: EdgeSettings) -> Self {
        let wanted = settings.echo_cancellation || settings.noise_suppression || settings.high_pass;
        Self {
            processing: wanted.then(|| Box::new(Processing::new(settings))),
        }
    }

    /// Whether anything is done at all.
    pub fn is_idle(&self) -> bool {
        self.processing.is_none()
    }

    /// What the agent plays in the next 20 ms; `None` for silence. Call once per beat, before
    /// [`Edge::captured`] of the same beat: echo is found by comparing the two.
    pub fn played(&mut self, frame: Option<&PlayoutFrame>) {
        const SILENCE: [f32; FRAME] = [0.0; FRAME];
        if let Some(processing) = &mut self.processing
            && processing.cancels_echo
        {
            processing.played(frame.map_or(&SILENCE, |frame| &frame.samples));
        }
    }

    /// Cleans the microphone's next samples in place. Multiples of 10 ms (160 samples) pass
    /// without delay; anything else is delayed by less than 10 ms, filled up with silence at the
    /// beginning.
    pub fn captured(&mut self, samples: &mut [f32]) {
        if let Some(processing) = &mut self.processing {
            processing.captured(samples);
        }
    }
}

impl Processing {
    fn new(settings: EdgeSettings) -> Self {
        let config = Config {
            high_pass_filter: settings.high_pass.then(HighPassFilter::default),
            echo_canceller: settings.echo_cancellation.then(EchoCanceller::default),
            noise_suppression: settings.noise_suppression.then(|| NoiseSuppression {
                level: match settings.noise_level {
                    NoiseLevel::Low => NoiseSuppressionLevel::Low,
                    NoiseLevel::Moderate => NoiseSuppressionLevel::Moderate,
                    NoiseLevel::High => NoiseSuppressionLevel::High,
                    NoiseLevel::VeryHigh => NoiseSuppressionLevel::VeryHigh,
                },
                ..NoiseSuppression::default()
            }),
            ..Config::default()
        };
        Self {
            apm: AudioProcessing::builder()
                .config(config)
                .capture_config(StreamConfig::new(SampleRate::HEARING.hz(), 1))
                .render_config(StreamConfig::new(SampleRate::SPEECH.hz(), 1))
                .build(),
            cancels_echo: settings.echo_cancellation,
            discard: [0.0; PLAYED],
            cleaned: [0.0; HEARD],
            partial: Vec::new(),
            ready: Vec::new(),
        }
    }

    fn played(&mut self, samples: &[f32; FRAME]) {
        for half in samples.chunks_exact(PLAYED) {
            // The only errors are wrong lengths, which these are not.
            let _ = self
                .apm
                .process_render_f32(&[half], &mut [&mut self.discard]);
        }
    }

    fn captured(&mut self, samples: &mut [f32]) {
        if self.partial.is_empty() && self.ready.is_empty() && samples.len().is_multiple_of(HEARD) {
            for stretch in samples.chunks_exact_mut(HEARD) {
                self.clean(stretch);
            }
            return;
        }
        if self.ready.is_empty() && self.partial.is_empty() {
            // From here on the stream runs 10 ms late.
            self.ready.resize(HEARD, 0.0);
        }
        self.partial.extend_from_slice(samples);
        let whole = self.partial.len() / HEARD * HEARD;
        let mut stretches: Vec<f32> = self.partial.drain(..whole).collect();
        for stretch in stretches.chunks_exact_mut(HEARD) {
            self.clean(stretch);
        }
        self.ready.extend_from_slice(&stretches);
        // There is always enough: 10 ms of silence were put in front.
        let count = samples.len().min(self.ready.len());
        for (sample, ready) in samples.iter_mut().zip(self.ready.drain(..count)) {
            *sample = ready;
        }
    }

    fn clean(&mut self, stretch: &mut [f32]) {
        for sample in stretch.iter_mut() {
            if !sample.is_finite() {
                *sample = 0.0;
            }
        }
        if self
            .apm
            .process_capture_f32(&[stretch], &mut [&mut self.cleaned])
            .is_ok()
        {
            stretch.copy_from_slice(&self.cleaned);
        }
    }
}

#[cfg(test)]
mod tests;
