//! Voice activity by the small network of the `earshot` crate: 16 ms windows, 7 us each.
//!
//! Guarantees: needs no file; samples that are no numbers count as silence.
use voiced_core::engine::{SpeechProbability, VoiceActivityDetector};

/// Samples the network takes at a time: 16 ms at 16 kHz.
const WINDOW: usize = 256;

/// One microphone's detector.
pub struct Earshot {
    detector: Box<earshot::Detector>,
    window: [f32; WINDOW],
}

impl Earshot {
    /// A detector that has heard nothing.
    pub fn new() -> Self {
        Self {
            detector: Box::default(),
            window: [0.0; WINDOW],
        }
    }
}

impl Default for Earshot {
    fn default() -> Self {
        Self::new()
    }
}

impl VoiceActivityDetector for Earshot {
    fn window(&self) -> usize {
        WINDOW
    }

    fn push(&mut self, samples: &[f32]) -> SpeechProbability {
        debug_assert_eq!(samples.len(), WINDOW, "a window is 16 ms");
        self.window.fill(0.0);
        for (to, from) in self.window.iter_mut().zip(samples) {
            // The network keeps state, so a single NaN would deafen it for good.
            *to = if from.is_finite() {
                from.clamp(-1.0, 1.0)
            } else {
                0.0
            };
        }
        SpeechProbability(self.detector.predict_f32(&self.window))
    }

    fn reset(&mut self) {
        self.detector.reset();
    }
}
