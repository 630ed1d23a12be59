//! Tests that mount things and change links do so where nobody else sees it.

use std::process::Command;

pub(crate) use telarch_peers::in_bare_world as in_world;

/// Runs something asynchronous to its end.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(work)
}

/// Runs a program that must succeed, and gives what it prints.
pub(crate) fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{stderr}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
