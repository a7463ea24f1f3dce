//! Whether tiles (AMX) may be used: the processor must have them, the system must save them, and
//! this process must have asked, since a tile register makes every thread's saved state 8 KiB
//! larger.
#![allow(unsafe_code)]
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

/// CPUID leaf 7, register EDX: bf16 tiles, tiles, 8-bit tiles.
const TILES: u32 = 1 << 22 | 1 << 24 | 1 << 25;
/// CPUID leaf 1, register ECX: the system uses XSAVE, so XCR0 can be read.
const OSXSAVE: u32 = 1 << 27;
/// XCR0: tile configuration and tile data are saved.
const SAVED: u64 = 1 << 17 | 1 << 18;

/// Asks for the permission once it is clear that there is something to be permitted.
pub(super) fn available() -> bool {
    let has_leaf_7 = __cpuid(0).eax >= 7;
    if !has_leaf_7 || __cpuid_count(7, 0).edx & TILES != TILES || __cpuid(1).ecx & OSXSAVE == 0 {
        return false;
    }
    // SAFETY: the system uses XSAVE, as just checked.
    let saved = unsafe { saved_state() };
    saved & SAVED == SAVED && permitted()
}

#[target_feature(enable = "xsave")]
unsafe fn saved_state() -> u64 {
    // SAFETY: register 0 is there wherever XSAVE is.
    unsafe { _xgetbv(0) }
}

#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_ulong = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_ulong = 18;
    // SAFETY: takes two numbers and touches no memory of ours; it is granted for all threads.
    let refused = unsafe {
        libc::syscall(
            libc::SYS_arch_prctl,
            ARCH_REQ_XCOMP_PERM,
            XFEATURE_XTILEDATA,
        )
    };
    refused == 0
}

/// Elsewhere the way to ask is another, and nobody has tried it.
#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}
