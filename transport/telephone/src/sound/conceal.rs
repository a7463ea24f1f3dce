//! Guesses lost stretches of speech by going on with the last period of the voice, fading out, in
//! the manner of G.711 Appendix I; and passes softly back to what is real.

/// Periods of voices looked for: 5 to 15 ms, at 8 kHz. (66 to 200 Hz)
const SHORTEST_MS: usize = 5;
const LONGEST_MS: usize = 15;
/// What is compared to find the period: 10 ms.
const COMPARED_MS: usize = 10;
/// The guess begins to fade at once and is silent after 60 ms: by then it would be a buzz.
const FADED_MS: usize = 60;
/// Real sound is blended in over 4 ms.
const BLEND_MS: usize = 4;

/// The mender of one stream.
#[derive(Debug)]
pub struct Concealer {
    /// Samples of a millisecond.
    ms: usize,
    /// The last real sound, and what was guessed after it.
    history: Vec<f32>,
    period: usize,
    guessed: usize,
}

impl Concealer {
    /// For sound of `rate` samples a second.
    pub fn new(rate: u32) -> Concealer {
        let ms = rate as usize / 1_000;
        Concealer {
            ms,
            history: vec![0.0; (2 * LONGEST_MS + COMPARED_MS) * ms],
            period: 0,
            guessed: 0,
        }
    }

    /// Real sound came: appends it to `out`, blended with the guess it follows.
    pub fn real(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let start = out.len();
        out.extend_from_slice(samples);
        if self.guessed > 0 {
            let blend = (BLEND_MS * self.ms).min(samples.len());
            for n in 0..blend {
                let weight = (n + 1) as f32 / (blend + 1) as f32;
                let guess = self.next_guess();
                out[start + n] = guess * (1.0 - weight) + samples[n] * weight;
            }
            self.guessed = 0;
        }
        self.remember(samples);
    }

    /// Nothing came: appends a guess of `count` samples to `out`.
    pub fn lost(&mut self, count: usize, out: &mut Vec<f32>) {
        if self.guessed == 0 {
            self.period = self.find_period();
        }
        for _ in 0..count {
            let guess = self.next_guess();
            out.push(guess);
        }
    }

    fn next_guess(&mut self) -> f32 {
        let faded = FADED_MS * self.ms;
        let gain = 1.0 - self.guessed as f32 / faded as f32;
        let at = self.history.len() - self.period + self.guessed % self.period.max(1);
        self.guessed += 1;
        if gain <= 0.0 {
            0.0
        } else {
            self.history[at.min(self.history.len() - 1)] * gain
        }
    }

    fn remember(&mut self, samples: &[f32]) {
        let keep = self.history.len();
        if samples.len() >= keep {
            self.history
                .copy_from_slice(&samples[samples.len() - keep..]);
        } else {
            self.history.rotate_left(samples.len());
            self.history[keep - samples.len()..].copy_from_slice(samples);
        }
    }

    /// The distance at which the end of the history looks most like itself.
    fn find_period(&self) -> usize {
        let compared = COMPARED_MS * self.ms;
        let recent = &self.history[self.history.len() - compared..];
        let mut best = (f32::MIN, SHORTEST_MS * self.ms);
        for period in SHORTEST_MS * self.ms..=LONGEST_MS * self.ms {
            let start = self.history.len() - compared - period;
            let earlier = &self.history[start..start + compared];
            let product: f32 = recent.iter().zip(earlier).map(|(a, b)| a * b).sum();
            let energy: f32 = earlier.iter().map(|s| s * s).sum();
            let likeness = product / (energy + 1e-6).sqrt();
            if likeness > best.0 {
                best = (likeness, period);
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tone(from: usize, count: usize) -> Vec<f32> {
        (from..from + count)
            .map(|n| 0.4 * (n as f32 * 125.0 * std::f32::consts::TAU / 8_000.0).sin())
            .collect()
    }

    fn level(samples: &[f32]) -> f32 {
        (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt()
    }

    #[test]
    fn a_lost_packet_of_a_voice_is_hardly_missed() {
        let mut concealer = Concealer::new(8_000);
        let mut out = Vec::new();
        concealer.real(&tone(0, 800), &mut out);
        concealer.lost(160, &mut out);
        concealer.real(&tone(960, 160), &mut out);
        let whole = tone(0, 1_120);
        let error: Vec<f32> = out.iter().zip(&whole).map(|(a, b)| a - b).collect();
        assert!(
            level(&error[800..960]) < 0.25 * level(&whole),
            "{}",
            level(&error[800..960])
        );
        let step = out
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max);
        assert!(step < 0.1, "no click: {step}");
    }

    #[test]
    fn a_long_hole_fades_to_silence() {
        let mut concealer = Concealer::new(8_000);
        let mut out = Vec::new();
        concealer.real(&tone(0, 800), &mut out);
        out.clear();
        concealer.lost(1_600, &mut out);
        assert!(level(&out[..160]) > 0.1);
        assert_eq!(level(&out[600..]), 0.0);
    }
}
