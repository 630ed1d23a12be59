//! Several collectors with one database behind HAProxy.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ports::free_ports;
use postgres_server::PostgresServer;
use rcgen::ExtendedKeyUsagePurpose;

use super::certificates::{Authority, Pair};
use super::collector::{SUBSCRIPTION, batch, event};
use super::configured::{Configured, RunAs, Victim};
use crate::PATIENCE;
use crate::service_process::{Telarchd, is_root, write_private};

/// Collectors, and their database.
struct Cluster {
    server: PostgresServer,
    nodes: Vec<Configured>,
    authority: Authority,
    _folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts collectors with one authority; returns `None` if PostgreSQL is missing.
    fn start(count: usize) -> Option<Self> {
        let server = PostgresServer::start()?;
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), "shared");
        let nodes = (0..count).map(|_| start_node(&server, &authority.file)).collect();
        Some(Self { server, nodes, authority, _folder: folder })
    }

    /// Returns the record numbers of a source in the files of all nodes.
    fn records(&self, source: &str) -> Vec<u64> {
        self.nodes.iter().flat_map(|node| node.records_of(source)).collect()
    }

    fn logs(&self) -> String {
        self.nodes.iter().map(|node| node.telarchd.log()).collect::<Vec<_>>().join("\n---\n")
    }
}

fn start_node(server: &PostgresServer, authority: &Path) -> Configured {
    Configured::start_with("", |telarchd, _| {
        share_store(telarchd, server);
        let authorities = telarchd.file("certificates").join("event-authorities");
        fs::copy(authority, authorities.join("shared.pem")).unwrap();
    })
}

/// Writes the settings of the database for a service.
fn share_store(telarchd: &Telarchd, server: &PostgresServer) {
    write_private(&telarchd.file("event-store.toml"), &server.settings());
}

/// HAProxy in front of the collectors. It is killed when this is dropped.
struct Balancer {
    child: Child,
    port: u16,
}

