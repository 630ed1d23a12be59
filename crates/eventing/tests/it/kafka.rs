//! Events in a topic of the mock cluster of librdkafka.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use serde_json::Value;
use telarch_eventing::{DestinationSettings, ForwardedFile, Replay};

use crate::collector_process::{CollectorProcess, wait_for_log};
use crate::nats_server::PATIENCE;

const TOPIC: &str = "wef.events";
const PARTITIONS: i32 = 4;

/// Brokers and an output to them.
fn cluster(folder: &Path) -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(3).unwrap();
    cluster.create_topic(TOPIC, PARTITIONS, 3).unwrap();
    let url = format!("Url = \"kafka://{}/{TOPIC}\"\nRequired = true", cluster.bootstrap_servers());
    fs::write(folder.join("nats.toml"), url).unwrap();
    cluster
}

/// Record of the topic.
struct Found {
    key: String,
    event_id: String,
    event: Value,
}

impl Found {
    fn number(&self) -> u64 {
        self.event["System"]["EventRecordID"].as_u64().unwrap()
    }
}

/// Reads the topic from its beginning until the records satisfy a condition.
fn read(
    cluster: &MockCluster<'static, DefaultProducerContext>,
    is_enough: impl Fn(&[Found]) -> bool,
) -> Vec<Found> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "test")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    // Without a subscription there is no wait for other members of the group.
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&partitions).unwrap();
    let until = Instant::now() + PATIENCE;
    let mut all = Vec::new();
    while !is_enough(&all) {
        assert!(Instant::now() < until, "only {} records", all.len());
        let Some(Ok(record)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let header = record.headers().unwrap().get(0);
        assert_eq!(header.key, "event-id");
        all.push(Found {
            key: String::from_utf8(record.key().unwrap().to_vec()).unwrap(),
            event_id: String::from_utf8(header.value.unwrap().to_vec()).unwrap(),
            event: serde_json::from_slice(record.payload().unwrap()).unwrap(),
        });
    }
    all
}

fn numbers(records: &[Found]) -> BTreeSet<u64> {
    records.iter().map(Found::number).collect()
}

#[test]
fn events_are_records_in_order_with_their_source_and_identifier() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = cluster(folder.path());
    let mut collector = CollectorProcess::start(folder.path());
    collector.deliver(1, 3);
    collector.deliver(4, 600);
    let records = read(&cluster, |records| records.len() >= 603);
    assert_eq!(records.iter().map(Found::number).collect::<Vec<_>>(), (1..=603).collect::<Vec<_>>());
    for record in &records {
        assert_eq!(record.key, "win10.example.com");
        assert_eq!(record.event["Collector"]["EventId"], record.event_id.as_str());
    }
    collector.kill();

    // A replay sends the stored events once more, with the same identifiers.
    let settings = fs::read(folder.path().join("nats.toml")).unwrap();
    let settings = DestinationSettings::parse(Path::new("nats.toml"), &settings).unwrap();
    let mut replay = Replay::new(&settings);
    let mut file = ForwardedFile::open(&folder.path().join("events.jsonl")).unwrap();
    while let Some(line) = file.next_event().unwrap() {
        replay.push(line.text, &line.record.unwrap()).unwrap();
    }
    assert_eq!(replay.finish().unwrap().sent, 603);
    let records = read(&cluster, |records| records.len() >= 1_206);
    let identifiers: BTreeSet<&str> = records.iter().map(|record| record.event_id.as_str()).collect();
    assert_eq!((records.len(), identifiers.len()), (1_206, 603));
}

#[test]
fn no_event_is_lost_when_the_collector_is_killed() {
    const ROUNDS: u64 = 8;
    const EVENTS: u64 = 200;
    let folder = tempfile::tempdir().unwrap();
    let cluster = cluster(folder.path());
    let mut collector = CollectorProcess::start(folder.path());
    for round in 0..ROUNDS {
        let first = round * EVENTS + 1;
        // The source repeats a delivery that was not acknowledged.
        collector.begin(first, EVENTS);
        std::thread::sleep(Duration::from_millis(round * 8));
        collector.kill();
        collector = CollectorProcess::start(folder.path());
        collector.deliver(first, EVENTS);
    }
    let expected: BTreeSet<u64> = (1..=ROUNDS * EVENTS).collect();
    let records = read(&cluster, |records| numbers(records).len() >= expected.len());
    assert_eq!(numbers(&records), expected);
    // Records that were sent twice have the same identifier.
    let identifiers: BTreeSet<&str> = records.iter().map(|record| record.event_id.as_str()).collect();
    assert_eq!(identifiers.len(), expected.len());
}

#[test]
fn a_failure_names_topic_and_brokers_and_the_events_are_sent_later() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = cluster(folder.path());
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 2];
    cluster.request_errors(RDKafkaApiKey::Produce, &refused);
    let mut collector = CollectorProcess::start(folder.path());
    collector.deliver(1, 20);
    let log = wait_for_log(folder.path(), "Kafka has not stored events in topic wef.events at 127.0.0.1:");
    assert!(log.contains("TopicAuthorizationFailed"), "{log}");
    let records = read(&cluster, |records| numbers(records).len() >= 20);
    assert_eq!(numbers(&records), (1..=20).collect());
    wait_for_log(folder.path(), "accepts events again");
}

