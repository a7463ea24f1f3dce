//! From logits to a token: the likeliest, with two corrections for a stream that never ends.
use crate::voxtral::Control;

use super::{EosPolicy, Options};

/// Blanks in a row before they become less likely: 16 s.
const PATIENCE: u64 = 200;
/// Logits a blank loses at most. In true silence a blank leads by 8.5 and more, in a rut by 3.5 to
/// 6.6, so this ends the one and not the other.
const MOST: f32 = 7.0;

/// The likeliest token, the lowest of equals, and the logarithm of its probability. `blanks` is how
/// many came in a row.
pub(super) fn choose(
    logits: &[f32],
    blanks: u64,
    control: &Control,
    options: &Options,
) -> (u32, f32) {
    let pad = control.pad as usize;
    let penalty = if options.blank_penalty {
        (0.5 * blanks.saturating_sub(PATIENCE) as f32).min(MOST)
    } else {
        0.0
    };
    let corrected = |id: usize| {
        if id == pad {
            logits[id] - penalty
        } else if id == control.eos as usize && options.eos == EosPolicy::Never {
            f32::NEG_INFINITY
        } else {
            logits[id]
        }
    };
    let mut best = (0, corrected(0));
    for id in 1..logits.len() {
        let logit = corrected(id);
        if logit > best.1 {
            best = (id, logit);
        }
    }
    // The confidence is the model's own, without the corrections; of blanks nobody asks.
    let log_probability = if best.0 == pad {
        0.0
    } else {
        let highest = logits.iter().fold(f32::NEG_INFINITY, |m, l| m.max(*l));
        let sum: f32 = logits.iter().map(|l| (l - highest).exp()).sum();
        logits[best.0] - highest - sum.ln()
    };
    (best.0 as u32, log_probability)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROL: Control = Control {
        bos: 0,
        eos: 1,
        pad: 2,
        word: 3,
    };

    fn chosen(logits: &[f32], blanks: u64, options: Options) -> u32 {
        choose(logits, blanks, &CONTROL, &options).0
    }

    #[test]
    fn the_likeliest_and_the_lowest_of_equals() {
        let (id, log) = choose(&[0.0, 0.0, 0.0, 1.0, 1.0], 0, &CONTROL, &Options::default());
        assert_eq!(id, 3);
        let e = std::f32::consts::E;
        assert!((log.exp() - e / (2.0 * e + 3.0)).abs() < 1e-6);
    }

    #[test]
    fn a_rut_ends_and_silence_stays() {
        let rut = [0.0, 0.0, 6.6, 0.0, 0.1];
        let silence = [0.0, 0.0, 8.5, 0.0, 0.1];
        let on = Options::default();
        let off = Options {
            blank_penalty: false,
            ..on
        };
        assert_eq!(chosen(&rut, 200, on), 2);
        assert_eq!(chosen(&rut, 214, on), 4);
        assert_eq!(chosen(&rut, 10_000, off), 2);
        assert_eq!(chosen(&silence, 10_000, on), 2);
    }

    #[test]
    fn the_end_may_be_forbidden() {
        let over = [0.0, 9.0, 1.0];
        let never = Options {
            eos: EosPolicy::Never,
            ..Options::default()
        };
        assert_eq!(chosen(&over, 0, Options::default()), 1);
        assert_eq!(chosen(&over, 0, never), 2);
    }
}
