//! Noise that depends on a seed, a frame and a dimension and on nothing else: not on what ran
//! before, nor on who else is in the batch.

/// Standard normal values for one frame of one utterance.
pub fn noise(seed: u64, frame: u64, count: usize) -> Vec<f32> {
    (0..count as u64).map(|k| normal(seed, frame, k)).collect()
}

/// One value by Box and Muller's transform of two hashes.
fn normal(seed: u64, frame: u64, dimension: u64) -> f32 {
    let key = scramble(scramble(seed) ^ frame);
    let draw = |n: u64| {
        let bits = scramble(key ^ scramble(2 * dimension + n)) >> 11;
        // In (0, 1]: its logarithm is finite.
        (bits + 1) as f64 / (1u64 << 53) as f64
    };
    let radius = (-2.0 * draw(0).ln()).sqrt();
    (radius * (std::f64::consts::TAU * draw(1)).cos()) as f32
}

/// The finaliser of splitmix64, after its increment: a permutation that looks random.
pub(crate) fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_standard_normal_and_keyed_by_everything() {
        let all: Vec<f64> = (0..2000)
            .flat_map(|frame| noise(7, frame, 36))
            .map(f64::from)
            .collect();
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let moment = |p: i32| all.iter().map(|x| x.powi(p)).sum::<f64>() / n;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((moment(2) - 1.0).abs() < 0.02, "{}", moment(2));
        assert!((moment(4) - 3.0).abs() < 0.15, "{}", moment(4));
        assert_eq!(noise(7, 3, 36), noise(7, 3, 36));
        assert_ne!(noise(7, 3, 36), noise(7, 4, 36));
        assert_ne!(noise(7, 3, 36), noise(8, 3, 36));
        // Neighbouring keys do not mirror each other.
        assert_ne!(noise(7, 6, 36), noise(6, 7, 36));
        assert_eq!(noise(7, 3, 36)[..5], noise(7, 3, 5));
    }
}
