//! Tests of configured listeners.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};
use std::{env, fs};

use client::{EnumerateOptions, Error, Locator, Session};
use config::{LISTENER_RESOURCE, Section};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, SanType};
use service::Certificate;
use telarch_loopback::{Loopback, User};
use wsman::{Detail, SelectorSet, Subcode, code, namespace};
use xml::Fragment;

use crate::config_change;
use crate::config_read::{self, settings};
use crate::message::fragment;
use crate::{fault, refusal, uri};

fn all() -> Locator {
    Locator::new(uri(LISTENER_RESOURCE))
}

fn of(address: &str, transport: &str) -> Locator {
    all().with_selectors(SelectorSet::new().with("Address", address).with("Transport", transport))
}

fn with(fields: &[(&str, &str)]) -> Fragment {
    fragment(|writer| {
        writer.start("cfg:Listener").namespace("cfg", LISTENER_RESOURCE);
        for (name, value) in fields {
            writer.element(&format!("cfg:{name}"), value);
        }
    })
}

fn switched_off() -> Fragment {
    with(&[("Enabled", "false")])
}

/// Returns a free port.
fn free_port() -> String {
    ports::free_port().to_string()
}

async fn fields(session: &Session, locator: &Locator) -> Vec<(String, String)> {
    settings(session.get(locator).await.unwrap().content().unwrap())
}

fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn keys(session: &Session) -> Vec<(String, String)> {
    let mut listing = session.enumerate(&all(), EnumerateOptions::default()).await.unwrap();
    let mut keys = Vec::new();
    while let Some(item) = listing.next().await {
        let item = item.unwrap();
        let fields = settings(item.object().unwrap());
        keys.push((fields[0].1.clone(), fields[1].1.clone()));
    }
    keys
}

const EXISTS: (Subcode, u32) = (Subcode::AlreadyExists, 2_150_858_803);
const UNKNOWN: (Subcode, u32) = (Subcode::InvalidSelectors, 2_150_858_843);

#[tokio::test]
async fn a_listener_is_created_read_changed_listed_and_deleted() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    assert_eq!(keys(&session).await, []);

    let created = session.create(&of("*", "HTTP"), &with(&[("Enabled", "false")])).await.unwrap();
    assert_eq!(created.reference.address, session.endpoint().to_string());
    assert_eq!(created.reference.selectors.text("address"), Some("*"));
    assert_eq!(created.reference.selectors.text("TRANSPORT"), Some("HTTP"));
    let there = Locator::new(created.reference.resource).with_selectors(created.reference.selectors);
    let port = free_port();
    // A disabled listener has no addresses.
    let mut expected = vec![
        ("Address", "*"),
        ("Transport", "HTTP"),
        ("Port", "5985"),
        ("Hostname", ""),
        ("Enabled", "false"),
        ("URLPrefix", "wsman"),
        ("CertificateThumbprint", ""),
    ];
    assert_eq!(fields(&session, &there).await, owned(&expected));

    let mine = with(&[("Port", &free_port()), ("URLPrefix", "mine"), ("Hostname", "node7.example")]);
    session.create(&of("IP:127.0.0.1", "HTTP"), &mine).await.unwrap();
    assert_eq!(
        keys(&session).await,
        [("*", "HTTP"), ("IP:127.0.0.1", "HTTP")].map(|(a, t)| (a.to_owned(), t.to_owned()))
    );

    let changed = session.put(&there, &with(&[("Port", &port), ("Enabled", "true")])).await.unwrap();
    (expected[2].1, expected[4].1) = (&port, "true");
    expected.push(("ListeningOn", "127.0.0.1"));
    assert_eq!(settings(changed.content().unwrap()), owned(&expected));
    assert_eq!(fields(&session, &there).await, owned(&expected));

    session.delete(&there).await.unwrap();
    assert_eq!(refusal(session.get(&there).await), UNKNOWN);
    assert_eq!(refusal(session.delete(&there).await), UNKNOWN);
    assert_eq!(keys(&session).await, owned(&[("IP:127.0.0.1", "HTTP")]));
    service.close().await;
}

