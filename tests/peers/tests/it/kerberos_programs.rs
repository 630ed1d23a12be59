//! Our command lines in a realm of Kerberos: what signs in, and what is told when something does not.

use auth::Step;
use base64::Engine as _;
use kerberos::{Credentials, Initiator, Library, Spn};
use telarch_peers::{
    Curl, Keys, PASSWORD, Password, REALM, Realm, Run, Telarchd, USER, Winrm, Winrs, in_realm,
};

/// Runs `body` in a process of a new realm, with a service of the same.
fn run(name: &str, body: impl FnOnce(&Realm, &Telarchd)) {
    in_realm(&format!("kerberos_programs::{name}"), Keys::AesSha1, |realm| {
        let service = Telarchd::start(&[]);
        body(realm, &service);
    });
}

/// The address by the name that the realm knows.
fn named(url: &str) -> String {
    url.replace("127.0.0.1", "localhost")
}

/// `winrm`, with whatever ticket there is.
fn winrm(url: &str) -> Winrm {
    Winrm::to(&named(url)).user(None)
}

/// `winrm`, with name and password, by Kerberos alone.
fn winrm_as(url: &str, user: &str, password: &str) -> Winrm {
    let winrm = Winrm::to(&named(url)).user(Some(user)).password(Password::Environment(password));
    winrm.switch("-authentication:kerberos")
}

/// What is told behind the block that scripts know, a line each.
fn hints_of(run: &Run) -> Vec<String> {
    let (stdout, stderr, code) = run.text();
    assert_eq!((stdout, code), ("", 1), "{run:?}");
    assert!(!stderr.contains(PASSWORD) && !stderr.contains("not-the-password"), "{run:?}");
    stderr.split("\n\n").last().unwrap_or_default().lines().map(str::to_owned).collect()
}

fn assert_reported(run: &Run, what: &str, lines: &[&str]) {
    let found = hints_of(run);
    let is_wanted = lines.iter().any(|line| line.contains("winrm trust "));
    let is_there = found.iter().any(|line| line.contains("winrm trust "));
    assert_eq!(is_there, is_wanted, "trust is advised where it helps, and only there: {found:#?}");
    assert_eq!(found.first().map(String::as_str), Some(what), "{run:?}");
    let (_, stderr, _) = run.text();
    for line in lines {
        assert!(stderr.contains(line), "{line} is not in {stderr}");
    }
}

#[test]
fn a_ticket_suffices_over_http_and_https() {
    run("a_ticket_suffices_over_http_and_https", |realm, service| {
        realm.kinit(&[]);
        for scheme in [None, Some("-authentication:negotiate"), Some("-authentication:kerberos")] {
            let winrs = Winrs::to(&named(service.http())).user(None);
            let winrs = scheme.into_iter().fold(winrs, Winrs::switch);
            assert_eq!(winrs.run(&["cat; exit 7"], b"sealed").text(), ("sealed", "", 7), "{scheme:?}");
            let winrm = ["-skipCAcheck", "-skipCNcheck"]
                .into_iter()
                .chain(scheme)
                .fold(winrm(service.https()), Winrm::switch);
            let run = winrm.run(&["id"]);
            assert_eq!(run.code, 0, "{scheme:?}: {run:?}");
        }
    });
}

#[test]
fn another_scheme_is_used_unless_one_was_requested() {
    let name = "kerberos_programs::another_scheme_is_used_unless_one_was_requested";
    in_realm(name, Keys::AesSha1, |realm| {
        realm.kinit(&[]);
        let service = Telarchd::start(&[("Service.Auth.Negotiate", "false")]);
        let run = winrm(service.http()).run(&["get", "winrm/config/winrs"]);
        assert_eq!(run.code, 0, "{run:?}");
        let run = winrm(service.http()).switch("-authentication:negotiate").run(&["id"]);
        assert_reported(
            &run,
            "winrm: host localhost",
            &[
                "the service does not offer Negotiate",
                "  try -authentication:kerberos",
                "  the service offers Kerberos; the client tried Negotiate",
            ],
        );
    });
}

#[test]
fn a_password_or_a_keytab_obtains_a_ticket() {
    run("a_password_or_a_keytab_obtains_a_ticket", |realm, service| {
        for user in [format!("{USER}@{REALM}"), format!("TELARCH\\{USER}"), USER.to_owned()] {
            let run = winrm_as(service.http(), &user, PASSWORD).run(&["id"]);
            assert_eq!(run.code, 0, "{user}: {run:?}");
        }
        let keytab = realm.path("ada.keytab").display().to_string();
        realm.kadmin(&format!("ktadd -norandkey -k {keytab} {USER}"));
        let keyed = winrm(service.http()).variable("KRB5_CLIENT_KTNAME", &keytab);
        let run = keyed.run(&["id"]);
        assert_eq!(run.code, 0, "{run:?}");
    });
}

