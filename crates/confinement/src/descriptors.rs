//! Descriptors that a process was started with.
//!
//! `unsafe` is allowed here because inherited descriptors are bare numbers: there is no other way to close those that no
//! object in this process owns.
#![allow(unsafe_code)]

use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// Prevents child processes from inheriting any descriptor but the standard streams. This process may have inherited
/// descriptors from an init script, a container or a root shell.
///
/// Must be called before the program opens or starts anything.
pub fn keep_from_children() {
    if !for_all_beyond_streams(libc::CLOSE_RANGE_CLOEXEC) {
        // Linux before 5.11.
        for descriptor in open_beyond_streams() {
            // SAFETY: the descriptor is borrowed only to set a flag, which fails if it is not open.
            let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
            let _ = fcntl_setfd(borrowed, FdFlags::CLOEXEC);
        }
    }
}

/// Closes every descriptor but the standard streams, in a process that another process of the service has started. The
/// parent may have had files open at that moment that the C library does not close on exec, such as `/etc/shadow`.
///
/// Must be called before the program opens or starts anything.
pub fn close_all() {
    if !for_all_beyond_streams(0) {
        // Linux before 5.9.
        for descriptor in open_beyond_streams() {
            // SAFETY: this process has not opened a descriptor yet, so none of them has an owner.
            drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
        }
    }
}

/// Calls close_range(2) for all descriptors after the standard streams; returns `false` if the kernel lacks the call.
fn for_all_beyond_streams(flags: libc::c_uint) -> bool {
    // SAFETY: the call accesses no memory. Without a flag it closes descriptors that have no owner, since this process
    // has not opened any.
    unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, flags) == 0 }
}

/// Returns the open descriptors after the standard streams, without the one used to read the list.
fn open_beyond_streams() -> Vec<RawFd> {
    let listed = std::fs::read_dir("/proc/self/fd").into_iter().flatten().filter_map(Result::ok);
    let numbers: Vec<RawFd> = listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let numbers = numbers.into_iter().filter(|number| *number >= FIRST);
    numbers.filter(|number| std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok()).collect()
}

/// First descriptor after the standard streams.
const FIRST: RawFd = 3;