#[test]
fn an_event_that_is_larger_than_kafka_permits_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = cluster(folder.path());
    let too_large = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE];
    let mut collector = CollectorProcess::start(folder.path());
    // Brokers refuse a request with several events, which fit when each is sent alone.
    cluster.request_errors(RDKafkaApiKey::Produce, &too_large);
    collector.deliver(1, 20);
    let records = read(&cluster, |records| records.len() >= 20);
    assert_eq!(numbers(&records), (1..=20).collect());
    cluster.request_errors(RDKafkaApiKey::Produce, &too_large);
    collector.deliver(21, 1);
    wait_for_log(folder.path(), "larger than the output permits");
    collector.deliver(22, 1);
    let records = read(&cluster, |records| records.len() >= 21);
    assert_eq!(numbers(&records), (1..=20).chain([22]).collect());
    let stored = fs::read_to_string(folder.path().join("spool/nats/undeliverable/events.jsonl")).unwrap();
    let event: Value = serde_json::from_str(stored.trim()).unwrap();
    assert_eq!(event["System"]["EventRecordID"], 21);
}

/// Proxy that requires a certificate and decrypts connections for one broker. It replaces the port of the broker in
/// responses by its own.
const TLS_PROXY: &str = r#"
import socket, ssl, sys, threading
port, folder = int(sys.argv[1]), sys.argv[2]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/server.pem")
context.verify_mode = ssl.CERT_REQUIRED
context.load_verify_locations(folder + "/authority.pem")
listener = socket.create_server(("127.0.0.1", 0))
own = listener.getsockname()[1]
print(own, flush=True)
before = b"127.0.0.1" + port.to_bytes(4, "big")
after = b"127.0.0.1" + own.to_bytes(4, "big")

def read(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data

def requests(client, broker):
    try:
        while data := client.recv(65536):
            broker.sendall(data)
    except OSError:
        pass
    broker.close()

def serve(plain):
    try:
        client = context.wrap_socket(plain, server_side=True)
    except OSError as error:
        print(error, file=sys.stderr, flush=True)
        return
    print(client.getpeercert()["subject"], file=sys.stderr, flush=True)
    broker = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=requests, args=(client, broker), daemon=True).start()
    try:
        while True:
            length = read(broker, 4)
            response = read(broker, int.from_bytes(length, "big"))
            client.sendall(length + response.replace(before, after))
    except (EOFError, OSError):
        client.close()

while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"#;

/// The proxy, which is ended when this is dropped.
struct TlsProxy(std::process::Child);

impl TlsProxy {
    fn start(port: &str, folder: &Path) -> (Self, String) {
        use std::io::BufRead as _;
        let mut command = std::process::Command::new("python3");
        command.args(["-E", "-s", "-c", TLS_PROXY, port]).arg(folder).stdout(std::process::Stdio::piped());
        command.stderr(fs::File::create(folder.join("proxy.log")).unwrap());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Self(child), line.trim().to_owned())
    }
}

impl Drop for TlsProxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_broker_with_tls_receives_the_certificate_of_the_collector() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, PARTITIONS, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let authority = authority();
    fs::write(folder.path().join("authority.pem"), authority.pem()).unwrap();
    let [server, client] = ["127.0.0.1", "wec1.example.com"].map(|name| issue(&authority, name));
    fs::write(folder.path().join("server.pem"), server.concat()).unwrap();
    let (_proxy, port) = TlsProxy::start(brokers.rsplit(':').next().unwrap(), folder.path());
    let [certificate, key] = client;
    let text = format!(
        "Url = \"kafka+tls://127.0.0.1:{port}/{TOPIC}\"\nCertificateAuthority = \"\"\"{}\"\"\"\n\
         ClientCertificate = \"\"\"{certificate}\"\"\"\nClientKey = \"\"\"{key}\"\"\"\n",
        authority.pem()
    );
    let settings = DestinationSettings::parse(Path::new("kafka.toml"), text.as_bytes()).unwrap();
    assert!(!format!("{settings:?}").contains("PRIVATE KEY"));
    let mut replay = Replay::new(&settings);
    let record = winevent::event::Record::parse(EVENT).unwrap();
    let line = "{\"System\":{\"EventRecordID\":1},\"Collector\":{\"Source\":\"web1\",\"EventId\":\"7\"}}";
    let sent = replay.push(line.to_owned(), &record).and_then(|()| replay.finish());
    let log = fs::read_to_string(folder.path().join("proxy.log")).unwrap();
    assert_eq!(sent.unwrap_or_else(|error| panic!("{error}\n{log}")).sent, 1);
    // The proxy requires a certificate of the authority.
    assert!(log.contains("wec1.example.com"), "{log}");
    let records = read(&cluster, |records| !records.is_empty());
    assert_eq!((records.len(), records[0].event_id.as_str()), (1, "7"));
}

const EVENT: &str = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='p'/>\
                     <EventID>1</EventID><Computer>web1</Computer></System></Event>";

type Issuer = rcgen::CertifiedIssuer<'static, rcgen::KeyPair>;

fn authority() -> Issuer {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "authority");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap()
}

/// Returns a certificate and its key in PEM.
fn issue(authority: &Issuer, name: &str) -> [String; 2] {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let key = rcgen::KeyPair::generate().unwrap();
    [params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem()]
}
