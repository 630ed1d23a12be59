//! What goes wrong when somebody signs in is told with its cause and its remedy: to the user of our client by the
//! client, and to whoever keeps the service by its log, while other people's clients learn nothing but 401.

use std::fs;

use telarch_peers::{
    Curl, KerberosPeer, Keys, PASSWORD, Password, REALM, Realm, Run, Telarchd, USER, WayIn, Winrm, in_realm,
};

#[test]
fn our_client_reports_why_the_realm_issues_no_ticket() {
    run("our_client_reports_why_the_realm_issues_no_ticket", |realm| {
        let service = Telarchd::start(&[]);
        let principal = format!("{USER}@{REALM}");
        let by_password = |user: &str, password: &str| {
            winrm(&service).user(Some(user)).password(Password::Switch(password)).run(&["id"])
        };
        let by_ticket = || winrm(&service).user(None).run(&["id"]);

        assert_reported(
            &by_password(&principal, "wrong"),
            &[&format!("wrong password or key of {principal}"), "enter the password again"],
        );
        assert_reported(
            &by_password(&format!("nobody@{REALM}"), PASSWORD),
            &[&format!("unknown principal nobody@{REALM}"), "check the spelling"],
        );
        assert_reported(
            &by_password(&format!("{USER}@{}", REALM.to_lowercase()), PASSWORD),
            &["cannot reach a KDC of the realm", "usually upper case"],
        );
        assert_reported(&by_ticket(), &["no Kerberos ticket", "obtain one with: kinit USER@REALM"]);

        realm.kinit(&[]);
        assert_eq!(by_ticket().code, 0, "with a ticket all is well");
        realm.kinit(&[]);
        realm.age_tickets();
        assert_reported(&by_ticket(), &["the Kerberos ticket has expired", "kinit"]);
        realm.kinit(&[]);
        realm.skew_tickets(3_600);
        assert_reported(&by_ticket(), &["the clocks of this machine and the peer differ too much", "NTP"]);

        realm.kadmin(&format!("modprinc -allow_tix {USER}"));
        assert_reported(
            &by_password(&principal, PASSWORD),
            &[&format!("{principal} may not sign in to the realm"), "locked, disabled or expired", "kpasswd"],
        );
        realm.kadmin(&format!("modprinc +allow_tix {USER}"));

        realm.kinit(&[]);
        realm.kadmin("delprinc -force HTTP/localhost");
        assert_reported(
            &by_ticket(),
            &["unknown service HTTP/localhost in the realm", "kadmin addprinc -randkey HTTP/localhost"],
        );
        realm.lose_kdc();
        assert_reported(&by_ticket(), &["cannot reach a KDC of the realm", "port 88"]);
    });
}

#[test]
fn the_log_of_the_service_contains_the_reason_of_a_refused_ticket() {
    run("the_log_of_the_service_contains_the_reason_of_a_refused_ticket", |realm| {
        let service = Telarchd::start(&[]);
        realm.kinit(&[]);
        assert_eq!(by_ticket(&service), 200, "all is well at first");

        realm.kinit(&[]);
        realm.run("kvno", &["HTTP/localhost"]);
        realm.skew_tickets(3_600);
        assert_refused(
            &service,
            &["the clocks of this machine and the peer differ too much", "synchronise both with NTP"],
        );

        // The keytab still has the first key.
        realm.kadmin("cpw -randkey HTTP/localhost");
        realm.kinit(&[]);
        let keytab = realm.keytab().display().to_string();
        assert_refused(
            &service,
            &[
                "has no key for the client's ticket",
                &keytab,
                "kvno 2",
                &format!("HTTP/localhost@{REALM}"),
                "export the key to the keytab again",
            ],
        );

        fs::copy(realm.client_keytab(), realm.keytab()).expect("both are files");
        assert_refused(
            &service,
            &["has no key for the client's ticket", &keytab, "add the requested principal to the keytab"],
        );

        fs::remove_file(realm.keytab()).expect("it is there");
        assert_refused(
            &service,
            &["cannot use keytab", "No such file or directory", &keytab, "kadmin ktadd"],
        );
    });
}

#[test]
fn a_service_without_keys_offers_no_kerberos_and_logs_the_reason() {
    run("a_service_without_keys_offers_no_kerberos_and_logs_the_reason", |realm| {
        fs::remove_file(realm.keytab()).expect("it is there");
        realm.kinit(&[]);
        let service = Telarchd::start(&[]);
        service.logged(&[
            "Kerberos is not offered",
            &realm.keytab().display().to_string(),
            "No such file or directory",
            "kadmin ktadd",
        ]);
        let offered = Curl::to(service.https()).send();
        assert_eq!(offered.header("WWW-Authenticate"), ["Negotiate", "Basic realm=\"WSMAN\""]);
        assert_reported(
            &winrm(&service).user(None).run(&["id"]),
            &["the service does not offer Kerberos: use one of Negotiate, Basic"],
        );
    });
}

/// Unknown names and wrong passwords look the same to the one who tries them.
#[test]
fn our_client_distinguishes_a_refusal_by_the_service_from_other_failures() {
    let service = Telarchd::start(&[("Service.Auth.CredSSP", "true")]);
    for way in [WayIn::BasicOverHttps, WayIn::NegotiateOverHttps, WayIn::CredSspOverHttps] {
        let [wrong, unknown] = [(USER, "wrong"), ("nobody", PASSWORD)].map(|(user, password)| {
            let winrm = Winrm::against(&service, way).user(Some(user)).password(Password::Switch(password));
            let run = winrm.run(&["id"]);
            assert_reported(
                &run,
                &["the user name or the password is wrong", &format!("winrm: host 127.0.0.1, user {user}\n")],
            );
            String::from_utf8_lossy(&run.stderr).replace(user, "…")
        });
        assert_eq!(wrong, unknown, "{way:?}");
    }
    // It lets nobody in who claims to be somebody, but it says who was claimed.
    for scheme in ["Basic", "Negotiate", "CredSSP"] {
        for user in [USER, "nobody"] {
            let (scheme, account) = (format!("scheme={scheme}"), format!("account=\"{user}\""));
            service.logged(&["Sign-in failed", "unknown account or wrong password", &scheme, &account]);
        }
    }
}

fn winrm(service: &Telarchd) -> Winrm {
    let url = service.https().replace("127.0.0.1", "localhost");
    let winrm = Winrm::to(&url).switch("-authentication:kerberos");
    winrm.switch("-skipCAcheck").switch("-skipCNcheck")
}

fn by_ticket(service: &Telarchd) -> u16 {
    let url = service.https().replace("127.0.0.1", "localhost");
    Curl::to(&url).scheme("--negotiate", ":").last_status()
}

fn assert_reported(run: &Run, parts: &[&str]) {
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert_eq!((run.stdout.as_slice(), run.code), (&b""[..], 1), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part:?} is not in:\n{stderr}");
    }
}

/// The client gets a bare 401, and one line of the log has all of these parts.
fn assert_refused(service: &Telarchd, parts: &[&str]) {
    assert_eq!(by_ticket(service), 401, "{parts:?}");
    service.logged(parts);
}

/// Runs `body` in a process of its own in a new realm, if the peers and the KDC are installed.
fn run(name: &str, body: impl FnOnce(&Realm)) {
    if KerberosPeer::is_installed() {
        in_realm(&format!("sign_in_failures::{name}"), Keys::AesSha1, body);
    }
}
