//! Keys as tones inside the sound (ITU-T Q.23), found by Goertzel's algorithm: the last resort for
//! lines that have no other way to say that a key was pressed.

const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];
/// Both tones together hold at least this share of the sound's energy; speech does not.
const PURE: f32 = 0.85;
/// Quieter than -30 dBFS is nobody's finger.
const LOUD: f32 = 0.001;
/// The louder tone may be so many times as strong as the other (8 dB).
const TWIST: f32 = 6.3;

/// Finds keys in 20 ms frames of 16 kHz.
#[derive(Debug, Default)]
pub struct ToneFinder {
    last: Option<char>,
    frames: u8,
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// A key was pressed, told once.
    pub pressed: Option<char>,
    /// The frame is a key's tone and nobody's voice.
    pub is_tone: bool,
}

impl ToneFinder {
    /// Looks at the next 20 ms.
    pub fn frame(&mut self, samples: &[f32]) -> Found {
        let key = key_in(samples);
        if key != self.last {
            self.last = key;
            self.frames = 0;
        }
        let Some(key) = key else {
            return Found::default();
        };
        self.frames = self.frames.saturating_add(1);
        Found {
            // 40 ms are the shortest press there is.
            pressed: (self.frames == 2).then_some(key),
            is_tone: true,
        }
    }
}

fn key_in(samples: &[f32]) -> Option<char> {
    let energy: f32 = samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32;
    if energy < LOUD {
        return None;
    }
    let strongest = |tones: &[f32; 4]| {
        let mut best = (0, 0.0);
        for (at, hz) in tones.iter().enumerate() {
            let power = power(samples, *hz);
            if power > best.1 {
                best = (at, power);
            }
        }
        best
    };
    let ((row, low), (column, high)) = (strongest(&ROWS), strongest(&COLUMNS));
    let is_pure = low + high >= PURE * energy;
    let is_balanced = low < TWIST * high && high < TWIST * low;
    (is_pure && is_balanced).then(|| KEYS[row][column])
}

/// The power of one frequency, in the units of mean square.
fn power(samples: &[f32], hz: f32) -> f32 {
    let turn = std::f32::consts::TAU * hz / 16_000.0;
    let factor = 2.0 * turn.cos();
    let (mut before, mut last) = (0.0_f32, 0.0_f32);
    for sample in samples {
        (before, last) = (last, sample + factor * last - before);
    }
    let squared = last * last + before * before - factor * last * before;
    2.0 * squared / (samples.len() * samples.len()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(low: f32, high: f32, frames: usize) -> Vec<f32> {
        let at = |n: usize, hz: f32| (n as f32 * hz * std::f32::consts::TAU / 16_000.0).sin();
        (0..frames * 320)
            .map(|n| 0.2 * at(n, low) + 0.2 * at(n, high))
            .collect()
    }

    fn pressed(samples: &[f32]) -> String {
        let mut finder = ToneFinder::default();
        samples
            .chunks_exact(320)
            .filter_map(|frame| finder.frame(frame).pressed)
            .collect()
    }

    #[test]
    fn every_key_is_found_once() {
        for (row, low) in ROWS.iter().enumerate() {
            for (column, high) in COLUMNS.iter().enumerate() {
                let found = pressed(&sound(*low, *high, 5));
                assert_eq!(found, KEYS[row][column].to_string());
            }
        }
    }

    #[test]
    fn a_key_pressed_twice_is_two() {
        let mut samples = sound(770.0, 1_336.0, 4);
        samples.extend(vec![0.0; 640]);
        samples.extend(sound(770.0, 1_336.0, 4));
        assert_eq!(pressed(&samples), "55");
    }

    #[test]
    fn one_tone_or_noise_is_no_key() {
        assert_eq!(pressed(&sound(770.0, 770.0, 5)), "");
        let mut seed = 1_u32;
        let noise: Vec<f32> = (0..16_000)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                seed as f32 / u32::MAX as f32 - 0.5
            })
            .collect();
        assert_eq!(pressed(&noise), "");
    }
}