#[tokio::test]
async fn the_reference_of_an_item_addresses_its_listener() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    session.create(&of("MAC:00-15-5D-00-00-01", "HTTP"), &switched_off()).await.unwrap();
    let mode = wsman::enumeration::EnumerationMode::ObjectAndReference;
    let options = EnumerateOptions { mode, ..EnumerateOptions::default() };
    let mut listing = session.enumerate(&all(), options).await.unwrap();
    let item = listing.next().await.unwrap().unwrap();
    let reference = item.reference().unwrap();
    assert_eq!(reference.address, namespace::ANONYMOUS);
    let there = Locator::new(reference.resource).with_selectors(reference.selectors);
    assert_eq!(fields(&session, &there).await, settings(item.object().unwrap()));
    assert!(listing.next().await.is_none());
    service.close().await;
}

#[tokio::test]
async fn an_existing_listener_cannot_be_created_again() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    session.create(&of("IP:::1", "HTTP"), &with(&[("Port", "80"), ("Enabled", "false")])).await.unwrap();
    // Addresses and transports can be spelled in several ways.
    for (address, transport) in [("IP:::1", "HTTP"), ("ip:[0:0::1]", "http")] {
        let refused = fault(session.create(&of(address, transport), &with(&[("Port", "81")])).await);
        assert_eq!((refused.subcode().clone(), refused.code()), EXISTS);
        assert_eq!(refused.detail(), Some(&Detail::TARGET_ALREADY_EXISTS));
    }
    let there = fields(&session, &of("IP:::1", "HTTP")).await;
    assert!(there.contains(&("Port".to_owned(), "80".to_owned())), "{there:?}");
    service.close().await;
}

#[tokio::test]
async fn invalid_keys_are_rejected_by_every_operation() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let bad_address = (Subcode::InvalidSelectors, code::LISTENER_ADDRESS);
    let bad_transport = (Subcode::InvalidSelectors, code::INVALID_SELECTOR_VALUE);
    let too_few = (Subcode::InvalidSelectors, code::INSUFFICIENT_SELECTORS);
    let selectors = |list: &[(&str, &str)]| {
        let set = list.iter().fold(SelectorSet::new(), |set, (name, value)| set.with(*name, *value));
        all().with_selectors(set)
    };
    for (locator, expected) in [
        (of("127.0.0.1", "HTTP"), &bad_address),
        (of("IP:node7", "HTTP"), &bad_address),
        (of("MAC:00-15", "HTTP"), &bad_address),
        (of("", "HTTP"), &bad_address),
        (of("*", "TCP"), &bad_transport),
        (selectors(&[("Address", "*")]), &too_few),
        (selectors(&[("Transport", "HTTP")]), &too_few),
        (all(), &too_few),
        (selectors(&[("Address", "*"), ("Transport", "HTTP"), ("Port", "80")]), &UNKNOWN),
    ] {
        let shown = format!("{:?}", locator.selectors);
        assert_eq!(refusal(session.create(&locator, &with(&[])).await), *expected, "{shown}");
        assert_eq!(refusal(session.get(&locator).await), *expected, "{shown}");
        assert_eq!(refusal(session.put(&locator, &with(&[])).await), *expected, "{shown}");
        assert_eq!(refusal(session.delete(&locator).await), *expected, "{shown}");
    }
    for outcome in [
        session.get(&of("*", "HTTPS")).await.map(drop),
        session.put(&of("*", "HTTPS"), &with(&[])).await.map(drop),
        session.delete(&of("*", "HTTPS")).await.map(drop),
    ] {
        assert_eq!(refusal(outcome), UNKNOWN);
    }
    assert_eq!(keys(&session).await, []);
    service.close().await;
}

#[tokio::test]
async fn keys_cannot_change_and_wrong_fields_change_nothing() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let there = of("IP:127.0.0.1", "HTTP");
    session.create(&there, &switched_off()).await.unwrap();
    let before = fields(&session, &there).await;
    let key_change = (Subcode::InvalidRepresentation, 2_150_858_989);
    let wrong = (Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR);
    for (changes, expected) in [
        (&[("Address", "*")][..], &key_change),
        (&[("Transport", "HTTPS")], &key_change),
        (&[("Port", "80"), ("Address", "IP:127.0.0.2")], &key_change),
        (&[("Port", "0")], &wrong),
        (&[("Port", "80"), ("Enabled", "perhaps")], &wrong),
        (&[("URLPrefix", "/")], &wrong),
        (&[("CertificateThumbprint", "12")], &wrong),
        (&[("Prot", "80")], &wrong),
        (&[("Port", "80"), ("Port", "81")], &wrong),
    ] {
        assert_eq!(refusal(session.put(&there, &with(changes)).await), *expected, "{changes:?}");
        assert_eq!(fields(&session, &there).await, before, "{changes:?}");
    }
    // The unchanged key is accepted; addresses that the listener does not have are not.
    let repeated = [("Address", "ip:127.0.0.1"), ("Transport", "http")];
    session.put(&there, &with(&repeated)).await.unwrap();
    assert_eq!(fields(&session, &there).await, before);
    let other = refusal(session.put(&there, &with(&[("ListeningOn", "10.0.0.1")])).await);
    assert_eq!(other, (Subcode::AccessDenied, code::READ_ONLY_SETTING));
    let foreign = fragment(|writer| {
        writer.start("x:Other").namespace("x", "urn:x");
    });
    assert_eq!(refusal(session.put(&there, &foreign).await), wrong);
    assert_eq!(refusal(session.create(&of("*", "HTTP"), &foreign).await), wrong);
    service.close().await;
}

