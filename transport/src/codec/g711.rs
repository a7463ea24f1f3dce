//! G.711: 8 kHz speech in eight bits a sample, µ-law (North America, Japan) or A-law (elsewhere).
//! Tables are computed at compile time from the recommendation's formulae.

/// Which of the two companding laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// PCMU, RTP payload type 0.
    Mu,
    /// PCMA, RTP payload type 8.
    A,
}

static MU: [i16; 256] = table(Law::Mu);
static A: [i16; 256] = table(Law::A);

/// Added to a µ-law magnitude so that every segment begins at a power of two.
const MU_BIAS: i32 = 132;
/// The largest magnitude µ-law can carry.
const MU_CLIP: i32 = 32_635;

/// Bytes to samples in [-1, 1].
pub fn decode(law: Law, codes: &[u8]) -> Vec<f32> {
    let table = match law {
        Law::Mu => &MU,
        Law::A => &A,
    };
    codes
        .iter()
        .map(|code| f32::from(table[usize::from(*code)]) / 32_768.0)
        .collect()
}

/// Samples to bytes, clipped to full scale.
pub fn encode(law: Law, samples: &[f32]) -> Vec<u8> {
    samples
        .iter()
        .map(|sample| compress(law, voiced_core::audio::pcm16(*sample)))
        .collect()
}

/// One 16-bit sample to its code.
pub const fn compress(law: Law, sample: i16) -> u8 {
    match law {
        Law::Mu => compress_mu(sample as i32),
        Law::A => compress_a(sample as i32),
    }
}

/// One code to its 16-bit sample.
pub const fn expand(law: Law, code: u8) -> i16 {
    match law {
        Law::Mu => expand_mu(code),
        Law::A => expand_a(code),
    }
}

const fn table(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand(law, code as u8);
        code += 1;
    }
    table
}

const fn compress_mu(sample: i32) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.abs();
    let magnitude = MU_BIAS
        + if magnitude > MU_CLIP {
            MU_CLIP
        } else {
            magnitude
        };
    // The bias puts the highest bit at 7 or above: that bit is the segment.
    let segment = 31 - (magnitude as u32).leading_zeros() as i32 - 7;
    let step = (magnitude >> (segment + 3)) & 0x0F;
    !(sign | (segment << 4) | step) as u8
}

const fn expand_mu(code: u8) -> i16 {
    let bits = !code as i32;
    let segment = (bits >> 4) & 0x07;
    let magnitude = ((((bits & 0x0F) << 3) + MU_BIAS) << segment) - MU_BIAS;
    (if bits & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }) as i16
}

const fn compress_a(sample: i32) -> u8 {
    // Twelve bits of magnitude; negative values are one's complements, as the law has no zero.
    let mut level = (if sample < 0 { !sample } else { sample }) >> 4;
    if level > 15 {
        let mut segment = 1;
        while level > 31 {
            level >>= 1;
            segment += 1;
        }
        level += (segment << 4) - 16;
    }
    // Every other bit is inverted on the line.
    (if sample < 0 { level } else { level | 0x80 } ^ 0x55) as u8
}

const fn expand_a(code: u8) -> i16 {
    let bits = (code ^ 0x55) as i32;
    let segment = (bits >> 4) & 0x07;
    let step = bits & 0x0F;
    let magnitude = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    };
    (if bits & 0x80 == 0 {
        -magnitude
    } else {
        magnitude
    }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_as_itself() {
        for law in [Law::Mu, Law::A] {
            for code in 0..=255_u8 {
                let back = compress(law, expand(law, code));
                // µ-law has two zeros; the negative one becomes the positive one.
                let wanted = if law == Law::Mu && code == 0x7F {
                    0xFF
                } else {
                    code
                };
                assert_eq!(back, wanted, "{law:?} {code:#04x}");
            }
        }
    }

    #[test]
    fn the_values_of_the_recommendation() {
        for (code, value) in [
            (0x00, -32_124),
            (0x80, 32_124),
            (0xFF, 0),
            (0x7F, 0),
            (0xFE, 8),
            (0x7E, -8),
            (0xF0, 120),
            (0xEF, 132),
            (0xE0, 372),
            (0xA0, 7_932),
        ] {
            assert_eq!(expand(Law::Mu, code), value, "mu {code:#04x}");
        }
        for (code, value) in [
            (0xD5, 8),
            (0x55, -8),
            (0xAA, 32_256),
            (0x2A, -32_256),
            (0x80, 5_504),
            (0x00, -5_504),
            (0xC5, 264),
            (0xDA, 248),
        ] {
            assert_eq!(expand(Law::A, code), value, "a {code:#04x}");
        }
    }

    #[test]
    fn every_sample_lands_within_half_a_step() {
        for law in [Law::Mu, Law::A] {
            let mut last = i32::MIN;
            for sample in i16::MIN..=i16::MAX {
                let value = i32::from(expand(law, compress(law, sample)));
                assert!(value >= last, "{law:?} is monotonic at {sample}");
                last = value;
                let magnitude = i32::from(sample).abs();
                // A step is a sixteenth of its segment, at least the smallest one.
                let half = (magnitude + MU_BIAS) / 32 + 8;
                let clipped = i32::from(sample).clamp(-32_635, 32_635);
                assert!(
                    (value - clipped).abs() <= half,
                    "{law:?} {sample} -> {value}"
                );
            }
        }
    }

    #[test]
    fn buffers_go_both_ways() {
        let samples = [0.0, 0.25, -0.25, 1.5, -1.5, f32::NAN];
        for law in [Law::Mu, Law::A] {
            let back = decode(law, &encode(law, &samples));
            assert!((back[1] - 0.25).abs() < 0.01 && (back[2] + 0.25).abs() < 0.01);
            assert!(back[3] > 0.97 && back[4] < -0.97, "clipped, not wrapped");
            assert!(back[5].abs() < 0.001, "not a number is silence");
        }
    }
}