impl Balancer {
    fn start(folder: &Path, ports: &[u16]) -> Option<Self> {
        let program = ["/usr/sbin/haproxy", "haproxy"];
        let program = program.into_iter().find(|program| Command::new(program).arg("-v").output().is_ok());
        let Some(program) = program else {
            skips::skip!("haproxy is missing; install it: apt-get install haproxy");
            return None;
        };
        let [port] = free_ports();
        let servers: String = ports
            .iter()
            .map(|port| format!("    server node{port} 127.0.0.1:{port} check inter 200\n"))
            .collect();
        let settings = format!(
            "defaults\n    mode tcp\n    timeout connect 2s\n    timeout client 90s\n    timeout server 90s\n    \
             retries 3\n    option redispatch\nfrontend sources\n    bind 127.0.0.1:{port}\n    \
             default_backend collectors\nbackend collectors\n    balance roundrobin\n{servers}"
        );
        let file = folder.join("haproxy.cfg");
        fs::write(&file, settings).unwrap();
        let log = fs::File::create(folder.join("haproxy.log")).unwrap();
        let mut command = Command::new(program);
        let child = command.args(["-db", "-f"]).arg(&file).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let balancer = Self { child, port };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(folder.join("haproxy.log")).unwrap_or_default();
            assert!(Instant::now() < until, "haproxy does not listen: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(balancer)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a message like a source; returns whether it was acknowledged.
fn send(folder: &Path, port: u16, source: &Pair, path: &str, text: &str) -> bool {
    let file = tempfile::NamedTempFile::new_in(folder).unwrap();
    fs::write(file.path(), text).unwrap();
    let mut command = Command::new("curl");
    command.args(["--silent", "--insecure", "--max-time", "60", "--output", "/dev/null"]);
    command.arg("--cert").arg(&source.certificate).arg("--key").arg(&source.key);
    command.args([
        "--header",
        "Content-Type: application/soap+xml;charset=UTF-8",
        "--write-out",
        "%{http_code}",
    ]);
    command.arg("--data-binary").arg(format!("@{}", file.path().display()));
    let output = command.arg(format!("https://127.0.0.1:{port}/wsman{path}")).output().unwrap();
    output.stdout == b"200"
}

#[test]
fn no_event_is_lost_while_one_of_two_collectors_is_killed_again_and_again() {
    const BATCHES: u64 = 12;
    const EVENTS: u64 = 4;
    const KILLS: u64 = 4;
    let Some(mut cluster) = Cluster::start(2) else { return };
    let folder = tempfile::tempdir().unwrap();
    let ports: Vec<u16> = cluster.nodes.iter().map(|node| node.port).collect();
    let Some(balancer) = Balancer::start(folder.path(), &ports) else { return };
    let path = cluster.nodes[0].enumerate().delivery_path();
    let sources: Vec<(String, Pair)> = (0..3)
        .map(|number| format!("host{number}.windomain.local"))
        .map(|name| (name.clone(), cluster.authority.issue(&name, ExtendedKeyUsagePurpose::ClientAuth)))
        .collect();
    let (sent, repeated) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for (name, pair) in &sources {
            let (path, folder, sent, repeated) = (&path, folder.path(), &sent, &repeated);
            threads.push(scope.spawn(move || {
                for number in 0..BATCHES {
                    let records = number * EVENTS..(number + 1) * EVENTS;
                    let events: Vec<String> = records
                        .clone()
                        .map(|record| event(record, "x").replace(super::collector::SOURCE, name))
                        .collect();
                    let body = batch(records.end - 1, &events);
                    let until = Instant::now() + PATIENCE;
                    // A source repeats its batch until it is acknowledged.
                    while !send(folder, balancer.port, pair, path, &body) {
                        repeated.fetch_add(1, Ordering::Relaxed);
                        assert!(Instant::now() < until, "{name} cannot deliver batch {number}");
                    }
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        for kill in 1..=KILLS {
            // The kills are spread over the deliveries.
            while sent.load(Ordering::Relaxed) < kill * 3 * BATCHES / (KILLS + 2)
                && !threads.iter().any(std::thread::ScopedJoinHandle::is_finished)
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            cluster.nodes[1].kill(Victim::Collector);
        }
    });
    let mut doubled = 0;
    for (name, _) in &sources {
        let records = cluster.records(name);
        let found: BTreeSet<u64> = records.iter().copied().collect();
        assert_eq!(found, (0..BATCHES * EVENTS).collect(), "{name}\n{}", cluster.logs());
        doubled += records.len() - found.len();
    }
    // A batch is doubled only if a source has repeated it while the other collector was still writing it.
    let most = repeated.load(Ordering::Relaxed) * EVENTS;
    assert!(u64::try_from(doubled).unwrap() <= most, "{doubled} of at most {most} events are doubled");
    let states = cluster.server.execute(
        "SELECT DISTINCT substring(bookmark FROM 'RecordId=\"([0-9]+)\"'), seq FROM source_state ORDER BY 1",
    );
    assert_eq!(states, format!("{}|{BATCHES}", BATCHES * EVENTS - 1), "{}", cluster.logs());
    let nodes = cluster.server.execute("SELECT count(*) FROM node");
    assert_eq!(nodes, "2", "a collector keeps its identifier after a crash");
    cluster.nodes.clear();
}

#[test]
fn subscriptions_of_one_collector_are_offered_by_the_other() {
    let Some(cluster) = Cluster::start(2) else { return };
    let [one, other] = &cluster.nodes[..] else { panic!("two nodes") };
    let folder = one.telarchd.file("event-subscriptions");
    fs::write(folder.join("more.xml"), SUBSCRIPTION.replace("Everything", "More")).unwrap();
    wait_until_offered(other, &["Everything", "More"], &[]);
    // Both have the file of the first subscription; the removal of one of them counts.
    fs::remove_file(folder.join("everything.xml")).unwrap();
    wait_until_offered(other, &["More"], &["Everything"]);
    wait_until_offered(one, &["More"], &["Everything"]);
    // Events of the source are acknowledged by either, and its bookmark is offered by both.
    let path = other.enumerate().delivery_path();
    assert_eq!(other.send(&path, &batch(7, &[event(7, "x")])).status, 200);
    for node in [one, other] {
        let text = node.enumerate().text;
        assert!(text.contains("RecordId=\"7\""), "{text}");
    }
}

fn wait_until_offered(node: &Configured, present: &[&str], absent: &[&str]) {
    let until = Instant::now() + PATIENCE;
    loop {
        let text = node.enumerate().text;
        if present.iter().all(|name| text.contains(name)) && !absent.iter().any(|name| text.contains(name)) {
            return;
        }
        assert!(Instant::now() < until, "{text}\n{}", node.telarchd.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_service_starts_before_its_database_and_serves_sources_as_soon_as_it_runs() {
    for user in [RunAs::This, RunAs::Nobody] {
        if user == RunAs::Nobody && !is_root() {
            skips::skip!("needs root to run a service of another user");
            return;
        }
        let Some(mut server) = PostgresServer::start() else { return };
        server.kill();
        let service = Configured::start_unopened(user, "", |telarchd, _| share_store(telarchd, &server));
        let log = &service.telarchd;
        log.wait_for_log(&["Cannot collect forwarded events yet", "connect", "event-store.toml"]);
        // The rest of WS-Management is served.
        let identify = service.send("", IDENTIFY);
        assert!(identify.text.contains("IdentifyResponse"), "{}\n{}", identify.text, log.log());
        // Changes of the subscriptions count when the collector is open.
        let folder = service.telarchd.file("event-subscriptions");
        fs::write(folder.join("more.xml"), SUBSCRIPTION.replace("Everything", "More")).unwrap();
        assert_eq!(service.enumerate().status, 503);
        server.run();
        log.wait_for_log(&["Collecting forwarded events"]);
        wait_until_offered(&service, &["Everything", "More"], &[]);
        let path = service.enumerate().delivery_path();
        service.send_until_acknowledged(&path, &batch(1, &[event(1, "x")]));
        assert_eq!(service.records(), [1]);
        let warnings = log.log().lines().filter(|line| line.contains("Cannot collect forwarded")).count();
        assert_eq!(warnings, 1, "{}", log.log());
    }
}

/// Request of WS-Management that needs no sign-in.
const IDENTIFY: &str = "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' \
     xmlns:i='http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd'><s:Header/><s:Body><i:Identify/></s:Body>\
     </s:Envelope>";

#[test]
fn sources_keep_their_events_while_the_database_does_not_run() {
    let Some(mut cluster) = Cluster::start(1) else { return };
    let path = cluster.nodes[0].enumerate().delivery_path();
    assert_eq!(cluster.nodes[0].send(&path, &batch(1, &[event(1, "x")])).status, 200);
    cluster.server.kill();
    let refused = cluster.nodes[0].send(&path, &batch(2, &[event(2, "x")]));
    assert_eq!(refused.status, 503, "{}", refused.text);
    cluster.nodes[0].telarchd.wait_for_log(&["Event database is not available", "event-store.toml"]);
    cluster.server.run();
    cluster.nodes[0].send_until_acknowledged(&path, &batch(2, &[event(2, "x")]));
    assert_eq!(cluster.nodes[0].records(), [1, 2]);
    cluster.nodes[0].telarchd.wait_for_log(&["Event database is available again"]);
}
