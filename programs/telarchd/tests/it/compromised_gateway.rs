//! A compromised gateway: the test writes to the broker through the gateway's own socket.

use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::net::sockopt;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::http_connection::Connection;
use crate::message;
use crate::service_process::{Telarchd, is_root, memory};

/// Returns the gateway's end of its link to the broker: a socket whose other end was created by the broker (unix(7),
/// `SO_PEERCRED`).
pub(crate) fn link(telarchd: &Telarchd) -> UnixStream {
    let gateway = telarchd.serving_pid();
    let process = pidfd_open(Pid::from_raw(gateway).unwrap(), PidfdFlags::empty()).unwrap();
    let open = fs::read_dir(format!("/proc/{gateway}/fd")).unwrap().filter_map(Result::ok);
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let taken = numbers.filter_map(|number| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok());
    let is_link =
        |socket: &OwnedFd| sockopt::socket_peercred(socket).is_ok_and(|peer| peer.pid == telarchd.pid());
    UnixStream::from(taken.into_iter().find(is_link).expect("the link of the gateway"))
}

#[test]
fn a_request_over_its_size_limit_ends_the_gateway_without_using_memory() {
    if !is_root() {
        eprintln!("SKIPPED: only the service of root has a gateway");
        return;
    }
    let telarchd = Telarchd::start("");
    let broker = telarchd.pid().as_raw_nonzero().get();
    let before = memory(broker);
    let gateway = telarchd.serving_pid();
    // Head of a message of 60 MiB, number and kind of a password request. The rest is never sent.
    let length = (60_u32 << 20).to_be_bytes();
    let beginning = [&b"TL\x01\x00"[..], &length, &7_u64.to_be_bytes(), &[2]].concat();
    link(&telarchd).write_all(&beginning).unwrap();
    telarchd.wait_for_log(&["Killing the gateway", "exceeds the size limit of its kind"]);
    telarchd.wait_for_notification("READY=1");
    assert_ne!(telarchd.serving_pid(), gateway, "another gateway serves");
    let after = memory(broker);
    assert!(after < before + (8 << 10), "{before} KiB before, {after} KiB after");
    let mut connection = Connection::open_local(&telarchd.state().join("local.sock"));
    assert_eq!(connection.ask_unnamed("/wsman", &message::settings()).status, 200);
}
