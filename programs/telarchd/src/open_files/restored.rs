//! The limit of open files of programs that this process starts.
//!
//! `unsafe` is allowed here because what runs between fork(2) and execve(2) may only make system calls; this makes one.
#![allow(unsafe_code)]

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Has a program begin with a soft limit, instead of the one of this process.
pub(super) fn begin_with(command: &mut Command, soft: Option<u64>) {
    let lower = move || {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // A program with a higher limit than it should have is better than none.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: soft, maximum });
        Ok(())
    };
    // SAFETY: the function makes two system calls and touches no memory but its own stack.
    unsafe {
        command.pre_exec(lower);
    }
}
