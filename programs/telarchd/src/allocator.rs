//! Settings of glibc's allocator (mallopt(3)) for the broker, a process that runs for months and has bursts of work.
//!
//! `unsafe` is allowed here because the functions are C; neither touches memory that Rust knows about.
#![allow(unsafe_code)]

/// Bounds the number of heaps. By default glibc gives each thread a heap of its own, up to eight for each processor, and
/// what one thread has freed, others do not use: memory then grows with the number of threads there have ever been.
///
/// To be called before there are threads.
pub(crate) fn use_few_heaps() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes two numbers, and changes how memory is allocated from now on; it refuses what it cannot do.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
        // Without this glibc raises the limit with what is freed, and large blocks then stay in the heap.
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}

/// Gives free memory back to the system; by default glibc does so only at the end of a heap.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes a number, and only releases pages that nothing is allocated in.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The broker waits for files, PAM and other processes more than it allocates, so two threads rarely meet.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: libc::c_int = 2;

/// Blocks of this size, in bytes, are mapped apart and are given back as soon as they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 256 << 10;
