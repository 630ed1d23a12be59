//! Fair sharing of connections and requests between accounts and addresses.

use std::net::{IpAddr, TcpStream};

use accounts::{HostKey, IfMissing};
use auth::account_file::{AccountName, Comment, NewAccount, PasswordHash, Role, UnixTime};
use ports::free_ports;

use crate::http_connection::{Connection, basic};
use crate::message;
use crate::ntlm::set_nt_hash;
use crate::open_files;
use crate::service_process::{BASIC_OVER_HTTP, Telarchd, listener, loopback};

/// Hash of the tests' password with few rounds, so that a sign-in is fast.
const QUICK_HASH: &str = "$6$rounds=1000$telarchtests$2ESoIBZn6bWsbMklSUANMyWPnHoIgiE1jvPwEVoY8zKsDb6g47.JW8lIlo8gcwPwEQ1ZQu5rqlQWzM0KBT.v40";

/// An account without rights.
const DAVE: &str = "dave";
/// Another account without rights.
const BEN: &str = "ben";

/// More connections than the default limit of the service.
const MANY: usize = 700;

fn add(telarchd: &Telarchd, name: &str) {
    accounts::update(&telarchd.file("accounts"), IfMissing::Fail, |file| {
        let (name, password) = (AccountName::parse(name)?, PasswordHash::parse(QUICK_HASH)?);
        let changed = UnixTime::new(1_763_719_754);
        file.add(NewAccount { name, password, role: Role::User, changed, comment: Comment::default() })?;
        Ok::<_, Box<dyn std::error::Error>>(())
    })
    .unwrap();
}

fn start(more: &str) -> (Telarchd, u16) {
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let mut telarchd = Telarchd::new(&[BASIC_OVER_HTTP, more, &http].concat());
    add(&telarchd, DAVE);
    add(&telarchd, BEN);
    telarchd.run();
    let key = HostKey::load(&telarchd.state()).unwrap().expect("the service has made a key");
    set_nt_hash(&telarchd, DAVE, Some(&key));
    telarchd.reload();
    (telarchd, port)
}

/// Requires that an administrator, another account and a local program are served.
fn everybody_else_is_answered(telarchd: &Telarchd, port: u16) {
    let answer = Connection::open(loopback(port)).ask_as(BEN, "/wsman", &message::identify());
    assert_eq!(answer.status, 200, "another account: {answer:?}");
    let answer = Connection::open(loopback(port)).ask("/wsman", &message::settings());
    assert_eq!(answer.status, 200, "an administrator: {answer:?}");
    let mut socket = Connection::open_local(&telarchd.state().join("local.sock"));
    let answer = socket.ask_unnamed("/wsman", &message::settings());
    assert_eq!(answer.status, 200, "the local socket: {answer:?}");
}

#[test]
fn an_account_with_maximum_connections_does_not_exclude_others() {
    let (telarchd, port) = start("");
    let mut held: Vec<Connection<TcpStream>> = Vec::new();
    for _ in 0..MANY {
        let mut connection = Connection::open(loopback(port));
        let signed_in = connection.sign_in_by_ntlm(DAVE);
        assert!(signed_in.is_ok(), "after {}: {signed_in:?}", held.len());
        held.push(connection);
    }
    everybody_else_is_answered(&telarchd, port);
    // The account itself is served on its most recent connections.
    let last = held.last_mut().unwrap();
    assert_eq!(last.ask_unnamed("/wsman", &message::identify()).status, 200);
    telarchd.wait_for_log(&["WARN", "Connections closed in favour of new ones", "Connections/MaxOpen"]);
}

#[test]
fn unfinished_bodies_of_one_account_cause_no_503_for_others() {
    for length in [100, 400_000] {
        let (telarchd, port) = start("");
        let mut unfinished = Vec::new();
        for _ in 0..320 {
            let mut connection = Connection::open(loopback(port));
            connection.sign_in_by_ntlm(DAVE).unwrap();
            let status = connection.begin("", length).unwrap();
            assert!(status == 100 || (status == 503 && length > 100), "{status} after {}", unfinished.len());
            unfinished.push((connection, status));
        }
        everybody_else_is_answered(&telarchd, port);
        assert_eq!(Connection::open(loopback(port)).begin(&basic(BEN), length).unwrap(), 100);
        let refused = unfinished.iter_mut().find(|(_, status)| *status == 503);
        assert_eq!(refused.is_some(), length > 100, "the memory of one account is limited");
    }
}

