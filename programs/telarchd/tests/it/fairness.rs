//! Connections and requests are shared fairly: no account and no address takes the share of all others.

use std::net::{IpAddr, TcpStream};

use accounts::{HostKey, IfMissing};
use auth::account_file::{AccountName, Comment, NewAccount, PasswordHash, Role, UnixTime};

use crate::exchange::{Connection, basic};
use crate::message;
use crate::ntlm::set_nt_hash;
use crate::open_files;
use crate::running::{BASIC_OVER_HTTP, Telarchd, free_ports, listener, local};

/// The password of these tests, hashed with so few rounds that a sign-in takes little time.
const QUICK_HASH: &str = "$6$rounds=1000$telarchtests$2ESoIBZn6bWsbMklSUANMyWPnHoIgiE1jvPwEVoY8zKsDb6g47.JW8lIlo8gcwPwEQ1ZQu5rqlQWzM0KBT.v40";

/// An account without any right.
const DAVE: &str = "dave";
/// Another one.
const BEN: &str = "ben";

/// More connections than the service has by default.
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

/// An administrator and another account over the network, and the user of the service at the local socket, get answers.
fn everybody_else_is_answered(telarchd: &Telarchd, port: u16) {
    let answer = Connection::open(local(port)).ask_as(BEN, "/wsman", &message::identify());
    assert_eq!(answer.status, 200, "another account: {answer:?}");
    let answer = Connection::open(local(port)).ask("/wsman", &message::settings());
    assert_eq!(answer.status, 200, "an administrator: {answer:?}");
    let mut socket = Connection::open_local(&telarchd.state().join("local.sock"));
    let answer = socket.ask_unnamed("/wsman", &message::settings());
    assert_eq!(answer.status, 200, "the local socket: {answer:?}");
}

#[test]
fn an_account_that_holds_as_many_connections_as_it_can_locks_nobody_out() {
    let (telarchd, port) = start("");
    let mut held: Vec<Connection<TcpStream>> = Vec::new();
    for _ in 0..MANY {
        let mut connection = Connection::open(local(port));
        let signed_in = connection.sign_in_by_ntlm(DAVE);
        assert!(signed_in.is_ok(), "after {}: {signed_in:?}", held.len());
        held.push(connection);
    }
    everybody_else_is_answered(&telarchd, port);
    // The account itself goes on as well, with its most recent connections.
    let last = held.last_mut().unwrap();
    assert_eq!(last.ask_unnamed("/wsman", "").status, 200);
    telarchd.logged(&["WARN", "Connections closed in favour of new ones", "Connections/MaxOpen"]);
}

#[test]
fn unfinished_bodies_of_one_account_are_no_503_for_anybody_else() {
    for length in [100, 400_000] {
        let (telarchd, port) = start("");
        let mut unfinished = Vec::new();
        for _ in 0..320 {
            let mut connection = Connection::open(local(port));
            connection.sign_in_by_ntlm(DAVE).unwrap();
            let status = connection.begin("", length).unwrap();
            assert!(status == 100 || (status == 503 && length > 100), "{status} after {}", unfinished.len());
            unfinished.push((connection, status));
        }
        everybody_else_is_answered(&telarchd, port);
        assert_eq!(Connection::open(local(port)).begin(&basic(BEN), length).unwrap(), 100);
        let refused = unfinished.iter_mut().find(|(_, status)| *status == 503);
        assert_eq!(refused.is_some(), length > 100, "so much is not kept for one account");
    }
}

#[test]
fn a_flood_without_sign_in_from_one_address_displaces_only_its_own_connections() {
    let (telarchd, port) = start("");
    let mut signed_in = Connection::open(local(port));
    assert_eq!(signed_in.ask_as(BEN, "/wsman", &message::identify()).status, 200);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let from = |last: u8| IpAddr::from([127, 0, 0, last]);
        let mut slow = Connection::open_from(from(3), local(port)).await;
        slow.send("POST /wsman HTTP/1.1\r\n").unwrap();
        let mut flood = Vec::new();
        for _ in 0..MANY {
            flood.push(Connection::open_from(from(2), local(port)).await);
        }
        // They are accepted in the order in which they came.
        let mut last = Connection::open_from(from(2), local(port)).await;
        assert_eq!(last.ask_unnamed("/wsman", "").status, 401);
        slow.send("Host: localhost\r\nContent-Length: 0\r\n\r\n").unwrap();
        assert_eq!(slow.answer().unwrap().status, 401, "one that came before from another address");
        assert!(flood[0].is_closed_by_the_service(), "the oldest of the flood");
    });
    assert_eq!(signed_in.ask_as(BEN, "/wsman", &message::identify()).status, 200);
    everybody_else_is_answered(&telarchd, port);
}

#[test]
fn a_flood_that_uses_up_the_open_files_keeps_nobody_else_out() {
    let [port] = free_ports();
    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let telarchd = open_files::start(&[BASIC_OVER_HTTP, &http].concat(), 200, 250);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut flood = Vec::new();
        for _ in 0..400 {
            let mut connection = Connection::open_from(IpAddr::from([127, 0, 0, 2]), local(port)).await;
            // An unfinished head has longer than an idle connection. It may be closed already.
            let _ = connection.send("POST /wsman");
            flood.push(connection);
        }
        let answer = Connection::open(local(port)).ask("/wsman", &message::settings());
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(flood[0].is_closed_by_the_service(), "the oldest of the flood");
    });
    telarchd.logged(&["ERROR", "Cannot accept connections", "LimitNOFILE"]);
}

#[test]
fn a_pull_that_names_another_resource_after_a_right_was_withdrawn_is_refused() {
    const INSTANCES: &str = "http://schemas.microsoft.com/wbem/wsman/1/wmi";
    let everybody = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;AU)";
    let instances = format!(
        "[[Plugin]]\nName = \"WMI Provider\"\n[[Plugin.Security]]\nUri = \"{INSTANCES}\"\nSddl = \"{everybody}\"\n"
    );
    let (telarchd, port) = start(&format!("Service.RootSDDL = \"{everybody}\"\n{instances}"));
    let mut connection = Connection::open(local(port));
    let context = |connection: &mut Connection<TcpStream>| {
        let answer = connection.ask_as(DAVE, "/wsman", &message::enumerate_listeners());
        let (_, rest) = answer.body.split_once("EnumerationContext>").unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    let contexts = [(); 3].map(|()| context(&mut connection));
    let other = format!("{INSTANCES}/root/cimv2/Win32_OperatingSystem");
    let pull = |verb: &str, resource: &str, context: &str| message::of_enumeration(verb, resource, context);
    // While there is the right, the enumeration decides as well.
    let answer = connection.ask_as(DAVE, "/wsman", &pull("Pull", config::LISTENER_RESOURCE, &contexts[0]));
    assert_eq!(answer.status, 200, "{answer:?}");

    let http = listener("IP:127.0.0.1", "HTTP", port, "");
    let withdrawn = "Service.RootSDDL = \"O:NSG:BAD:P(A;;GA;;;BA)\"\n";
    telarchd.reconfigure(&[BASIC_OVER_HTTP, withdrawn, &instances, &http].concat());
    for (verb, context) in [("Pull", &contexts[1]), ("Release", &contexts[2])] {
        for resource in [config::LISTENER_RESOURCE, &other] {
            let answer = connection.ask_as(DAVE, "/wsman", &pull(verb, resource, context));
            assert_eq!(answer.status, 500, "{verb} {resource}: {answer:?}");
            assert!(answer.body.contains("AccessDenied"), "{verb} {resource}: {answer:?}");
        }
    }
}
