//! Zeroed memory straight from the system, aligned for vectors. Weights ask for 2 MiB pages, since
//! with 4 KiB pages a matrix product spends its time walking page tables (measured: 15–26 GB/s
//! against 26–50); caches ask for small ones, so that only what was written is resident.
#![allow(unsafe_code)]
use std::{
    io,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

/// How memory is to be backed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// 2 MiB pages where the system gives them: for what is read again and again.
    Huge,
    /// Small pages that appear when first written: for what may never be used.
    Lazy,
}

/// A stretch of zeroed bytes, aligned to 64 and owned.
pub(crate) struct Pages {
    start: NonNull<u8>,
    len: usize,
    mapped: usize,
}

// SAFETY: plain memory with one owner; shared access only reads.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

const HUGE: usize = 2 << 20;

impl Pages {
    /// `len` zeroed bytes. Fails when the system has no memory to promise.
    #[cfg(unix)]
    pub fn zeroed(len: usize, backing: Backing) -> io::Result<Pages> {
        let huge = backing == Backing::Huge && len >= HUGE;
        // Small pages for what is left after the last whole huge one.
        let mapped = len.max(1).next_multiple_of(4096);
        // A huge page must start on its own boundary: map one more and give back the ends.
        let slack = if huge { HUGE } else { 0 };
        // SAFETY: a fresh anonymous private mapping at an address of the kernel's choice.
        let raw = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                mapped + slack,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if raw == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let raw = raw.cast::<u8>();
        let lead = if huge { raw.align_offset(HUGE) } else { 0 };
        // SAFETY: both ends lie inside the mapping just made and nothing points to them; the
        // advice concerns the middle, which stays mapped.
        unsafe {
            if lead > 0 {
                libc::munmap(raw.cast(), lead);
            }
            if slack > lead {
                libc::munmap(raw.add(lead + mapped).cast(), slack - lead);
            }
            let start = raw.add(lead);
            #[cfg(target_os = "linux")]
            libc::madvise(
                start.cast(),
                mapped,
                if huge {
                    libc::MADV_HUGEPAGE
                } else {
                    libc::MADV_NOHUGEPAGE
                },
            );
            Ok(Pages {
                start: NonNull::new_unchecked(start),
                len,
                mapped,
            })
        }
    }

    /// `len` zeroed bytes from the allocator, where there is no `mmap`.
    #[cfg(not(unix))]
    pub fn zeroed(len: usize, _: Backing) -> io::Result<Pages> {
        let mapped = len.max(1).next_multiple_of(4096);
        let layout = std::alloc::Layout::from_size_align(mapped, 4096)
            .map_err(|e| io::Error::new(io::ErrorKind::OutOfMemory, e))?;
        // SAFETY: the layout has a size.
        let start = unsafe { std::alloc::alloc_zeroed(layout) };
        NonNull::new(start)
            .map(|start| Pages { start, len, mapped })
            .ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// The bytes as elements of `T`.
    pub fn of<T: Plain>(&self) -> &[T] {
        // SAFETY: aligned to 64, initialised, and every bit pattern is a `T`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.len / size_of::<T>()) }
    }

    /// The bytes as elements of `T`, to write.
    pub fn of_mut<T: Plain>(&mut self) -> &mut [T] {
        // SAFETY: as in `of`, and `&mut self` is the only access.
        unsafe {
            std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.len / size_of::<T>())
        }
    }
}

/// Numbers of which every bit pattern is one.
///
/// # Safety
/// No padding, no invalid patterns, alignment at most 64.
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: plain numbers.
unsafe impl Plain for u8 {}
// SAFETY: plain numbers.
unsafe impl Plain for u16 {}
// SAFETY: plain numbers.
unsafe impl Plain for f32 {}

impl Deref for Pages {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.of()
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.of_mut()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: made by `zeroed` with this size, and nobody else holds it.
        #[cfg(unix)]
        unsafe {
            libc::munmap(self.start.as_ptr().cast(), self.mapped);
        }
        // SAFETY: made by `zeroed` with this layout.
        #[cfg(not(unix))]
        unsafe {
            std::alloc::dealloc(
                self.start.as_ptr(),
                std::alloc::Layout::from_size_align_unchecked(self.mapped, 4096),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn memory_is_zeroed_aligned_and_writable_to_its_end() {
        for backing in [Backing::Huge, Backing::Lazy] {
            for len in [1, 4096, HUGE - 1, 5 * HUGE + 12] {
                let mut pages = Pages::zeroed(len, backing).unwrap();
                assert_eq!(pages.len(), len);
                assert_eq!(pages.as_ptr().align_offset(64), 0);
                assert!(pages.iter().step_by(997).all(|b| *b == 0));
                pages[len - 1] = 7;
                assert_eq!(pages[len - 1], 7);
            }
        }
    }
}
