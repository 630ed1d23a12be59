//! Tests with many simultaneous connections, most of them idle.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinSet;

use crate::TIMEOUT;
use crate::message::Message;
use crate::probe::Event;
use crate::running::Running;
use crate::wire::{BEN, Wire, post};

/// Number of half-open connections; with TELARCH_LONG=1 as many as in a small attack.
fn half_open_count() -> usize {
    let wanted = if std::env::var_os("TELARCH_LONG").is_some() { 10_000 } else { 2_000 };
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    // Both ends are in this process, and other tests need some descriptors as well.
    wanted.min(usize::try_from(most.saturating_sub(1_000) / 2).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_half_open_connections_do_not_lock_out_other_clients() {
    let running = Running::start(&[("Service.MaxPacketRetrievalTimeSeconds", "10")]).await;
    let before = resident_memory();
    let others = half_open(&running, half_open_count()).await;

    for _ in 0..9 {
        let mut wire = running.connect().await;
        let answer = wire.ask(&post(Message::probe("echo", "beside the others"))).await;
        assert_eq!(answer.status, 200, "beside {} others", others.len());
    }
    let grown = resident_memory().saturating_sub(before);
    let allowed = others.len() * 64 * 1_024 + OTHER_TESTS;
    assert!(grown < allowed, "{grown} octets for {} connections", others.len());

    // Once they are closed, every client is accepted.
    drop(others);
    let returning = async {
        loop {
            let mut wire = running.connect().await;
            let _ = wire.try_send(post(Message::probe("echo", "after")).octets()).await;
            if wire.answer().await.status == 200 {
                break;
            }
        }
    };
    tokio::time::timeout(TIMEOUT, returning).await.unwrap();
}

/// Memory that other tests in this process may allocate meanwhile, in bytes.
const OTHER_TESTS: usize = 64 * 1_024 * 1_024;

/// Opens connections that never authenticate: idle, within a head, and within a body.
async fn half_open(running: &Running, count: usize) -> Vec<Wire> {
    let request = post(Message::probe("echo", "never")).anonymous().octets();
    let mut opening = JoinSet::new();
    for at in 0..count {
        let address = running.http;
        let begun = request[..[0, 1, 40, request.len() - 1][at % 4]].to_vec();
        opening.spawn(async move {
            let mut wire = Wire::connect(address).await;
            // The service may have closed the connection.
            let _ = wire.try_send(begun).await;
            wire
        });
    }
    opening.join_all().await
}

/// Returns the resident memory of this process in bytes (proc(5), /proc/pid/status).
pub(crate) fn resident_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1_024
}

#[tokio::test]
async fn silent_connections_do_not_displace_active_ones() {
    let running = Running::start(&[("Service.MaxConnections", "3")]).await;
    let mut first: Vec<Wire> = Vec::new();
    for _ in 0..3 {
        let mut wire = running.connect().await;
        assert_eq!(wire.ask(&post(Message::probe("echo", "first"))).await.status, 200);
        first.push(wire);
    }
    let _silent = half_open(&running, 20).await;
    for wire in &mut first {
        assert_eq!(wire.ask(&post(Message::probe("echo", "again"))).await.status, 200);
    }
}

#[tokio::test]
async fn requests_beyond_max_connections_receive_503_and_can_be_retried() {
    let running = Running::start(&[("Service.MaxConnections", "3")]).await;
    let mut busy: Vec<Wire> = Vec::new();
    for _ in 0..3 {
        let mut wire = running.connect().await;
        wire.send(post(Message::probe("slow", "busy")).octets()).await;
        running.probe.expect(&[Event::Called("busy".into())]).await;
        busy.push(wire);
    }
    let mut late = running.connect().await;
    let refusal = late.ask(&post(Message::probe("echo", "late"))).await;
    let text = String::from_utf8_lossy(&refusal.body);
    assert!(refusal.status == 503 && text.contains("MaxConnections"), "{text}");
    assert!(!running.probe.was_called("late"));
    for wire in &mut busy {
        running.probe.release();
        assert_eq!(wire.answer().await.status, 200);
    }
    drop(busy);
    assert_eq!(late.ask(&post(Message::probe("echo", "late"))).await.status, 200);
}

#[tokio::test]
async fn discarded_bodies_are_not_kept_in_memory() {
    const LENGTH: usize = 8 * 1_024 * 1_024;
    let running = Running::start(&[("MaxEnvelopeSizekb", "8192")]).await;
    let request = post(vec![b' '; LENGTH]).anonymous();
    for octets in [request.octets(), request.chunked(100_000)] {
        let before = resident_memory();
        let mut senders = Vec::new();
        for _ in 0..30 {
            let mut wire = running.connect().await;
            wire.send(&octets[..octets.len() - 1]).await;
            senders.push(wire);
        }
        let grown = resident_memory().saturating_sub(before);
        assert!(grown < OTHER_TESTS + 30 * LENGTH / 4, "{grown} octets for people who have not signed in");
        for wire in &mut senders {
            wire.send(&octets[octets.len() - 1..]).await;
            assert_eq!(wire.answer().await.status, 401);
        }
    }
}

#[tokio::test]
async fn one_account_leaves_requests_in_progress_for_others() {
    let everybody = ("Service.RootSDDL", "O:NSG:BAD:P(A;;GA;;;AU)");
    let running = Running::start(&[("Service.MaxConnections", "16"), everybody]).await;
    let mut busy: Vec<Wire> = Vec::new();
    let refusal = loop {
        let mut wire = running.connect().await;
        let number = busy.len().to_string();
        let request = post(Message::probe("slow", &number)).signed_in("ben", BEN);
        wire.send(request.octets()).await;
        let called = [Event::Called(number)];
        tokio::select! {
            biased;
            () = running.probe.expect(&called) => busy.push(wire),
            answer = wire.answer() => break answer,
        }
    };
    let text = String::from_utf8_lossy(&refusal.body);
    assert!(refusal.status == 503 && text.contains("this account has"), "{text}");
    assert!((4..=10).contains(&busy.len()), "{}", busy.len());
    let mut other = running.connect().await;
    assert_eq!(other.ask(&post(Message::probe("echo", "beside it"))).await.status, 200);
    for wire in &mut busy {
        running.probe.release();
        assert_eq!(wire.answer().await.status, 200);
    }
}
