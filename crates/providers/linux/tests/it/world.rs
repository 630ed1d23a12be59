//! Runs tests that mount file systems and change links where no other process sees it.

use std::process::Command;

pub(crate) use telarch_peers::in_bare_world as in_world;

/// Runs a future to its end.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(work)
}

/// Runs a shell script that must succeed, and returns its output.
pub(crate) fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{stderr}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Returns an identifier for a file system. Loop devices belong to the whole machine, so other tests see each other's.
pub(crate) fn random_uuid() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap().trim().to_owned()
}
