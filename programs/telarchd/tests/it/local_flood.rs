//! A user of the machine who connects to the Unix socket as fast as possible, and keeps connections open.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::PATIENCE;
use crate::exchange::Connection;
use crate::message;
use crate::person::Person;
use crate::running::{BASIC_OVER_HTTP, Telarchd, free_ports, listener, local, memory};

/// Threads of the user who attacks.
const ATTACKERS: usize = 3;
/// Connections that each of them keeps open.
const HELD: usize = 100;
/// How many connections one user may have.
const SHARE: usize = 64;

/// Makes this thread that of another user, whom the kernel then names as the one who connects.
fn become_user(uid: u32) {
    let uid = rustix::process::Uid::from_raw(uid);
    rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
}

/// Connects and closes until it is told to stop; returns how often. Some connections are kept open meanwhile.
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

/// Ends the flood, also when the test fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn entries(process: i32, what: &str) -> usize {
    fs::read_dir(format!("/proc/{process}/{what}")).unwrap().count()
}

/// A service whose socket everyone can reach.
fn start(config: &str) -> Telarchd {
    let telarchd = Telarchd::start(config);
    for folder in [telarchd.folder.path().to_owned(), telarchd.state()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    telarchd
}

#[test]
fn a_user_who_floods_the_local_socket_takes_neither_descriptors_nor_memory_nor_the_turn_of_others() {
    let (Some(ann), Some(eve)) = (Person::make(), Person::make()) else { return };
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
        let mut asked = 0;
        while asked < 20 || connected.load(Ordering::Relaxed) < 20_000 {
            assert!(Instant::now() < until, "{asked} requests, {connected:?} connections");
            let answer = Connection::open_local(&socket).ask_unnamed("/wsman", &message::settings());
            assert_eq!(answer.status, 200, "root at the local socket: {answer:?}");
            let answer = Connection::open(local(port)).ask_as(&ann.name, "/wsman", &message::settings());
            assert_ne!(answer.status, 401, "a right password over the network: {answer:?}");
            descriptors = descriptors.max(entries(broker, "fd"));
            threads = threads.max(entries(broker, "task"));
            asked += 1;
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

/// The number of lines of the log that an administrator is shown.
fn noticeable(telarchd: &Telarchd) -> usize {
    let log = telarchd.log();
    log.lines().filter(|line| [" INFO ", " WARN ", "ERROR "].iter().any(|level| line.contains(level))).count()
}

#[test]
fn a_user_has_64_local_connections_and_gets_their_places_back_also_from_a_gateway_that_was_killed() {
    let Some(eve) = Person::make() else { return };
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
        // The places of the last round come back as soon as the gateway has noticed.
        let until = Instant::now() + PATIENCE;
        let held = loop {
            let held = hold();
            if held.iter().filter(|stream| is_refused(stream)).count() == 10 {
                break held;
            }
            assert!(Instant::now() < until, "the places do not come back in round {round}");
        };
        let answer = Connection::open_local(&socket).ask_unnamed("/wsman", &message::settings());
        assert_eq!(answer.status, 200, "root has places of its own");
        if round == 1 {
            let gateway = rustix::process::Pid::from_raw(telarchd.serving_pid()).unwrap();
            rustix::process::kill_process(gateway, rustix::process::Signal::KILL).unwrap();
            telarchd.told("READY=1");
        }
        drop(held);
    }
}

/// Whether a connection was answered with HTTP 503 instead of being kept open.
fn is_refused(mut stream: &UnixStream) -> bool {
    // A connection that is served gets no answer, as it has asked nothing; the refused ones were answered at once.
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).is_ok_and(|()| &answer == b"HTTP/1.1 503")
}
