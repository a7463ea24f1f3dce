//! Tempo without a change of pitch: overlap and add of the stretches that fit best (WSOLA), for
//! synthesisers that have no tempo of their own.
//!
//! Guarantees: streams with a delay below 40 ms whatever the pieces; at 1.0 samples pass at once
//! and unchanged; what comes out does not depend on how the input was cut, and lasts as long as
//! the input divided by the tempo. Voices are near enough to periodic that stretches joined where
//! they agree make no audible seam.

/// Samples of an overlap at 24 kHz: 15 ms, more than a period of the lowest voice.
const HOP: usize = 360;
/// How far from where it should be a stretch may begin: half a period of a voice of 60 Hz.
const SEEK: usize = 200;
/// The least and the greatest tempo.
pub const RANGE: (f32, f32) = (0.25, 4.0);

/// One stream of speech, mono at 24 kHz.
#[derive(Clone, Debug)]
pub struct Tempo {
    speed: f64,
    /// Input that may still be needed, and where in the stream it begins.
    input: Vec<f32>,
    base: usize,
    /// Where what was given out last goes on in the input.
    at: usize,
    /// Where the next stretch should begin.
    due: f64,
}

impl Tempo {
    /// A stream at `speed` times its natural tempo, limited to [`RANGE`]; what is no number is 1.
    pub fn new(speed: f32) -> Tempo {
        let mut tempo = Tempo {
            speed: 1.0,
            input: Vec::new(),
            base: 0,
            at: 0,
            due: 0.0,
        };
        tempo.set(speed);
        tempo
    }

    /// Goes on at another tempo, without a seam.
    pub fn set(&mut self, speed: f32) {
        let speed = if speed.is_finite() { speed } else { 1.0 };
        self.speed = f64::from(speed.clamp(RANGE.0, RANGE.1));
    }

    /// The tempo now.
    pub fn speed(&self) -> f32 {
        self.speed as f32
    }

    /// Takes samples and appends what is ready to `out`.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.input.extend_from_slice(samples);
        if self.speed == 1.0 {
            return self.pass(out);
        }
        while self.due as usize + SEEK + HOP <= self.end() && self.at + HOP <= self.end() {
            self.join(out);
        }
        self.forget();
    }

    /// The stream is over: appends the rest, and is as new.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        if self.speed == 1.0 {
            self.pass(out);
        }
        let left = (self.end() as f64 - self.due).max(0.0);
        let rest = (left / self.speed).round() as usize;
        let from = out.len();
        // Silence lets the last stretches find a place; what is too long is cut.
        let silence = rest + SEEK + 3 * HOP;
        self.input.resize(self.input.len() + silence, 0.0);
        while out.len() < from + rest {
            self.join(out);
        }
        out.truncate(from + rest);
        *self = Tempo::new(self.speed as f32);
    }

    fn end(&self) -> usize {
        self.base + self.input.len()
    }

    /// Everything as it is.
    fn pass(&mut self, out: &mut Vec<f32>) {
        out.extend_from_slice(&self.input[self.at - self.base..]);
        self.at = self.end();
        self.due = self.at as f64;
        self.forget();
    }

    /// Fades from where the sound goes on into the stretch near `due` that is most like it.
    fn join(&mut self, out: &mut Vec<f32>) {
        let due = self.due as usize;
        let goes_on = &self.input[self.at - self.base..][..HOP];
        let first = due.saturating_sub(SEEK).max(self.base);
        let best = best_fit(goes_on, &self.input[first - self.base..], due - first);
        let begins = first + best;
        if begins == self.at {
            out.extend_from_slice(goes_on);
        } else {
            let joined = &self.input[begins - self.base..][..HOP];
            let fade = |i: usize| {
                let phase = (i as f32 + 0.5) / HOP as f32 * std::f32::consts::PI;
                0.5 - 0.5 * phase.cos()
            };
            let pairs = goes_on.iter().zip(joined).enumerate();
            out.extend(pairs.map(|(i, (a, b))| a + fade(i) * (b - a)));
        }
        self.at = begins + HOP;
        self.due += HOP as f64 * self.speed;
    }

    /// Lets go of what nothing can refer to any more.
    fn forget(&mut self) {
        let needed = self.at.min((self.due as usize).saturating_sub(SEEK));
        // Moving rarely is cheap, and after a change of tempo the past still matters.
        let spare = needed.saturating_sub(self.base + SEEK);
        if spare > 4 * HOP {
            self.input.drain(..spare);
            self.base += spare;
        }
    }
}

/// Where in `near` the stretch begins that is most like `wanted`; of equals the one closest to
/// `due`.
fn best_fit(wanted: &[f32], near: &[f32], due: usize) -> usize {
    let last = (due + SEEK).min(near.len() - wanted.len());
    let mut energy: f32 = near[..wanted.len()].iter().map(|s| s * s).sum();
    let mut best = (f32::NEG_INFINITY, due.min(last));
    for at in 0..=last {
        let likeness: f32 = (wanted.iter().zip(&near[at..])).map(|(a, b)| a * b).sum();
        let far = at.abs_diff(due) as f32 / (SEEK * 1000) as f32;
        let score = likeness / (energy.max(0.0) + 1e-6).sqrt() - far;
        if score > best.0 {
            best = (score, at);
        }
        if at < last {
            energy += near[at + wanted.len()].powi(2) - near[at].powi(2);
        }
    }
    best.1
}

#[cfg(test)]
mod tests;