#[tokio::test]
async fn there_is_room_for_256_listeners_and_no_more() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    service.change(|draft| {
        for last in 1..=255_u8 {
            let key = config::ListenerKey::parse(&format!("IP:127.0.1.{last}"), "HTTP").unwrap();
            let listener = config::Listener::new(key, &draft.config.service);
            draft.listeners.create(listener).unwrap();
        }
    });
    session.create(&of("*", "HTTP"), &switched_off()).await.unwrap();
    let refused: Result<_, Error> = session.create(&of("*", "HTTPS"), &switched_off()).await;
    assert_eq!(refusal(refused), (Subcode::QuotaLimit, code::QUOTA_LIMIT));
    assert_eq!(keys(&session).await.len(), 256);
    service.close().await;
}

/// Folder with the administrator's certificates.
struct CertificateFolder(std::path::PathBuf);

impl CertificateFolder {
    fn of(service: &Loopback) -> Self {
        let folder = service.config_file().with_file_name("certificates");
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// Stores a certificate for a name, with other changes, and returns its thumbprint.
    fn put(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> String {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let pem = format!("{}{}", params.self_signed(&key).unwrap().pem(), key.serialize_pem());
        let thumbprint = Certificate::from_pem(&pem, &self.0).unwrap().thumbprint().to_string();
        self.write(&thumbprint, &pem, 0o600);
        thumbprint
    }

    fn write(&self, thumbprint: &str, text: &str, mode: u32) {
        let path = self.0.join(format!("{thumbprint}.pem"));
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

const NOT_FOUND: u32 = 2_150_858_882;
const PORT_TAKEN: u32 = 2_150_858_984;
const OTHER_NAME: u32 = 2_150_858_985;
const FOR_HTTP: u32 = 2_150_858_987;
const NOT_FOR_SERVERS: u32 = 2_150_858_990;
/// `CERT_E_EXPIRED`.
const EXPIRED: u32 = 2_148_204_801;

/// Checks the fault for a valid listener that could not serve clients, and a text of its reason.
#[track_caller]
fn assert_unacceptable<T>(outcome: Result<T, Error>, code: u32, word: &str) {
    let refused = fault(outcome);
    let found = (refused.subcode().clone(), refused.code());
    assert_eq!(found, (Subcode::InvalidRepresentation, code), "{refused}");
    assert_eq!(refused.detail(), Some(&Detail::INVALID_VALUES), "{refused}");
    assert!(refused.reason().contains(word) && !refused.reason().contains('\n'), "{word:?}: {refused}");
}

#[tokio::test]
async fn an_https_listener_requires_an_acceptable_certificate() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let given = CertificateFolder::of(&service);
    let (now, day) = (SystemTime::now(), Duration::from_secs(86_400));
    let good = given.put("node7.example", |_| {});
    let expired = given.put("node7.example", |params| params.not_after = (now - day).into());
    let early = given.put("node7.example", |params| params.not_before = (now + day).into());
    let of_client = given.put("node7.example", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let exposed = given.put("node7.example", |_| {});
    given.write(&exposed, &fs::read_to_string(given.0.join(format!("{exposed}.pem"))).unwrap(), 0o644);
    let broken = "00".repeat(20);
    given.write(&broken, "nothing", 0o600);
    let missing = "11".repeat(20);
    let name = "node7.example";
    let wrong = [
        (name, missing.as_str(), NOT_FOUND, "put it with its key into"),
        (name, &broken, NOT_FOUND, "is not a PEM file"),
        (name, &exposed, NOT_FOUND, "run chmod 600"),
        (name, &expired, EXPIRED, "expired on"),
        (name, &early, EXPIRED, "check the clock of this machine"),
        (name, &of_client, NOT_FOR_SERVERS, "does not include server authentication"),
        ("node8.example", &good, OTHER_NAME, "not valid for node8.example, only for node7.example"),
        ("10.0.0.1", &good, OTHER_NAME, "set Hostname to one of these names"),
    ];
    let (there, port) = (of("IP:127.0.0.1", "HTTPS"), free_port());
    let body = |name: &str, thumbprint: &str| {
        with(&[("Port", &port), ("Hostname", name), ("CertificateThumbprint", thumbprint)])
    };
    for (name, thumbprint, code, word) in wrong {
        assert_unacceptable(session.create(&there, &body(name, thumbprint)).await, code, word);
        assert_eq!(keys(&session).await, [], "{word}");
    }
    let before = fs::read_to_string(service.config_file()).unwrap_or_default();
    assert!(!before.contains("Listener"), "{before}");

    // Thumbprints as Windows dialogs show them are accepted.
    session.create(&there, &body(name, &good.to_lowercase())).await.unwrap();
    let before = fields(&session, &there).await;
    assert!(before.contains(&("CertificateThumbprint".to_owned(), good.clone())), "{before:?}");
    for (name, thumbprint, code, word) in wrong {
        assert_unacceptable(session.put(&there, &body(name, thumbprint)).await, code, word);
        assert_eq!(fields(&session, &there).await, before, "{word}");
    }
    // Each change separately.
    assert_unacceptable(
        session.put(&there, &with(&[("Hostname", "node8.example")])).await,
        OTHER_NAME,
        "node8",
    );
    assert_unacceptable(
        session.put(&there, &with(&[("CertificateThumbprint", &missing)])).await,
        NOT_FOUND,
        "certificate not found",
    );
    assert_eq!(fields(&session, &there).await, before);
    for changes in [
        &[("Hostname", "")][..],
        &[("Hostname", "NODE7.example")],
        &[("URLPrefix", "remote")],
        &[("Port", &free_port())],
        &[("Hostname", "*")],
    ] {
        let changed = session.put(&there, &with(changes)).await.unwrap();
        let seen = settings(changed.content().unwrap());
        assert!(owned(changes).iter().all(|field| seen.contains(field)), "{seen:?}");
    }
    service.close().await;
}

#[tokio::test]
async fn a_disabled_listener_needs_no_certificate_and_no_port() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let given = CertificateFolder::of(&service);
    let there = of("IP:127.0.0.1", "HTTPS");
    let missing = "11".repeat(20);
    let port = free_port();
    let fields_ = [("Port", port.as_str()), ("Enabled", "false"), ("CertificateThumbprint", &missing)];
    session.create(&there, &with(&fields_)).await.unwrap();
    let switch_on = with(&[("Enabled", "true")]);
    assert_unacceptable(session.put(&there, &switch_on).await, NOT_FOUND, "certificate not found");
    assert!(fields(&session, &there).await.contains(&("Enabled".to_owned(), "false".to_owned())));
    let good = given.put("node7.example", |_| {});
    session.put(&there, &with(&[("CertificateThumbprint", &good)])).await.unwrap();
    session.put(&there, &switch_on).await.unwrap();
    // A certificate that was removed does not prevent other changes.
    fs::remove_dir_all(&given.0).unwrap();
    session.put(&there, &with(&[("URLPrefix", "other")])).await.unwrap();
    let other = config_change::with(Section::Winrs, "MaxShellsPerUser", "3");
    session.put(&config_read::of(Section::Winrs), &other).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn the_default_certificate_must_suit_the_listeners_that_use_it() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let given = CertificateFolder::of(&service);
    let set = async |thumbprint: &str| {
        let body = config_change::with(Section::Service, "CertificateThumbprint", thumbprint);
        session.put(&config_read::of(Section::Service), &body).await
    };
    let before = service.config();
    let expired = given.put("a.example", |params| params.not_after = SystemTime::UNIX_EPOCH.into());
    assert_unacceptable(
        set(&"11".repeat(20)).await,
        NOT_FOUND,
        "Service/CertificateThumbprint: certificate not found",
    );
    assert_unacceptable(set(&expired).await, EXPIRED, "Service/CertificateThumbprint: ");
    assert_eq!(service.config(), before);

    let (a, b) = (given.put("a.example", |_| {}), given.put("b.example", |_| {}));
    set(&a).await.unwrap();
    let there = of("IP:127.0.0.1", "HTTPS");
    let body = |name: &str| with(&[("Port", &free_port()), ("Hostname", name)]);
    assert_unacceptable(
        session.create(&there, &body("b.example")).await,
        OTHER_NAME,
        "not valid for b.example",
    );
    session.create(&there, &body("a.example")).await.unwrap();
    assert_unacceptable(set(&b).await, OTHER_NAME, "listener Address=IP:127.0.0.1+Transport=HTTPS: ");
    assert!(service.config().service.certificate_thumbprint.is_some_and(|own| own.to_string() == a));
    service.close().await;
}

#[tokio::test]
async fn http_has_no_certificate() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let good = CertificateFolder::of(&service).put("node7.example", |_| {});
    let there = of("IP:127.0.0.1", "HTTP");
    let body = with(&[("Enabled", "false"), ("CertificateThumbprint", &good)]);
    assert_unacceptable(session.create(&there, &body).await, FOR_HTTP, "Transport=HTTPS");
    session.create(&there, &switched_off()).await.unwrap();
    assert_unacceptable(session.put(&there, &body).await, FOR_HTTP, "leave CertificateThumbprint empty");
    session.put(&there, &with(&[("CertificateThumbprint", "")])).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn conflicting_listeners_cannot_share_a_port() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let given = CertificateFolder::of(&service);
    let (a, b) = (given.put("a.example", |_| {}), given.put("b.example", |_| {}));
    let (port, other_port) = (free_port(), free_port());
    let https = |port: &str, thumbprint: &str| with(&[("Port", port), ("CertificateThumbprint", thumbprint)]);
    session.create(&of("IP:127.0.0.1", "HTTPS"), &https(&port, &a)).await.unwrap();

    let second = of("IP:127.0.0.2", "HTTPS");
    let other = "already used by listener Address=IP:127.0.0.1+Transport=HTTPS";
    assert_unacceptable(session.create(&second, &https(&port, &b)).await, PORT_TAKEN, other);
    let http = session.create(&of("*", "HTTP"), &with(&[("Port", &port)])).await;
    assert_unacceptable(http, PORT_TAKEN, "and cannot also serve HTTP; choose another Port");
    session.create(&second, &https(&port, &a)).await.unwrap();
    let before = fields(&session, &second).await;
    assert_unacceptable(
        session.put(&second, &with(&[("CertificateThumbprint", &b)])).await,
        PORT_TAKEN,
        "give both the same CertificateThumbprint",
    );
    assert_eq!(fields(&session, &second).await, before);
    session.put(&second, &https(&other_port, &b)).await.unwrap();
    assert_unacceptable(session.put(&second, &with(&[("Port", &port)])).await, PORT_TAKEN, other);
    // A disabled listener conflicts with no other; an enabled one does again.
    let off = with(&[("Port", &port), ("Enabled", "false")]);
    session.put(&second, &off).await.unwrap();
    assert_unacceptable(session.put(&second, &with(&[("Enabled", "true")])).await, PORT_TAKEN, other);

    // A compatibility listener with the same key conflicts as well.
    service.set("Service.EnableCompatibilityHttpsListener", "true");
    let beside = session.create(&of("*", "HTTPS"), &https("443", &a)).await;
    assert_unacceptable(beside, PORT_TAKEN, "port 443 is already used by listener Address=*+Transport=HTTPS");
    service.close().await;
}

/// Another program that listens on a port.
struct Occupant {
    process: Child,
    port: String,
}

impl Occupant {
    const VARIABLE: &str = "TELARCH_LOOPBACK_OCCUPIES_A_PORT";

    fn start() -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "listener::the_occupant", "--nocapture"])
            .env(Self::VARIABLE, "yes")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let port = lines.find_map(|line| line.unwrap().parse::<u16>().ok()).expect("it says its port");
        Self { process, port: port.to_string() }
    }
}

