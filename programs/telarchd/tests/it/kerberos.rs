//! Kerberos principals and accounts of the account file. The tests are skipped without MIT Kerberos' KDC.

use accounts::IfMissing;
use auth::account_file::{EnabledState, Role};
use ports::free_ports;
use telarch_peers::{Curl, Keys, REALM, Realm, USER, in_realm};

use crate::service_process::{Telarchd, listener};

/// Starts a service in the realm with the account of the user, and returns its URL.
fn service(table: &str) -> (Telarchd, String) {
    let [port] = free_ports();
    let mut telarchd = Telarchd::new(&listener("IP:127.0.0.1", "HTTP", port, ""));
    telarchd.add_account(USER, Role::Administrator);
    std::fs::write(telarchd.file("principals"), table).unwrap();
    telarchd.run();
    (telarchd, format!("http://localhost:{port}/wsman"))
}

/// Returns the status of a request with the user's ticket.
fn status(url: &str) -> u16 {
    Curl::to(url).scheme("--negotiate", ":").last_status()
}

#[test]
fn a_disabled_account_refuses_tickets_and_the_log_says_why() {
    let name = "kerberos::a_disabled_account_refuses_tickets_and_the_log_says_why";
    in_realm(name, Keys::AesSha1, |realm: &Realm| {
        realm.kinit(&[]);
        let (telarchd, url) = service("");
        assert_eq!(status(&url), 200);
        let standing = |standing| {
            accounts::update(&telarchd.file("accounts"), IfMissing::Fail, |file| {
                file.set_state(USER, standing)?;
                Ok::<_, Box<dyn std::error::Error>>(())
            })
            .unwrap();
            telarchd.reload();
        };
        standing(EnabledState::Disabled);
        assert_eq!(status(&url), 401);
        let principal = format!("{USER}@{REALM}");
        let refused = format!("cannot use the account of {principal}: account is disabled or locked");
        telarchd.wait_for_log(&["Kerberos rejected a client", &refused]);
        telarchd.wait_for_log(&["Sign-in failed", &format!("account=\"{principal}\""), "disabled or locked"]);
        standing(EnabledState::Enabled);
        assert_eq!(status(&url), 200);
    });
}

#[test]
fn the_table_of_principals_gives_an_instance_its_account() {
    let name = "kerberos::the_table_of_principals_gives_an_instance_its_account";
    in_realm(name, Keys::AesSha1, |realm: &Realm| {
        realm.kinit_as(&format!("{USER}/admin"), &[]);
        let (_telarchd, url) = service(&format!("# principals\n{USER}/admin@{REALM} {USER}\n"));
        assert_eq!(status(&url), 200);
        let (telarchd, url) = service("");
        assert_eq!(status(&url), 401);
        telarchd.wait_for_log(&[&format!("no account for {USER}/admin@{REALM}"), "is not listed"]);
    });
}
