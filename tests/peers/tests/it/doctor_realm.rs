//! `winrm doctor HOST` in a realm: what is wrong with tickets, clocks and names of services is told apart.

use telarch_peers::{
    Diagnosis, Flaw, Keys, PASSWORD, Password, PyspnegoService, REALM, Realm, Telarchd, USER, Winrm, in_realm,
};

#[test]
fn a_valid_ticket_passes_every_check_of_the_realm() {
    run("a_valid_ticket_passes_every_check_of_the_realm", |realm| {
        realm.kinit(&[]);
        let service = Telarchd::start(&[]);
        let diagnosis = Diagnosis::of(with_ticket(&service));
        diagnosis.is_well();
        for check in ["clock", "realm", "kdc", "ticket", "spn", "sign-in"] {
            assert_eq!(diagnosis.check(check).verdict, "pass", "{diagnosis:#?}");
        }
        assert!(diagnosis.check("ticket").seen.contains(&format!("{USER}@{REALM}")), "{diagnosis:#?}");
        assert!(diagnosis.check("spn").seen.contains("HTTP/localhost"), "{diagnosis:#?}");
    });
}

#[test]
fn tickets_that_are_missing_or_old() {
    run("tickets_that_are_missing_or_old", |realm| {
        let service = Telarchd::start(&[]);
        let missing = Diagnosis::of(with_ticket(&service));
        missing.begins_with("ticket", "no Kerberos ticket", "kinit");
        realm.kinit(&[]);
        realm.age_tickets();
        Diagnosis::of(with_ticket(&service)).begins_with("ticket", "has expired", "kinit");
    });
}

#[test]
fn clocks_that_are_an_hour_apart() {
    run("clocks_that_are_an_hour_apart", |realm| {
        let service = Telarchd::start(&[]);
        realm.kinit(&[]);
        realm.skew_tickets(3_600);
        let diagnosis = Diagnosis::of(with_ticket(&service));
        diagnosis.begins_with("clock", "differ too much", "NTP");
        assert_eq!(diagnosis.check("sign-in").seen, "clock failed");
    });
}

#[test]
fn a_service_that_the_realm_does_not_know() {
    run("a_service_that_the_realm_does_not_know", |realm| {
        let service = Telarchd::start(&[]);
        realm.kadmin("delprinc -force HTTP/localhost");
        realm.kinit(&[]);
        let diagnosis = Diagnosis::of(with_ticket(&service));
        diagnosis.begins_with("spn", "unknown service HTTP/localhost", "register it");
        assert!(
            diagnosis.check("spn").fixes.iter().any(|line| line.contains("-spn:WSMAN")),
            "{diagnosis:#?}"
        );
    });
}

#[test]
fn a_realm_whose_kdc_does_not_answer() {
    run("a_realm_whose_kdc_does_not_answer", |realm| {
        let service = Telarchd::start(&[]);
        let other = with_password(&service, &format!("{USER}@OTHER.TEST"), PASSWORD);
        Diagnosis::of(other).begins_with("kdc", "cannot reach a KDC of the realm", "port 88");
        realm.kinit(&[]);
        realm.lose_kdc();
        Diagnosis::of(with_ticket(&service)).begins_with("kdc", "cannot reach a KDC of the realm", "port 88");
    });
}

#[test]
fn passwords_and_users_that_the_realm_refuses() {
    run("passwords_and_users_that_the_realm_refuses", |realm| {
        let service = Telarchd::start(&[]);
        let user = format!("{USER}@{REALM}");
        let wrong = Diagnosis::of(with_password(&service, &user, "wrong"));
        wrong.begins_with("ticket", "wrong password", "enter the password again");
        assert_eq!(wrong.check("sign-in").seen, "ticket failed");
        let nobody = with_password(&service, &format!("nobody@{REALM}"), PASSWORD);
        Diagnosis::of(nobody).begins_with(
            "ticket",
            "unknown principal nobody",
            "check the spelling of the name and the realm",
        );
        realm.kadmin(&format!("modprinc -allow_tix {USER}"));
        let locked = with_password(&service, &user, PASSWORD);
        Diagnosis::of(locked).begins_with("ticket", "may not sign in", "locked, disabled or expired");
    });
}

#[test]
fn a_machine_that_is_not_set_up_for_kerberos() {
    run("a_machine_that_is_not_set_up_for_kerberos", |_| {
        let service = Telarchd::start(&[]);
        let winrm = with_password(&service, USER, PASSWORD).variable("KRB5_CONFIG", "/dev/null");
        Diagnosis::of(winrm).begins_with("sign-in", "Kerberos", "krb5.conf");
    });
}

#[test]
fn a_service_whose_key_has_changed() {
    run("a_service_whose_key_has_changed", |realm| {
        let service = Telarchd::start(&[]);
        realm.kadmin("cpw -randkey HTTP/localhost");
        realm.kinit(&[]);
        Diagnosis::of(with_ticket(&service)).begins_with("sign-in", "rejected", "recreate its keytab");
    });
}

#[test]
fn a_service_without_mutual_authentication() {
    run("a_service_without_mutual_authentication", |realm| {
        realm.kinit(&[]);
        let service = PyspnegoService::start(&["Kerberos"], Flaw::NoProof);
        let winrm = Winrm::to(service.http()).user(None).switch("-authentication:kerberos");
        Diagnosis::of(winrm).begins_with(
            "sign-in",
            "did not prove",
            "only the authentication request was sent",
        );
    });
}

fn with_ticket(service: &Telarchd) -> Winrm {
    over_tls(service).user(None)
}

fn with_password(service: &Telarchd, user: &str, password: &str) -> Winrm {
    over_tls(service).user(Some(user)).password(Password::Switch(password))
}

fn over_tls(service: &Telarchd) -> Winrm {
    let url = service.https().replace("127.0.0.1", "localhost");
    Winrm::to(&url).switch("-authentication:kerberos").switch("-skipCAcheck").switch("-skipCNcheck")
}

/// Runs `body` in a process of its own in a new realm, if the KDC is installed.
fn run(name: &str, body: impl FnOnce(&Realm)) {
    in_realm(&format!("doctor_realm::{name}"), Keys::AesSha1, body);
}