#[test]
fn a_flood_from_one_address_displaces_only_its_own_connections() {
    let (telarchd, port) = start("");
    let mut signed_in = Connection::open(loopback(port));
    assert_eq!(signed_in.ask_as(BEN, "/wsman", &message::identify()).status, 200);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let from = |last: u8| IpAddr::from([127, 0, 0, last]);
        let mut slow = Connection::open_from(from(3), loopback(port)).await;
        slow.send("POST /wsman HTTP/1.1\r\n").unwrap();
        let mut flood = Vec::new();
        for _ in 0..MANY {
            flood.push(Connection::open_from(from(2), loopback(port)).await);
        }
        // Connections are accepted in order.
        let mut last = Connection::open_from(from(2), loopback(port)).await;
        assert_eq!(last.ask_unnamed("/wsman", "").status, 401);
        slow.send("Host: localhost\r\nContent-Length: 0\r\n\r\n").unwrap();
        assert_eq!(slow.answer().unwrap().status, 401, "an earlier connection from another address");
        assert!(flood[0].is_closed_by_the_service(), "the oldest of the flood");
    });
    assert_eq!(signed_in.ask_as(BEN, "/wsman", &message::identify()).status, 200);
    everybody_else_is_answered(&telarchd, port);
}

#[test]
fn a_flood_that_exhausts_open_files_does_not_lock_others_out() {
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let telarchd = open_files::start(&[BASIC_OVER_HTTP, &http].concat(), 200, 250);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut flood = Vec::new();
        for _ in 0..400 {
            let mut connection = Connection::open_from(IpAddr::from([127, 0, 0, 2]), loopback(port)).await;
            // An unfinished head has a longer timeout than an idle connection. The connection may be closed already.
            let _ = connection.send("POST /wsman");
            flood.push(connection);
        }
        let answer = Connection::open(loopback(port)).ask("/wsman", &message::settings());
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(flood[0].is_closed_by_the_service(), "the oldest of the flood");
    });
    telarchd.wait_for_log(&["ERROR", "Cannot accept connections", "LimitNOFILE"]);
}

#[test]
fn a_pull_is_refused_after_the_right_was_withdrawn() {
    const INSTANCES: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi";
    let everybody = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;AU)";
    let instances = format!(
        "[[Plugin]]\nName = \"WMI Provider\"\n[[Plugin.Security]]\nUri = \"{INSTANCES}\"\nSddl = \"{everybody}\"\n"
    );
    let (telarchd, port) = start(&format!("Service.RootSDDL = \"{everybody}\"\n{instances}"));
    let mut connection = Connection::open(loopback(port));
    let contexts = [(); 3].map(|()| {
        let answer = connection.ask_as(DAVE, "/wsman", &message::enumerate_listeners());
        let (_, rest) = answer.body.split_once("EnumerationContext>").unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    });
    let other = format!("{INSTANCES}/root/cimv2/Win32_OperatingSystem");
    // With the right, the enumeration itself decides.
    let pull = message::of_enumeration("Pull", config::LISTENER_RESOURCE, &contexts[0]);
    let answer = connection.ask_as(DAVE, "/wsman", &pull);
    assert_eq!(answer.status, 200, "{answer:?}");

    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let withdrawn = "Service.RootSDDL = \"O:NSG:BAD:P(A;;GA;;;BA)\"\n";
    telarchd.reconfigure(&[BASIC_OVER_HTTP, withdrawn, &instances, &http].concat());
    for (verb, context) in [("Pull", &contexts[1]), ("Release", &contexts[2])] {
        for resource in [config::LISTENER_RESOURCE, &other] {
            let request = message::of_enumeration(verb, resource, context);
            let answer = connection.ask_as(DAVE, "/wsman", &request);
            assert_eq!(answer.status, 500, "{verb} {resource}: {answer:?}");
            assert!(answer.body.contains("AccessDenied"), "{verb} {resource}: {answer:?}");
        }
    }
}