#[test]
fn every_cause_of_a_failed_sign_in_is_reported_with_a_remedy() {
    run("every_cause_of_a_failed_sign_in_is_reported_with_a_remedy", |realm, service| {
        let url = service.http();
        let user = format!("{USER}@{REALM}");
        assert_reported(
            &winrm_as(url, &user, "not-the-password").run(&["id"]),
            &format!("winrm: host localhost, user {user}"),
            &[
                "wrong password or key of",
                "  enter the password again",
                "(code 1326, 0x52E, ERROR_LOGON_FAILURE)",
            ],
        );
        assert_reported(
            &winrm_as(url, "nobody", PASSWORD).run(&["id"]),
            "winrm: host localhost, user nobody",
            &[
                "unknown principal nobody@",
                "  check the spelling of the name and the realm",
                "ERROR_LOGON_FAILURE",
            ],
        );
        assert_reported(
            &winrm(url).run(&["id"]),
            "winrm: host localhost",
            &[
                "no Kerberos ticket",
                "  obtain one with: kinit USER@REALM",
                "-username:USER@REALM",
                "SEC_E_NO_CREDENTIALS",
            ],
        );
        realm.kinit(&[]);
        assert_reported(
            &winrm(url).switch("-spn:HTTP/node7.telarch.test").run(&["id"]),
            "winrm: host localhost",
            &[
                "unknown service HTTP/node7.telarch.test in the realm",
                "setspn -S HTTP/node7.telarch.test",
                "-spn:WSMAN",
                "SEC_E_TARGET_UNKNOWN",
            ],
        );
        realm.skew_tickets(3_600);
        assert_reported(
            &winrm(url).run(&["id"]),
            "winrm: host localhost",
            &[
                "the clocks of this machine and the peer differ too much",
                "  synchronise both with NTP; Kerberos allows five minutes",
                "SEC_E_TIME_SKEW",
            ],
        );
        realm.kinit(&["-l", "1h"]);
        realm.age_tickets();
        assert_reported(
            &winrm(url).run(&["id"]),
            "winrm: host localhost",
            &["the Kerberos ticket has expired", "with: kinit", "SEC_E_CONTEXT_EXPIRED"],
        );
        realm.kadmin(&format!("modprinc -allow_tix {USER}"));
        assert_reported(
            &winrm_as(url, &user, PASSWORD).run(&["id"]),
            &format!("winrm: host localhost, user {user}"),
            &["the account is locked, disabled or expired", "kpasswd", "ERROR_ACCOUNT_RESTRICTION"],
        );
        realm.lose_kdc();
        assert_reported(
            &winrm_as(url, &user, PASSWORD).run(&["id"]),
            &format!("winrm: host localhost, user {user}"),
            &[
                "cannot reach a KDC of the realm",
                "the KDC must be in krb5.conf",
                "port 88",
                "SEC_E_NO_AUTHENTICATING_AUTHORITY",
            ],
        );
        let broken = realm.path("broken.conf");
        std::fs::write(&broken, "[libdefaults\n").expect("a file of the realm");
        let run = winrm(url).variable("KRB5_CONFIG", &broken.display().to_string()).run(&["id"]);
        assert_reported(&run, "winrm: host localhost", &["KRB5_CONFIG", "SEC_E_SECPKG_NOT_FOUND"]);
    });
}

#[test]
fn an_untrusted_host_receives_only_kerberos() {
    run("an_untrusted_host_receives_only_kerberos", |_, service| {
        // Not this machine by its spelling, and of no realm.
        let url = service.http().replace("127.0.0.1", "2130706433");
        let run = Winrm::to(&url).user(Some(USER)).run(&["id"]);
        assert_reported(
            &run,
            &format!("winrm: host 2130706433, user {USER}"),
            &["unknown service", "or trust the host without verification: winrm trust 2130706433"],
        );
        assert!(!service.log().contains("Sign-in"), "it was asked: {}", service.log());
        let trusted = Winrm::to(&url).user(Some(USER)).setting("Client.TrustedHosts = \"2130706433\"");
        let run = trusted.run(&["id"]);
        assert_eq!(run.code, 0, "{run:?}");
    });
}

