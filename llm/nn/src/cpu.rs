//! Which instructions this processor has, asked once, and the macro that compiles one loop for
//! each of them.
use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
mod tiles;

/// A set of instructions the kernels are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust: whatever the compiler takes for granted, SSE2 on x86-64, NEON on AArch64.
    Portable,
    /// NEON as every AArch64 has it.
    Neon,
    /// NEON with the dot product of bytes.
    NeonDot,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL) with VNNI.
    Avx512,
    /// The same with the dot product of bf16 pairs.
    Avx512Bf16,
    /// AVX-512 with tiles of bf16 and of bytes (AMX).
    Amx,
}

impl Isa {
    /// The best set this processor has. `VOICED_ISA` ([`Isa::name`]) lowers it, to tell a fault of
    /// a kernel from a fault of a model.
    pub fn detect() -> Isa {
        static FOUND: OnceLock<Isa> = OnceLock::new();
        *FOUND.get_or_init(|| {
            let available = Isa::available();
            let wanted = std::env::var("VOICED_ISA").ok();
            let named = available
                .iter()
                .find(|isa| wanted.as_deref() == Some(isa.name()));
            *named
                .or(available.last())
                .expect("the portable set is always available")
        })
    }

    /// Every set this processor has, slowest first.
    pub fn available() -> Vec<Isa> {
        let mut found = vec![Isa::Portable];
        #[cfg(target_arch = "aarch64")]
        {
            found.push(Isa::Neon);
            if std::arch::is_aarch64_feature_detected!("dotprod") {
                found.push(Isa::NeonDot);
            }
        }
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni");
            let sets = [
                (Isa::Avx2, avx2),
                (Isa::Avx512, avx512),
                (
                    Isa::Avx512Bf16,
                    avx512 && is_x86_feature_detected!("avx512bf16"),
                ),
                (Isa::Amx, avx512 && tiles::available()),
            ];
            found.extend(sets.iter().filter(|set| set.1).map(|set| set.0));
        }
        found
    }

    /// The name `VOICED_ISA` takes and reports print.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Neon => "neon",
            Isa::NeonDot => "neon-dot",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Avx512Bf16 => "avx512-bf16",
            Isa::Amx => "amx",
        }
    }
}

/// Compiles `$body`, an `#[inline(always)]` function generic over "has a fused multiply-add", for
/// every instruction set, and makes `$name` choose among them at run time.
macro_rules! by_isa {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) = $body:ident) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name(isa: $crate::cpu::Isa, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn wide($($arg: $ty),*) {
                    $body::<true>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn half($($arg: $ty),*) {
                    $body::<true>($($arg),*)
                }
                match isa {
                    // SAFETY: an `Isa` other than `Portable` is only made by `Isa::available`,
                    // which asked the processor for these features.
                    $crate::cpu::Isa::Avx512
                    | $crate::cpu::Isa::Avx512Bf16
                    | $crate::cpu::Isa::Amx => return unsafe { wide($($arg),*) },
                    // SAFETY: as above.
                    $crate::cpu::Isa::Avx2 => return unsafe { half($($arg),*) },
                    _ => {}
                }
            }
            let _ = isa;
            $body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}
pub(crate) use by_isa;

/// `a * b + c`, fused where the processor does that in one instruction: elsewhere a fused result
/// would be a call into the mathematics library.
#[inline(always)]
pub(crate) fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `e^x` within 2 units in the last place from -87 to 88; zero below, `e^88` above. Made of
/// additions and multiplications so that loops over it vectorise.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let vanishes = x < -87.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = mul_add::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    // ln 2 in two parts, the first with enough zero bits that n times it is exact.
    let r = mul_add::<FMA>(n, -0.693_359_4, x);
    let r = mul_add::<FMA>(n, 2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4;
    p = mul_add::<FMA>(p, r, 1.398_2e-3);
    p = mul_add::<FMA>(p, r, 8.333_452e-3);
    p = mul_add::<FMA>(p, r, 4.166_579_6e-2);
    p = mul_add::<FMA>(p, r, 1.666_666_5e-1);
    p = mul_add::<FMA>(p, r, 0.5);
    let tail = mul_add::<FMA>(p, r * r, r);
    let power = f32::from_bits(((shifted.to_bits() << 23) as i32 + (127 << 23)) as u32);
    if vanishes {
        0.0
    } else {
        mul_add::<FMA>(tail, power, power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_the_library_s() {
        let mut worst = 0f32;
        for i in -87_000..88_000 {
            let x = i as f32 / 1000.0;
            for got in [exp::<true>(x), exp::<false>(x)] {
                let want = f64::from(x).exp();
                worst = worst.max(((f64::from(got) - want) / want).abs() as f32);
            }
        }
        assert!(worst < 2.5e-7, "worst relative error {worst:e}");
        assert_eq!(exp::<true>(0.0), 1.0);
        assert_eq!(exp::<true>(f32::NEG_INFINITY), 0.0);
        assert!(exp::<true>(f32::NAN).is_nan());
    }
}
