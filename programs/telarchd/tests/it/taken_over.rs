//! A gateway that was taken over: the test speaks to the broker through the gateway's own socket.

use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::net::sockopt;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::exchange::Connection;
use crate::message;
use crate::running::{Telarchd, is_root, memory};

/// The gateway's end of its link to the broker: the socket whose other end the broker has made (unix(7),
/// `SO_PEERCRED`).
fn link(telarchd: &Telarchd) -> UnixStream {
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
fn a_request_that_is_longer_than_any_of_its_kind_ends_the_gateway_and_costs_the_broker_nothing() {
    if !is_root() {
        eprintln!("SKIPPED: only the service of root has a gateway");
        return;
    }
    let telarchd = Telarchd::start("");
    let broker = telarchd.pid().as_raw_nonzero().get();
    let before = memory(broker);
    let gateway = telarchd.serving_pid();
    // The head of a message of 60 MiB, and the number and the kind of a request with a password. The rest never comes.
    let length = (60_u32 << 20).to_be_bytes();
    let beginning = [&b"TL\x01\x00"[..], &length, &7_u64.to_be_bytes(), &[2]].concat();
    link(&telarchd).write_all(&beginning).unwrap();
    telarchd.logged(&["The gateway is ended", "longer than any of its kind"]);
    telarchd.told("READY=1");
    assert_ne!(telarchd.serving_pid(), gateway, "another one serves");
    let after = memory(broker);
    assert!(after < before + (8 << 10), "{before} KiB before, {after} KiB after");
    let mut connection = Connection::open_local(&telarchd.state().join("local.sock"));
    assert_eq!(connection.ask_unnamed("/wsman", &message::settings()).status, 200);
}