impl Drop for Occupant {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Body of the other program, not a test.
#[test]
fn the_occupant() {
    if env::var_os(Occupant::VARIABLE).is_some() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        eprintln!("{}", socket.local_addr().unwrap().port());
        // The program ends with the test that started it.
        std::io::stdin().lines().for_each(drop);
    }
}

#[tokio::test]
async fn a_port_of_another_program_is_rejected() {
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    let given = CertificateFolder::of(&service);
    let good = given.put("node7.example", |_| {});
    let occupant = Occupant::start();
    let port = occupant.port.clone();
    let taken = [("Port", port.as_str())];
    let what_to_do = format!("ss -ltnp 'sport = :{}'", occupant.port);
    for address in ["IP:127.0.0.1", "*"] {
        assert_unacceptable(
            session.create(&of(address, "HTTP"), &with(&taken)).await,
            PORT_TAKEN,
            &what_to_do,
        );
        let https = with(&[taken[0], ("CertificateThumbprint", &good)]);
        assert_unacceptable(session.create(&of(address, "HTTPS"), &https).await, PORT_TAKEN, &what_to_do);
    }
    assert_eq!(keys(&session).await, []);
    // The program listens on another address.
    session.create(&of("IP:127.0.0.2", "HTTP"), &with(&taken)).await.unwrap();
    let there = of("IP:127.0.0.1", "HTTP");
    let own = free_port();
    session.create(&there, &with(&[("Port", &own)])).await.unwrap();
    assert_unacceptable(session.put(&there, &with(&taken)).await, PORT_TAKEN, &what_to_do);
    assert!(fields(&session, &there).await.contains(&("Port".to_owned(), own)));
    drop(occupant);
    session.put(&there, &with(&taken)).await.unwrap();
    service.close().await;
}

