//! Separation of privileges: what a process drops before it reads the first byte from the network.
//!
//! - [`keep_from_children`] and [`close_all`]: inherited descriptors.
//! - [`set_groups`], [`become_user`] and [`become_gateway`]: user, groups and capabilities.
//! - [`confine`], [`confine_collector`] and [`confine_sender`]: system calls and files that the kernel permits.
//! - [`this_program`] and [`stdin_socket`]: the same program as another process.
//! - [`use_few_heaps`], [`map_large_blocks`] and [`release_free_memory`]: memory of processes that run for months.
//!
//! Not part of this crate: the processes themselves, and the messages between them (`broker`).

mod allocator;
mod child_process;
mod descriptors;
mod limits;
mod user;

use std::error::Error;

pub use self::allocator::{map_large_blocks, release_free_memory, use_few_heaps};
pub use self::child_process::{socket_of, stdin_socket, this_program};
pub use self::descriptors::{close_all, keep_from_children};
pub use self::limits::{confine, confine_collector, confine_sender};
pub use self::user::{become_gateway, become_user, set_groups};

/// Requires that no other thread exists: confinement applies to the calling thread and its later children only.
///
/// # Errors
/// A message with the number of threads, or the error of reading them.
pub fn require_one_thread() -> Result<(), Box<dyn Error>> {
    match std::fs::read_dir("/proc/self/task")?.count() {
        1 => Ok(()),
        threads => Err(format!("the process has {threads} threads before it is confined").into()),
    }
}
