//! Sixteen f32 lanes for each instruction set, for the loops that the compiler does not vectorise
//! by itself.
//!
//! Invariant: a lane's result does not depend on the other lanes, and `mul_add` is one operation a
//! lane; so loops over lanes keep the order of their additions.
#![allow(unsafe_code)]
#![allow(clippy::missing_safety_doc)]

/// Sixteen lanes.
///
/// # Safety
/// Every method requires that the processor has the instruction set of the type, and pointers to
/// sixteen readable or writable elements.
pub(crate) unsafe trait Lanes: Copy {
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// Loads sixteen bf16 numbers.
    unsafe fn widen(from: *const u16) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn max(self, other: Self) -> Self;
    unsafe fn min(self, other: Self) -> Self;
    unsafe fn mul(self, by: Self) -> Self;
    /// `self * by + plus`.
    unsafe fn mul_add(self, by: Self, plus: Self) -> Self;
}

/// Lanes of any processor.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; 16]);

impl Portable {
    #[inline(always)]
    fn each(mut self, other: Self, join: impl Fn(f32, f32) -> f32) -> Self {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a = join(*a, b);
        }
        self
    }
}

// SAFETY: plain Rust on sixteen elements that the caller vouches for.
unsafe impl Lanes for Portable {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Portable([value; 16])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the trait's contract.
        Portable(unsafe { from.cast::<[f32; 16]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn widen(from: *const u16) -> Self {
        // SAFETY: the trait's contract.
        let narrow = unsafe { from.cast::<[u16; 16]>().read_unaligned() };
        let mut wide = [0f32; 16];
        for (wide, narrow) in wide.iter_mut().zip(narrow) {
            *wide = f32::from_bits(u32::from(narrow) << 16);
        }
        Portable(wide)
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the trait's contract.
        unsafe { to.cast::<[f32; 16]>().write_unaligned(self.0) };
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.each(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.each(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        self.each(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn mul(self, by: Self) -> Self {
        self.each(by, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn mul_add(self, by: Self, plus: Self) -> Self {
        const FMA: bool = cfg!(target_arch = "aarch64");
        let mut sum = plus;
        for ((sum, a), b) in sum.0.iter_mut().zip(self.0).zip(by.0) {
            *sum = crate::cpu::mul_add::<FMA>(a, b, *sum);
        }
        sum
    }
}

/// Compiles `$body`, an `#[inline(always)]` unsafe function generic over [`Lanes`] that is safe
/// wherever its lanes are, for every instruction set, and makes `$name` choose at run time.
macro_rules! by_lanes {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) = $body:ident) => {
        $(#[$doc])*
        #[allow(unsafe_code)]
        $vis fn $name(isa: $crate::cpu::Isa, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::cpu::Isa;
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn wide($($arg: $ty),*) {
                    // SAFETY: this function's processor has these lanes.
                    unsafe { $body::<$crate::lanes::Avx512>($($arg),*) };
                }
                #[target_feature(enable = "avx2,fma")]
                fn half($($arg: $ty),*) {
                    // SAFETY: as above.
                    unsafe { $body::<$crate::lanes::Avx2>($($arg),*) };
                }
                match isa {
                    // SAFETY: sets other than `Portable` are only made by `Isa::available`, which
                    // asked the processor for these features.
                    Isa::Avx512 | Isa::Avx512Bf16 | Isa::Amx => return unsafe { wide($($arg),*) },
                    // SAFETY: as above.
                    Isa::Avx2 => return unsafe { half($($arg),*) },
                    _ => {}
                }
            }
            let _ = isa;
            // SAFETY: `Portable` needs nothing.
            unsafe { $body::<$crate::lanes::Portable>($($arg),*) };
        }
    };
}
pub(crate) use by_lanes;

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Lanes;

    /// One register of sixteen.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(__m512);

    // SAFETY: every intrinsic is AVX-512F, which the trait's contract asks for.
    unsafe impl Lanes for Avx512 {
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the trait's contract, here and below.
            unsafe { Avx512(_mm512_set1_ps(value)) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as above.
            unsafe { Avx512(_mm512_loadu_ps(from)) }
        }
        #[inline(always)]
        unsafe fn widen(from: *const u16) -> Self {
            // SAFETY: as above.
            unsafe {
                let narrow = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
                Avx512(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(narrow)))
            }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as above.
            unsafe { _mm512_storeu_ps(to, self.0) };
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { Avx512(_mm512_add_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { Avx512(_mm512_max_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe { Avx512(_mm512_min_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn mul(self, by: Self) -> Self {
            // SAFETY: as above.
            unsafe { Avx512(_mm512_mul_ps(self.0, by.0)) }
        }
        #[inline(always)]
        unsafe fn mul_add(self, by: Self, plus: Self) -> Self {
            // SAFETY: as above.
            unsafe { Avx512(_mm512_fmadd_ps(self.0, by.0, plus.0)) }
        }
    }

    /// Two registers of eight.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256, __m256);

    // SAFETY: every intrinsic is AVX2 or FMA, which the trait's contract asks for.
    unsafe impl Lanes for Avx2 {
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the trait's contract, here and below.
            unsafe { Avx2(_mm256_set1_ps(value), _mm256_set1_ps(value)) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as above.
            unsafe { Avx2(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
        }
        #[inline(always)]
        unsafe fn widen(from: *const u16) -> Self {
            // SAFETY: as above.
            unsafe {
                let wide = |from: *const u16| {
                    let narrow = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
                    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(narrow))
                };
                Avx2(wide(from), wide(from.add(8)))
            }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: as above.
            unsafe {
                _mm256_storeu_ps(to, self.0);
                _mm256_storeu_ps(to.add(8), self.1);
            }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe {
                Avx2(
                    _mm256_add_ps(self.0, other.0),
                    _mm256_add_ps(self.1, other.1),
                )
            }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe {
                Avx2(
                    _mm256_max_ps(self.0, other.0),
                    _mm256_max_ps(self.1, other.1),
                )
            }
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            // SAFETY: as above.
            unsafe {
                Avx2(
                    _mm256_min_ps(self.0, other.0),
                    _mm256_min_ps(self.1, other.1),
                )
            }
        }
        #[inline(always)]
        unsafe fn mul(self, by: Self) -> Self {
            // SAFETY: as above.
            unsafe { Avx2(_mm256_mul_ps(self.0, by.0), _mm256_mul_ps(self.1, by.1)) }
        }
        #[inline(always)]
        unsafe fn mul_add(self, by: Self, plus: Self) -> Self {
            // SAFETY: as above.
            unsafe {
                Avx2(
                    _mm256_fmadd_ps(self.0, by.0, plus.0),
                    _mm256_fmadd_ps(self.1, by.1, plus.1),
                )
            }
        }
    }
}