#[tokio::test]
async fn compatibility_listeners_are_listed_last_and_are_read_only() {
    const GOVERNED: (Subcode, u32) = (Subcode::AccessDenied, 2_150_858_890);
    let service = Loopback::start().await;
    let session = service.session(User::Ada);
    service.set("Service.EnableCompatibilityHttpListener", "true");
    service.set("Service.EnableCompatibilityHttpsListener", "true");
    let own = with(&[("Enabled", "false"), ("URLPrefix", "own")]);
    session.create(&of("*", "HTTP"), &own).await.unwrap();

    let mode = wsman::enumeration::EnumerationMode::ObjectAndReference;
    let options = EnumerateOptions { mode, ..EnumerateOptions::default() };
    let mut listing = session.enumerate(&all(), options).await.unwrap();
    let mut listed = Vec::new();
    while let Some(item) = listing.next().await {
        let item = item.unwrap();
        let listener = item.object().unwrap();
        let selectors = item.reference().unwrap().selectors;
        let key = ["Address", "Transport"].map(|name| selectors.text(name).unwrap().to_owned());
        listed.push((
            key,
            listener.attribute("", "Source").map(String::from),
            settings(listener)[2].1.clone(),
        ));
    }
    let expected = [
        ("HTTP", None, "5985"),
        ("HTTP", Some("Compatibility"), "80"),
        ("HTTPS", Some("Compatibility"), "443"),
    ]
    .map(|(transport, source, port)| {
        (["*", transport].map(str::to_owned), source.map(str::to_owned), port.to_owned())
    });
    assert_eq!(listed, expected);

    // If a listener has the same key, it is the one addressed.
    let there = of("*", "HTTP");
    assert!(fields(&session, &there).await.contains(&("URLPrefix".to_owned(), "own".to_owned())));
    session.put(&there, &with(&[("URLPrefix", "other")])).await.unwrap();
    session.delete(&there).await.unwrap();
    for (transport, port) in [("HTTP", "80"), ("HTTPS", "443")] {
        let (there, switch) =
            (of("*", transport), format!("enablecompatibility{transport}listener").to_lowercase());
        let got = session.get(&there).await.unwrap();
        let element = got.content().unwrap();
        assert_eq!(element.attribute("", "Source").as_deref(), Some("Compatibility"));
        assert_eq!(settings(element)[2].1, port);
        let back = fragment(|writer| {
            writer.copy(element);
        });
        session.put(&there, &back).await.unwrap();
        for (name, value) in [("Port", "8080"), ("Enabled", "false"), ("Hostname", "x"), ("URLPrefix", "y")] {
            let refused = fault(session.put(&there, &with(&[(name, value)])).await);
            assert_eq!((refused.subcode().clone(), refused.code()), GOVERNED, "{name}");
            assert!(refused.reason().to_lowercase().contains(&switch), "{refused}");
        }
        assert_eq!(refusal(session.delete(&there).await), GOVERNED);
        assert_eq!(settings(session.get(&there).await.unwrap().content().unwrap()), settings(element));
    }
    service.set("Service.EnableCompatibilityHttpListener", "false");
    assert_eq!(keys(&session).await, owned(&[("*", "HTTPS")]));
    assert_eq!(refusal(session.get(&of("*", "HTTP")).await), UNKNOWN);
    service.close().await;
}
