//! What was speech at all: the recogniser finds words in a cough, a slammed door and the wind. Its
//! own posteriors do not tell them apart (0.16 for white noise, 0.001 for a clear "four",
//! measured), but two plain facts do: speech has voiced sounds, which repeat with the pitch of the
//! voice, and its words have the length of words.
use crate::sphinx::Segment;

/// Samples of a frame: 10 ms at 16 kHz.
const HOP: usize = 160;
/// Every how manyth sample is looked at; a pitch needs no more.
const THIN: usize = 4;
/// Samples compared, and by how much they are shifted at most and at least: 25 ms, 60 to 400 Hz.
const COMPARED: usize = 100;
const LONGEST: usize = 66;
const SHORTEST: usize = 10;
/// How well a voiced sound repeats, as correlation. Measured: speech 0.9, noise below 0.5.
const REPEATS: f32 = 0.75;
/// Quieter than -60 dB of full scale nothing is voiced.
const AUDIBLE: f32 = 1e-6;

/// Fewer voiced frames than this in an utterance are no word: the shortest vowels last 60 ms.
pub const LEAST_VOICED: usize = 6;
/// A word takes at most this many frames, and this many more for each letter.
const WORD_FRAMES: usize = 60;
const LETTER_FRAMES: usize = 15;

/// Tells, frame by frame, whether a sound is voiced.
pub struct Voicing {
    /// The last thinned samples.
    window: Vec<f32>,
    /// Samples on their way into the next thinned one.
    sum: f32,
    taken: usize,
}

impl Voicing {
    /// A stream that has not begun.
    pub fn new() -> Self {
        Self {
            window: vec![0.0; COMPARED + LONGEST],
            sum: 0.0,
            taken: 0,
        }
    }

    /// Takes in samples at 16 kHz; appends one answer for each 10 ms.
    pub fn push(&mut self, samples: &[f32], frames: &mut Vec<bool>) {
        for sample in samples {
            self.sum += sample;
            self.taken += 1;
            if self.taken.is_multiple_of(THIN) {
                // Shifted out a frame at a time: see below.
                self.window.push(self.sum / THIN as f32);
                self.sum = 0.0;
            }
            if self.taken == HOP {
                self.taken = 0;
                let old = self.window.len() - (COMPARED + LONGEST);
                self.window.drain(..old);
                frames.push(self.is_voiced());
            }
        }
    }

    fn is_voiced(&self) -> bool {
        let average = self.window.iter().sum::<f32>() / self.window.len() as f32;
        let at = |n: usize| self.window[n] - average;
        let power = |from: usize| (from..from + COMPARED).map(|n| at(n) * at(n)).sum::<f32>();
        let own = power(LONGEST);
        if own / COMPARED as f32 <= AUDIBLE {
            return false;
        }
        let likeness = |shift: usize| {
            let from = LONGEST - shift;
            let product = |n: usize| at(LONGEST + n) * at(from + n);
            let both = (own * power(from)).sqrt().max(f32::MIN_POSITIVE);
            (0..COMPARED).map(product).sum::<f32>() / both
        };
        // A peak, not the slope every slow sound has at short shifts.
        let (mut last, mut rising) = (likeness(SHORTEST), false);
        for shift in SHORTEST + 1..=LONGEST {
            let now = likeness(shift);
            if rising && now < last && last >= REPEATS {
                return true;
            }
            rising = now > last;
            last = now;
        }
        false
    }
}

/// Whether an utterance with that many voiced frames may be these words.
pub fn is_speech(voiced: usize, segments: &[Segment]) -> bool {
    let mut words = segments
        .iter()
        .filter(|segment| !segment.word.starts_with(['<', '[', '+']));
    voiced >= LEAST_VOICED
        && words.any(|word| word.frames <= WORD_FRAMES + LETTER_FRAMES * word.word.len())
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    fn voiced(audio: &[f32]) -> usize {
        let mut frames = Vec::new();
        let mut voicing = Voicing::new();
        for part in audio.chunks(77) {
            voicing.push(part, &mut frames);
        }
        assert_eq!(frames.len(), audio.len() / HOP);
        frames.into_iter().filter(|frame| *frame).count()
    }

    fn noise(samples: usize) -> Vec<f32> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32 - 0.5
        };
        (0..samples).map(|_| next()).collect()
    }

    /// A pulse train through a resonance: the plainest vowel there is.
    fn vowel(pitch: f32, samples: usize) -> Vec<f32> {
        let formant = |t: f32| (TAU * 700.0 * t).sin() * (-t * 300.0).exp();
        let time = |n: usize| n as f32 / 16_000.0;
        (0..samples)
            .map(|n| 0.3 * formant(time(n) % (1.0 / pitch)))
            .collect()
    }

    #[test]
    fn vowels_are_voiced_at_any_pitch() {
        for pitch in [80.0, 120.0, 200.0, 300.0] {
            assert!(voiced(&vowel(pitch, 8_000)) > 40, "{pitch} Hz");
        }
    }

    #[test]
    fn noise_clicks_and_silence_are_not() {
        assert!(voiced(&noise(16_000)) < LEAST_VOICED);
        // Darker noise: each sample leans on the one before.
        let mut last = 0.0;
        let dark: Vec<f32> = noise(16_000)
            .into_iter()
            .map(|s| {
                last = 0.9 * last + s;
                last
            })
            .collect();
        assert!(voiced(&dark) < LEAST_VOICED, "{}", voiced(&dark));
        let mut click = vec![0.0; 16_000];
        click[8_000..8_020].fill(0.9);
        assert!(voiced(&click) < LEAST_VOICED);
        assert_eq!(voiced(&vec![0.0; 16_000]), 0);
        assert_eq!(voiced(&vec![0.4; 16_000]), 0);
    }

    #[test]
    fn words_have_the_length_of_words() {
        let heard = |word: &str, frames| Segment {
            word: word.into(),
            frames,
        };
        assert!(is_speech(20, &[heard("<s>", 30), heard("yes", 40)]));
        assert!(!is_speech(20, &[heard("if", 290)]));
        assert!(!is_speech(3, &[heard("yes", 40)]));
        assert!(!is_speech(20, &[heard("<s>", 30), heard("[SPEECH]", 40)]));
        assert!(!is_speech(20, &[]));
    }
}
