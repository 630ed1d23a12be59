//! Wrong passwords from many addresses, with PAM's delay for each, do not lock other users out.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread::{self, Scope};
use std::time::Instant;

use auth::Secret;
use ports::free_ports;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use crate::PATIENCE;
use crate::message;
use crate::service_process::{BASIC_OVER_HTTP, PASSWORD, Telarchd, listener, loopback};
use crate::test_user::TestUser;

/// Maximum number of attackers answered during another user's sign-in: three rounds of eight parallel verifications.
const MOST_ATTACKERS_BETWEEN: usize = 24;

/// Starts a service that uses PAM.
fn start() -> (Telarchd, SocketAddr) {
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    (Telarchd::start(&[BASIC_OVER_HTTP, &http].concat()), loopback(port))
}

/// Clients that try wrong passwords until they are stopped.
#[derive(Default)]
struct Attack {
    is_over: AtomicBool,
    /// Number of refusals.
    refused: Mutex<usize>,
    refused_more: Condvar,
    names: AtomicUsize,
}

/// Stops an attack on drop.
struct Running<'a>(&'a Attack);

impl Attack {
    /// Starts a client with a source address that tries a different unknown name each time.
    fn client<'s>(&'s self, scope: &'s Scope<'s, '_>, source: [u8; 4], service: SocketAddr) {
        self.client_as(scope, source, service, None);
    }

    fn client_as<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        source: [u8; 4],
        service: SocketAddr,
        name: Option<&'s str>,
    ) {
        scope.spawn(move || {
            while !self.is_over.load(Ordering::SeqCst) {
                let Ok(mut stream) = open(source, service) else { continue };
                while !self.is_over.load(Ordering::SeqCst) {
                    let number = self.names.fetch_add(1, Ordering::SeqCst);
                    let made_up = format!("nobody{number}");
                    match sign_in(&mut stream, name.unwrap_or(&made_up), "wrong") {
                        Ok(401) => {
                            *self.refused.lock().unwrap() += 1;
                            self.refused_more.notify_all();
                        }
                        // The service is stopping.
                        Ok(503) if self.is_over.load(Ordering::SeqCst) => break,
                        Ok(other) => panic!("unexpected status {other} for a wrong password"),
                        Err(_) => break,
                    }
                }
            }
        });
    }

    fn refused(&self) -> usize {
        *self.refused.lock().unwrap()
    }

    /// Waits until this number of attempts was refused.
    fn wait_for(&self, refused: usize) {
        let now = self.refused.lock().unwrap();
        let (now, waited) =
            self.refused_more.wait_timeout_while(now, 4 * PATIENCE, |now| *now < refused).unwrap();
        assert!(!waited.timed_out(), "only {now} attackers were answered");
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

fn open([a, b, c, d]: [u8; 4], service: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), 0))?;
    connect(&socket, &service)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(4 * PATIENCE))?;
    Ok(stream)
}

/// Sends a request with user name and password; returns the status.
fn sign_in(stream: &mut TcpStream, user: &str, password: &str) -> io::Result<u16> {
    let password = Secret::new(password.to_owned());
    let authorization = auth::basic::authorization(user, &password);
    let message = message::identify();
    let head = format!(
        "POST /wsman HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n\
         Authorization: {}\r\nContent-Length: {}\r\n\r\n",
        &*authorization,
        message.len()
    );
    stream.write_all(&[head.as_bytes(), message.as_bytes()].concat())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    stream.read_exact(&mut vec![0; length.unwrap_or(0)])?;
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
}

/// Signs in over a new connection; returns the status.
fn once(source: [u8; 4], service: SocketAddr, user: &str) -> u16 {
    sign_in(&mut open(source, service).unwrap(), user, PASSWORD).unwrap()
}

#[test]
fn sixty_attacking_addresses_do_not_delay_other_sign_ins() {
    let (Some(ann), Some(ben)) = (TestUser::create(), TestUser::create()) else { return };
    let attack = Attack::default();
    thread::scope(|scope| {
        let (telarchd, service) = start();
        let stopping = Running(&attack);
        for last in 1..=60 {
            for _ in 0..3 {
                attack.client(scope, [127, 0, 1, last], service);
            }
        }
        attack.wait_for(8);
        // The address is new at first, then known for the same user, and then used by another user.
        let (here, there) = ([127, 0, 2, 1], [127, 0, 2, 2]);
        for (source, user) in [(here, &ann), (here, &ann), (here, &ann), (there, &ben), (here, &ben)] {
            let before = attack.refused();
            let status = once(source, service, &user.name);
            let between = attack.refused() - before;
            assert_eq!(status, 200, "{} is refused", user.name);
            assert!(between <= MOST_ATTACKERS_BETWEEN, "{between} attackers came first");
        }
        // By now all attacking addresses have failures, some of them several.
        attack.wait_for(70);
        let (before, status) = (attack.refused(), once([127, 0, 2, 3], service, &ann.name));
        assert_eq!(status, 200, "a new address is refused");
        assert!(attack.refused() - before <= MOST_ATTACKERS_BETWEEN);
        drop(stopping);
        drop(telarchd);
    });
}

#[test]
fn failures_behind_a_shared_address_exclude_no_known_user_and_fill_no_log() {
    let Some(ann) = TestUser::create() else { return };
    let attack = Attack::default();
    thread::scope(|scope| {
        let (telarchd, service) = start();
        let stopping = Running(&attack);
        let proxy = [127, 0, 1, 1];
        assert_eq!(once(proxy, service, &ann.name), 200);
        let started = Instant::now();
        for _ in 0..8 {
            attack.client(scope, proxy, service);
        }
        // Most attempts exceed the budget of the address.
        attack.wait_for(500);
        assert_eq!(once(proxy, service, &ann.name), 200, "a known user is refused");
        let log = telarchd.log();
        let is_warning = |line: &&str| line.contains("WARN telarch_accounts") && line.contains("127.0.1.1");
        let lines = log.lines().filter(is_warning).count();
        let intervals = usize::try_from(started.elapsed().as_secs() / 10).unwrap() + 1;
        assert!(lines <= intervals, "{lines} lines in {intervals} intervals of ten seconds");
        drop(stopping);
        drop(telarchd);
    });
}

#[test]
fn a_locked_name_stays_usable_from_its_user_s_address() {
    let Some(ann) = TestUser::create() else { return };
    let attack = Attack::default();
    thread::scope(|scope| {
        let (telarchd, service) = start();
        let stopping = Running(&attack);
        let own = [127, 0, 2, 1];
        assert_eq!(once(own, service, &ann.name), 200);
        for last in 1..=10 {
            attack.client_as(scope, [127, 0, 1, last], service, Some(&ann.name));
        }
        // Ten failures lock a name.
        attack.wait_for(10);
        assert_eq!(once([127, 0, 2, 2], service, &ann.name), 401, "the name is not locked");
        let records = telarchd.wait_for_records(|all| all.iter().any(|record| record["event"] == "lock"));
        let lock = records.iter().find(|record| record["event"] == "lock").unwrap();
        assert_eq!(lock["account"], ann.name, "{lock}");
        assert!(lock["until"].as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000, "{lock}");
        assert_eq!(once(own, service, &ann.name), 200, "the user is locked out at a known address");
        drop(stopping);
        drop(telarchd);
    });
}
