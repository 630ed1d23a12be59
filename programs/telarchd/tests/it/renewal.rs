//! Connections of accounts that are disabled or have expired.

use std::process::Command;
use std::time::{Duration, Instant};

use accounts::IfMissing;
use auth::account_file::{EnabledState, Role};
use ports::free_ports;

use crate::PATIENCE;
use crate::http_connection::{Answer, Connection};
use crate::message;
use crate::service_process::{Telarchd, listener, loopback, user};
use crate::test_user::TestUser;

const OPEN: &str = "Service.RootSDDL = \"O:NSG:BAD:P(A;;GA;;;AU)\"\nService.Auth.Basic = true\n";

fn start() -> (Telarchd, u16) {
    let [port] = free_ports();
    (Telarchd::start(&[OPEN, &listener("IP:127.0.0.1", "HTTPS", port, "")].concat()), port)
}

fn set_standing(telarchd: &Telarchd, name: &str, standing: EnabledState) {
    accounts::update(&telarchd.file("accounts"), IfMissing::Fail, |file| {
        file.set_state(name, standing)?;
        Ok::<_, Box<dyn std::error::Error>>(())
    })
    .unwrap();
}

/// Sends requests on one connection until it is refused, because the account is verified again after a while.
fn until_refused(mut ask: impl FnMut() -> Answer) {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match ask().status {
            200 => std::thread::sleep(Duration::from_millis(50)),
            401 => return,
            other => panic!("{other}"),
        }
    }
    panic!("the connection was never refused");
}

#[test]
fn connections_of_a_disabled_account_are_refused_also_local_ones() {
    let (telarchd, port) = start();
    telarchd.add_account("other", Role::User);
    telarchd.reload();
    let mut remote = Connection::open_tls(loopback(port));
    let mut other = Connection::open_tls(loopback(port));
    let mut here = Connection::open_local(&telarchd.state().join("local.sock"));
    let settings = message::settings();
    assert_eq!(remote.ask("/wsman", &settings).status, 200);
    assert_eq!(other.ask_as("other", "/wsman", &settings).status, 200);
    assert_eq!(here.ask_unnamed("/wsman", &settings).status, 200);
    set_standing(&telarchd, &user(), EnabledState::Disabled);
    until_refused(|| remote.ask("/wsman", &settings));
    until_refused(|| here.ask_unnamed("/wsman", &settings));
    assert_eq!(other.ask_as("other", "/wsman", &settings).status, 200, "other accounts continue");
    telarchd.wait_for_log(&["Sign-in of a connection revoked", &user()]);
    set_standing(&telarchd, &user(), EnabledState::Enabled);
    telarchd.reload();
    assert_eq!(remote.ask("/wsman", &settings).status, 200, "with the password");
}

#[test]
fn a_connection_is_refused_after_its_account_has_expired() {
    let Some(ann) = TestUser::create() else { return };
    let (_telarchd, port) = start();
    let mut connection = Connection::open_tls(loopback(port));
    let settings = message::settings();
    assert_eq!(connection.ask_as(&ann.name, "/wsman", &settings).status, 200);
    assert!(Command::new("usermod").args(["--expiredate", "1", &ann.name]).status().unwrap().success());
    until_refused(|| connection.ask_as(&ann.name, "/wsman", &settings));
}
