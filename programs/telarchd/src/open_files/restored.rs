//! Restores the limit of open files in child processes.
//!
//! `unsafe` is allowed here because code between fork(2) and execve(2) may only make system calls, as this code does.
#![allow(unsafe_code)]

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Starts a program with this soft limit instead of the one of this process.
pub(super) fn begin_with(command: &mut Command, soft: Option<u64>) {
    // SAFETY: the function makes two system calls and touches no memory but its own stack.
    unsafe {
        command.pre_exec(move || {
            let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
            // A program with a limit that is too high is better than none.
            let _ = setrlimit(Resource::Nofile, Rlimit { current: soft, maximum });
            Ok(())
        });
    }
}