#[test]
fn the_service_name_can_be_chosen() {
    run("the_service_name_can_be_chosen", |realm, service| {
        realm.kinit(&[]);
        for name in ["HTTP", "wsman", "Host", "WSMAN/localhost"] {
            let run = winrm(service.http()).switch(&format!("-spn:{name}")).run(&["id"]);
            assert_eq!(run.code, 0, "{name}: {run:?}");
        }
        // By its address, with the name that the realm knows it by.
        let by_address = Winrm::to(service.http()).user(None).switch("-spn:HTTP/localhost");
        let run = by_address.switch("-authentication:kerberos").run(&["id"]);
        assert_eq!(run.code, 0, "{run:?}");

        let port = service.http().rsplit(':').next().and_then(|rest| rest.split('/').next()).expect("a port");
        let run = winrm(service.http()).switch("-SPNPort").run(&["id"]);
        let name = format!("HTTP/localhost:{port}");
        assert_reported(&run, "winrm: host localhost", &[&format!("setspn -S {name} ")]);
        realm.kadmin(&format!("addprinc -randkey {name}"));
        realm.kadmin(&format!("ktadd -norandkey -k {} {name}", realm.keytab().display()));
        realm.kinit(&[]);
        let run = winrm(service.http()).switch("-SPNPort").run(&["id"]);
        assert_eq!(run.code, 0, "{run:?}");
    });
}

#[test]
fn a_ticket_is_delegated_only_on_request() {
    run("a_ticket_is_delegated_only_on_request", |realm, service| {
        let winrs = |switch: Option<&str>| {
            let winrs = Winrs::to(&named(service.http())).user(None);
            switch.into_iter().fold(winrs, Winrs::switch).run(&["echo done"], b"")
        };
        realm.kinit(&["-f"]);
        assert_eq!(winrs(None).text(), ("done\n", "", 0));
        // What comes later in the log shows that all of this is in it.
        let stranger = Winrm::to(service.http()).password(Password::Switch("not-the-password"));
        assert_eq!(stranger.run(&["id"]).code, 1);
        let log = service.logged(&["Sign-in failed"]);
        assert!(!log.contains(HANDED_ON), "{log}");
        for switch in ["-allowdelegate", "-ad"] {
            assert_eq!(winrs(Some(switch)).text(), ("done\n", "", 0));
            service.logged(&[HANDED_ON, USER]);
        }

        realm.kinit(&["-F"]);
        assert_eq!(winrs(None).text(), ("done\n", "", 0));
        let run = winrs(Some("-allowdelegate"));
        assert_reported(
            &run,
            "winrs: host localhost",
            &[
                "the ticket cannot be delegated to the service",
                "  get a forwardable one with kinit -f",
                "  without -allowdelegate the command runs",
                "SEC_E_DELEGATION_REQUIRED",
            ],
        );
    });
}

/// What the service says of a client that has.
const HANDED_ON: &str = "Client delegated its ticket";

/// The first token of a client of this service that is bound to no TLS connection, as a client of another protocol
/// sends it.
fn unbound_token(spn: &str) -> String {
    let library = Library::load().expect("the KDC needs it, too");
    let spn = Spn::parse(spn).expect("the name of a service");
    match Initiator::new(library, Credentials::of_this_user(), spn).advance(None) {
        Ok(Step::Continue(token)) => base64::engine::general_purpose::STANDARD.encode(token),
        other => panic!("{other:?} instead of a first token"),
    }
}

#[test]
fn a_relayed_ticket_for_another_service_is_refused_and_logged() {
    run("a_relayed_ticket_for_another_service_is_refused_and_logged", |realm, service| {
        realm.kadmin("addprinc -randkey cifs/localhost");
        realm.kadmin(&format!("ktadd -norandkey -k {} cifs/localhost", realm.keytab().display()));
        realm.kinit(&[]);
        let status = |url: &str, spn: &str| {
            let authorization = format!("Authorization: Kerberos {}", unbound_token(spn));
            Curl::to(&named(url)).header(&authorization).body("").send().status
        };
        for spn in ["HTTP/localhost", "WSMAN/localhost", "host/localhost"] {
            assert_ne!(status(service.https(), spn), 401, "{spn}");
        }
        assert_eq!(status(service.https(), "cifs/localhost"), 401);
        service.logged(&["Kerberos rejected a client", "cifs/localhost", "not a WinRM service"]);
    });
}
