//! Settings of glibc's allocator (mallopt(3)) for processes that run for months with bursts of work.
//!
//! `unsafe` is allowed here because the functions are C; none of them touches memory that Rust knows about.
#![allow(unsafe_code)]

/// Limits the number of heaps. By default glibc creates a heap per thread, up to eight per processor, and memory freed
/// in one heap is not used by others. Memory would then grow with the number of threads ever created.
///
/// Must be called before the first thread is created.
pub fn use_few_heaps() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only changes settings of the allocator; it takes two numbers and ignores invalid ones.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
        // Without a fixed threshold glibc raises it when blocks are freed, and large blocks then stay in the heap.
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}

/// Maps blocks of 1 MB or more separately, so that their memory is returned to the system as soon as they are freed.
///
/// By default glibc does this only until the first such block is freed. It then keeps large blocks in the heaps of the
/// threads, and every heap keeps the largest messages that it has ever held.
///
/// Must be called before the first thread is created.
pub fn map_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: as in `use_few_heaps`.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MESSAGE);
        // glibc's own factor. With a fixed threshold for blocks, the end of a heap would be returned, and requested again,
        // for every 128 KB.
        libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * MESSAGE);
    }
}

/// Returns free memory to the system; by default glibc does so only at the end of a heap.
pub fn release_free_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim only releases pages that contain no allocation.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Number of heaps. These processes mostly wait for files, PAM and other processes, so two threads rarely compete.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: libc::c_int = 2;

/// Minimum size in bytes of blocks that are mapped separately and released as soon as they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 256 << 10;

/// Minimum size in bytes of blocks that [`map_large_blocks`] maps: larger than an envelope of the usual maximum size, with
/// which most transfers work.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MESSAGE: libc::c_int = 1 << 20;
