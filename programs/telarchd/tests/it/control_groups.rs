//! Control groups of users and their shells.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use client::ShellOptions;
use ports::free_ports;
use rustix::fs::XattrFlags;
use shells::ControlGroup;

use crate::separated::{OPEN_TO_USERS, block_on, hosts};
use crate::service_process::{Telarchd, listener};
use crate::test_user::TestUser;

/// A group that is delegated as by systemd; it is removed with all its processes on drop.
struct Delegated(ControlGroup);

impl Delegated {
    /// Creates a group; `None` if this machine does not allow it.
    fn make() -> Option<Self> {
        let Some(mut root) = ControlGroup::current() else {
            eprintln!("SKIPPED: control groups of version 2 are not mounted");
            return None;
        };
        while let Some(above) = root.parent() {
            root = above;
        }
        let random: [u8; 4] = accounts::random().unwrap();
        let made = root.create_child(&format!("telarch-it-{:08x}", u32::from_ne_bytes(random)));
        let Ok(group) = made else {
            eprintln!("SKIPPED: no control group can be made below {}", root.path().display());
            return None;
        };
        let group = Self(group);
        if rustix::fs::setxattr(group.0.path(), "user.delegate", b"1", XattrFlags::empty()).is_err() {
            eprintln!("SKIPPED: control groups have no extended attributes here (Linux 5.7)");
            return None;
        }
        if !group.0.path().join("cgroup.kill").exists() {
            eprintln!("SKIPPED: control groups have no cgroup.kill here (Linux 5.14)");
            return None;
        }
        Some(group)
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        self.0.kill();
        // The kernel reports no event when a killed process has left its group.
        for _ in 0..6_000 {
            for folder in directories_in(self.0.path()) {
                for folder in directories_in(&folder) {
                    let _ = fs::remove_dir(folder);
                }
                let _ = fs::remove_dir(folder);
            }
            if self.0.remove().is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn directories_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Starts a service in the group.
fn start_in(group: &Delegated) -> (Telarchd, u16) {
    let [port] = free_ports();
    let https = listener("IP:127.0.0.1", "HTTPS", port, "");
    let mut telarchd = Telarchd::new(&[OPEN_TO_USERS, "Service.Auth.Basic = true\n", &https].concat());
    let mut command = Command::new("sh");
    command.args(["-c", "echo $$ > \"$1/cgroup.procs\" && shift && exec \"$@\"", "sh"]);
    command.arg(group.0.path()).arg(env!("CARGO_BIN_EXE_telarchd"));
    telarchd.arguments(&mut command);
    command.args(["--host-idle", "1"]);
    telarchd.run_as(command);
    (telarchd, port)
}

/// Returns the names of the groups of a user.
fn groups_of(group: &Delegated, uid: u32) -> Vec<String> {
    let listed = fs::read_dir(group.0.path().join(format!("user-{uid}"))).into_iter().flatten();
    let folders = listed.filter_map(Result::ok).filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_command_cannot_leave_the_group_of_its_shell_and_ends_with_it() {
    let Some(ann) = TestUser::create() else { return };
    let Some(group) = Delegated::make() else { return };
    let (telarchd, port) = start_in(&group);
    let folder = group.0.path().display().to_string();
    block_on(async {
        let session = ann.session(port);
        let shell = session.shell(ShellOptions::default()).await.unwrap();
        let other = session.shell(ShellOptions::default()).await.unwrap();
        let run = async |line: &str| String::from_utf8(shell.run(line).await.unwrap().stdout).unwrap();

        let own = run("while grep -q /host- /proc/self/cgroup; do :; done; cat /proc/self/cgroup").await;
        let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned();
        assert!(own.contains(&format!("/user-{}/shell-", ann.uid)), "{own}");
        let names = groups_of(&group, ann.uid);
        assert_eq!(names.iter().filter(|name| name.starts_with("shell-")).count(), 2, "{names:?}");
        assert_eq!(names.iter().filter(|name| name.starts_with("host-")).count(), 1, "{names:?}");

        let leave = format!(
            "for file in $(find {folder} -name cgroup.procs); do \
             (echo $$ > $file) 2>/dev/null && echo left $file; done; \
             for name in $(find {folder} -type d); do \
             (mkdir $name/mine || echo 1 > $name/cgroup.kill || echo max > $name/memory.max) 2>/dev/null && echo has $name; \
             done; cat /proc/$$/cgroup"
        );
        let left = run(&leave).await;
        assert!(!left.contains("left") && !left.contains("has "), "{left}");
        assert!(left.contains(&own), "{left}");

        // This process has left its process group, environment and parent.
        let stays = "env -i setsid /bin/sh -c 'sleep 1000 & echo $!' </dev/null 2>/dev/null";
        let stray: i32 = run(stays).await.trim().parse().unwrap();
        assert!(!is_gone(stray));
        shell.close().await.unwrap();
        while !is_gone(stray) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(other.run("echo on").await.unwrap().stdout, b"on\n", "other shells continue");
        other.close().await.unwrap();
    });
    telarchd.wait_for_log(&["Host has ended", "has_left=true"]);
    telarchd.wait_for_log(&["Removed the control group of a user", "Ok(())"]);
    assert!(!group.0.path().join(format!("user-{}", ann.uid)).exists());
}

#[test]
fn children_started_before_a_command_is_moved_are_moved_as_well() {
    let Some(ann) = TestUser::create() else { return };
    let Some(group) = Delegated::make() else { return };
    let (telarchd, port) = start_in(&group);
    block_on(async {
        let session = ann.session(port);
        let shell = session.shell(ShellOptions::default()).await.unwrap();
        for _ in 0..20 {
            // The command starts the process at once.
            let line = "(setsid sleep 1000 >/dev/null 2>&1 </dev/null &) & exec true";
            shell.run(line).await.unwrap();
        }
        let hosts = hosts(&telarchd);
        let names = groups_of(&group, ann.uid);
        let host = names.iter().find(|name| name.starts_with("host-")).unwrap();
        let members = group.0.child(&format!("user-{}", ann.uid)).child(host).processes();
        let members: Vec<i32> = members.iter().map(|process| process.as_raw_nonzero().get()).collect();
        assert_eq!(members, hosts, "only the host is in its group");
        shell.close().await.unwrap();
        // The kernel ends killed processes after the shell was closed.
        while !sleeping(ann.uid).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

/// Returns the running `sleep` processes of a user.
fn sleeping(uid: u32) -> Vec<i32> {
    let all = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|number| is_of(*number, uid) && !is_gone(*number)).collect()
}

fn is_of(process: i32, uid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.starts_with("Name:\tsleep\n") && status.contains(&format!("Uid:\t{uid}\t"))
}

/// Returns whether a process has ended, even if it was not reaped yet.
fn is_gone(process: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.is_empty() || status.contains("State:\tZ")
}
