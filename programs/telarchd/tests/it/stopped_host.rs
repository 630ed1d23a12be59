//! A user who stops the host process with SIGSTOP.

use std::time::Duration;

use client::ShellOptions;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::separated::{block_on, hosts, start, status};
use crate::service_process::Telarchd;
use crate::test_user::TestUser;

/// Stops the host of a user as soon as it exists.
async fn stop_host(telarchd: &Telarchd, uid: u32) -> i32 {
    loop {
        for host in hosts(telarchd) {
            let of_user = std::fs::read_to_string(format!("/proc/{host}/status")).unwrap_or_default();
            // A killed host stays in the list until its parent has waited for it.
            if of_user.contains(&format!("Uid:\t{uid}")) && !of_user.contains("State:\tZ") {
                kill_process(Pid::from_raw(host).unwrap(), Signal::STOP).unwrap();
                return host;
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Returns whether a host has failed to start.
fn has_failed(telarchd: &Telarchd) -> bool {
    telarchd.log().contains("Cannot start a host")
}

/// Waits until a process does not exist any more, so that it is not found again.
async fn wait_for_end(process: i32) {
    while test_kill_process(Pid::from_raw(process).unwrap()).is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_stopped_host_delays_neither_others_nor_the_end_of_the_service() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let (mut telarchd, port) = start("");
    let host = block_on(async {
        let session = ann.session(port);
        let opening = session.shell(ShellOptions::default());
        tokio::pin!(opening);
        // The host is stopped even if it has already started.
        let host = tokio::select! {
            host = stop_host(&telarchd, ann.uid) => host,
            _ = &mut opening => stop_host(&telarchd, ann.uid).await,
        };
        assert_eq!(ben.run(port, "echo fine").await.unwrap(), "fine\n");
        host
    });
    assert!(status(host, "State").starts_with('T'), "the host is not stopped");
    telarchd.end();
    assert!(test_kill_process(Pid::from_raw(host).unwrap()).is_err(), "the host is still running");
    telarchd.wait_for_log(&["Killing hosts that do not end"]);
}

#[test]
fn a_host_that_does_not_start_is_killed_and_replaced() {
    let Some(ann) = TestUser::create() else { return };
    let (telarchd, port) = start("");
    block_on(async {
        let session = ann.session(port);
        // A host that has started before it is stopped is killed, and the next one is tried.
        let host = loop {
            let started = || telarchd.log().matches("Host started").count();
            let before = started();
            let stopped = async {
                let host = stop_host(&telarchd, ann.uid).await;
                while started() == before && !has_failed(&telarchd) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                // The next host may have started already.
                if has_failed(&telarchd) {
                    return Some(host);
                }
                kill_process(Pid::from_raw(host).unwrap(), Signal::KILL).unwrap();
                wait_for_end(host).await;
                None
            };
            if let (Some(host), _) = tokio::join!(stopped, session.shell(ShellOptions::default())) {
                break host;
            }
        };
        wait_for_end(host).await;
        assert_eq!(ann.run(port, "echo again").await.unwrap(), "again\n");
    });
}
