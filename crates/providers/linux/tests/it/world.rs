//! Tests that mount things and change links do so where nobody else sees it.

use std::process::Command;

/// Runs the body of a test in a process with mounts and a network of its own.
///
/// `name` is that of the test, as the test program has it. Without the right to do so the test says that it is
/// skipped.
pub(crate) fn in_world(name: &str, needed: &[&str], body: impl FnOnce()) {
    const INSIDE: &str = "TELARCH_LINUX_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let is_there = |name: &&&str| {
        let found = Command::new("sh").args(["-c", "command -v \"$0\"", name]).output();
        found.is_ok_and(|found| found.status.success())
    };
    let also = ["unshare", "mount"];
    if let Some(missing) = needed.iter().chain(&also).find(|name| !is_there(name)) {
        eprintln!("SKIPPED: there is no {missing} here (./test --install, or your package manager)");
        return;
    }
    let tried = Command::new("unshare").args(["--net", "--mount", "true"]).output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        eprintln!("SKIPPED: the kernel gives this user no network and no mounts of its own: run it as root");
        return;
    }
    let mut again = Command::new("unshare");
    again.args(["--net", "--mount"]).arg(std::env::current_exe().unwrap());
    again.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(INSIDE, "1");
    let ended = again.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "in a world of its own:\n{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "{name} is not the name of this test:\n{stdout}");
}

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
