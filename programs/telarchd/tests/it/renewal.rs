//! Connections of those who may not sign in any more.

use std::process::Command;
use std::time::{Duration, Instant};

use accounts::IfMissing;
use auth::account_file::{Role, Standing};

use crate::PATIENCE;
use crate::exchange::{Answer, Connection};
use crate::message;
use crate::person::Person;
use crate::running::{Telarchd, free_ports, listener, local, user};

const OPEN: &str = "Service.RootSDDL = \"O:NSG:BAD:P(A;;GA;;;AU)\"\nService.Auth.Basic = true\n";

fn start() -> (Telarchd, u16) {
    let [port] = free_ports();
    (Telarchd::start(&[OPEN, &listener("IP:127.0.0.1", "HTTPS", port, "")].concat()), port)
}

fn set_standing(telarchd: &Telarchd, name: &str, standing: Standing) {
    accounts::update(&telarchd.file("accounts"), IfMissing::Fail, |file| {
        file.set_standing(name, standing)?;
        Ok::<_, Box<dyn std::error::Error>>(())
    })
    .unwrap();
}

/// Asks on one connection until it is refused; whoever uses it is judged again after a while.
fn until_refused(mut ask: impl FnMut() -> Answer) {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match ask().status {
            200 => std::thread::sleep(Duration::from_millis(50)),
            401 => return,
            other => panic!("{other}"),
        }
    }
    panic!("it was never refused");
}

#[test]
fn a_connection_is_refused_once_its_account_is_disabled_also_that_of_a_program_of_this_machine() {
    let (telarchd, port) = start();
    telarchd.account("other", Role::User);
    telarchd.reload();
    let mut remote = Connection::open_tls(local(port));
    let mut other = Connection::open_tls(local(port));
    let mut here = Connection::open_local(&telarchd.state().join("local.sock"));
    let settings = message::settings();
    assert_eq!(remote.ask("/wsman", &settings).status, 200);
    assert_eq!(other.ask_as("other", "/wsman", &settings).status, 200);
    assert_eq!(here.ask_unnamed("/wsman", &settings).status, 200);
    set_standing(&telarchd, &user(), Standing::Disabled);
    until_refused(|| remote.ask("/wsman", &settings));
    until_refused(|| here.ask_unnamed("/wsman", &settings));
    assert_eq!(other.ask_as("other", "/wsman", &settings).status, 200, "others go on");
    telarchd.logged(&["Sign-in of a connection revoked", &user()]);
    set_standing(&telarchd, &user(), Standing::Enabled);
    telarchd.reload();
    assert_eq!(remote.ask("/wsman", &settings).status, 200, "by its password");
}

#[test]
fn a_connection_is_refused_once_pam_says_that_its_account_has_expired() {
    let Some(ann) = Person::make() else { return };
    let (_telarchd, port) = start();
    let mut connection = Connection::open_tls(local(port));
    let settings = message::settings();
    assert_eq!(connection.ask_as(&ann.name, "/wsman", &settings).status, 200);
    assert!(Command::new("usermod").args(["--expiredate", "1", &ann.name]).status().unwrap().success());
    until_refused(|| connection.ask_as(&ann.name, "/wsman", &settings));
}
