//! A local user who connects to the Unix socket as fast as possible and keeps connections open.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ports::free_ports;

use crate::PATIENCE;
use crate::http_connection::Connection;
use crate::message;
use crate::service_process::{BASIC_OVER_HTTP, Telarchd, listener, loopback, memory};
use crate::test_user::TestUser;

/// Number of threads of the attacker.
const ATTACKERS: usize = 3;
/// Number of connections that each thread keeps open.
const HELD: usize = 100;
/// Maximum number of connections of one user.
const SHARE: usize = 64;

/// Switches this thread to another user, whom the kernel reports for new connections.
fn become_user(uid: u32) {
    let uid = rustix::process::Uid::from_raw(uid);
    rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
}

/// Opens and closes connections until it is stopped, and keeps some of them open meanwhile.
fn flood(socket: &Path, uid: u32, stop: &AtomicBool, connected: &AtomicUsize) {
    become_user(uid);
    let held: Vec<_> = (0..HELD).filter_map(|_| UnixStream::connect(socket).ok()).collect();
    while !stop.load(Ordering::Relaxed) {
        if UnixStream::connect(socket).is_ok() {
            connected.fetch_add(1, Ordering::Relaxed);
        }
    }
    drop(held);
}

/// Stops the flood on drop, also when the test fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn entries(process: i32, what: &str) -> usize {
    fs::read_dir(format!("/proc/{process}/{what}")).unwrap().count()
}

/// Starts a service with a socket that all users can reach.
fn start(config: &str) -> Telarchd {
    let telarchd = Telarchd::start(config);
    for folder in [telarchd.folder.path().to_owned(), telarchd.state()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    telarchd
}

#[test]
fn a_local_flood_exhausts_neither_descriptors_nor_memory_nor_turns() {
    let (Some(ann), Some(eve)) = (TestUser::create(), TestUser::create()) else { return };
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let telarchd = start(&[BASIC_OVER_HTTP, &http].concat());
    let socket = telarchd.state().join("local.sock");
    let broker = telarchd.pid().as_raw_nonzero().get();
    assert_eq!(Connection::open_local(&socket).ask_unnamed("/wsman", &message::settings()).status, 200);
    telarchd.reload();
    let (memory_before, log_before) = (memory(broker), noticeable(&telarchd));

    let (stop, connected) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut descriptors, mut threads) = (0, 0);
    std::thread::scope(|scope| {
        let _ending = Ending(&stop);
        for _ in 0..ATTACKERS {
            scope.spawn(|| flood(&socket, eve.uid, &stop, &connected));
        }
        let until = Instant::now() + PATIENCE;
        let mut requested = 0;
        while requested < 20 || connected.load(Ordering::Relaxed) < 20_000 {
            assert!(Instant::now() < until, "{requested} requests, {connected:?} connections");
            let answer = Connection::open_local(&socket).ask_unnamed("/wsman", &message::settings());
            assert_eq!(answer.status, 200, "root at the local socket: {answer:?}");
            let answer = Connection::open(loopback(port)).ask_as(&ann.name, "/wsman", &message::settings());
            assert_ne!(answer.status, 401, "a right password over the network: {answer:?}");
            descriptors = descriptors.max(entries(broker, "fd"));
            threads = threads.max(entries(broker, "task"));
            requested += 1;
        }
    });
    let shown = format!("{descriptors} descriptors, {threads} threads, {connected:?} connections");
    eprintln!("{shown}");
    assert!(descriptors < 400 && threads < 40, "{shown}");

    telarchd.reload();
    let memory_after = memory(broker);
    eprintln!("{memory_before} KiB before, {memory_after} KiB after");
    assert!(memory_after < memory_before + (16 << 10), "{memory_before} KiB before, {memory_after} after");
    let lines = noticeable(&telarchd) - log_before;
    assert!(lines < 60, "{lines} lines of log:\n{}", telarchd.log());
}

/// Returns the number of log lines at the level `info` or above.
fn noticeable(telarchd: &Telarchd) -> usize {
    let log = telarchd.log();
    log.lines().filter(|line| [" INFO ", " WARN ", "ERROR "].iter().any(|level| line.contains(level))).count()
}

#[test]
fn a_user_s_64_local_connections_are_freed_even_by_a_killed_gateway() {
    let Some(eve) = TestUser::create() else { return };
    let telarchd = start("");
    let socket = telarchd.state().join("local.sock");
    let hold = || {
        std::thread::scope(|scope| {
            let connecting = scope.spawn(|| {
                become_user(eve.uid);
                (0..SHARE + 10).map(|_| UnixStream::connect(&socket).unwrap()).collect::<Vec<_>>()
            });
            connecting.join().unwrap()
        })
    };
    for round in 0..3 {
        // The permits of the last round are released once the gateway has noticed the closed connections.
        let until = Instant::now() + PATIENCE;
        let held = loop {
            let held = hold();
            if held.iter().filter(|stream| is_refused(stream)).count() == 10 {
                break held;
            }
            assert!(Instant::now() < until, "connections are not released in round {round}");
        };
        let answer = Connection::open_local(&socket).ask_unnamed("/wsman", &message::settings());
        assert_eq!(answer.status, 200, "some connections are reserved for root");
        if round == 1 {
            let gateway = rustix::process::Pid::from_raw(telarchd.serving_pid()).unwrap();
            rustix::process::kill_process(gateway, rustix::process::Signal::KILL).unwrap();
            telarchd.wait_for_notification("READY=1");
        }
        drop(held);
    }
}

/// Returns whether a connection was refused with HTTP 503.
fn is_refused(mut stream: &UnixStream) -> bool {
    // An admitted connection receives nothing before its first request; refused ones are answered at once.
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).is_ok_and(|()| &answer == b"HTTP/1.1 503")
}
