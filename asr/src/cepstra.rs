//! An utterance as the recogniser sees it: frames of cepstra, and the mean that normalises them.
//!
//! The recogniser's models expect cepstra whose mean over the utterance is zero, and take the mean
//! in advance. With the model's own prior one word in five is wrong, with the utterance's own mean
//! one in eight (see `sphinx`); so the mean is estimated anew as the utterance grows, and the words
//! so far are searched again when it moved.

/// Values of a frame.
pub const COEFFICIENTS: usize = 13;

/// One frame of 10 ms.
pub type Cepstrum = [f32; COEFFICIENTS];

/// The mean the model was made with; what is assumed of a caller who has not spoken.
const PRIOR: Cepstrum = [
    41.00, -5.29, -0.12, 5.09, 2.48, -4.07, -1.37, -1.78, -5.08, -2.05, -6.45, -1.42, 1.17,
];

/// How many frames of an utterance weigh as much as what was assumed before it.
const PRIOR_FRAMES: f32 = 100.0;

/// The cepstral mean of a caller: of the utterances before, and of the one being heard.
#[derive(Clone)]
pub struct Normal {
    before: Cepstrum,
    sum: [f64; COEFFICIENTS],
    frames: usize,
}

impl Normal {
    /// Of a caller who has not spoken.
    pub fn new() -> Self {
        Self {
            before: PRIOR,
            sum: [0.0; COEFFICIENTS],
            frames: 0,
        }
    }

    /// Takes in a frame of the utterance.
    pub fn add(&mut self, frame: &Cepstrum) {
        for (sum, value) in self.sum.iter_mut().zip(frame) {
            *sum += f64::from(*value);
        }
        self.frames += 1;
    }

    /// The mean to normalise the utterance with.
    pub fn mean(&self) -> Cepstrum {
        let weight = self.frames as f32 + PRIOR_FRAMES;
        let mut mean = self.before;
        for (mean, sum) in mean.iter_mut().zip(&self.sum) {
            *mean = (*sum as f32 + PRIOR_FRAMES * *mean) / weight;
        }
        mean
    }

    /// The utterance is over. If it was speech, its mean is what the next one is assumed to have.
    pub fn finish(&mut self, was_speech: bool) {
        if was_speech {
            self.before = self.mean();
        }
        self.sum = [0.0; COEFFICIENTS];
        self.frames = 0;
    }
}

/// How far two means lie apart.
pub fn distance(one: &Cepstrum, other: &Cepstrum) -> f32 {
    let squares = one.iter().zip(other).map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f32>().sqrt()
}
