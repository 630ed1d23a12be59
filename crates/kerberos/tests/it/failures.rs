//! Errors contain their cause and their remedy.

use std::fs;

use auth::{AuthError, Binding, Initiator as _};
use telarch_kerberos::{Cache, Credentials, Initiator, KerberosError, Keytab, Spn};
use telarch_peers::{Keys, PASSWORD, REALM, Realm, USER, in_realm};

use super::{client, library, meet, password, principal, service, token};

/// Asserts that the text of an error contains all of these.
fn assert_names(error: &KerberosError, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

fn sign_in(credentials: Credentials) -> KerberosError {
    let mut initiator = client(credentials);
    let reason = initiator.reason();
    let verdict = auth::Initiator::step(&mut initiator, None).unwrap_err();
    let error = reason.get().expect("there is a reason").clone();
    assert_eq!(AuthError::from(&error), verdict);
    error
}

/// Returns a new token of a client with the default cache.
fn fresh_token() -> Vec<u8> {
    token(&mut client(Credentials::of_this_user())).unwrap()
}

fn refusal(token: &[u8]) -> KerberosError {
    service().acceptor(Binding::default()).accept(token).expect_err("a refusal")
}

#[test]
fn client_errors_have_cause_and_remedy() {
    in_realm("failures::client_errors_have_cause_and_remedy", Keys::AesSha1, |realm| {
        let error = sign_in(password("wrong"));
        assert!(matches!(error, KerberosError::WrongPassword { .. }), "{error:?}");
        assert_names(&error, &["ada@TELARCH.TEST", "wrong"]);
        assert_eq!(AuthError::from(&error), AuthError::WrongPassword);

        let nobody = auth::Secret::new(PASSWORD.to_owned());
        let error = sign_in(Credentials::Password { principal: principal("nobody"), password: nobody });
        assert!(matches!(error, KerberosError::UnknownClient { .. }), "{error:?}");
        assert_names(&error, &["nobody@TELARCH.TEST", "spelling"]);
        assert_eq!(AuthError::from(&error), AuthError::WrongPassword);

        let error = sign_in(Credentials::of_this_user());
        assert!(matches!(error, KerberosError::NoTicket { .. }), "{error:?}");
        assert_names(&error, &["kinit"]);
        assert_eq!(Cache::default().ticket(&library()), Err(error));

        let error = sign_in(Credentials::keytab(realm.path("none.keytab"), principal("robot")).unwrap());
        assert!(matches!(error, KerberosError::ClientKeytab { .. }), "{error:?}");
        assert_names(&error, &["robot@TELARCH.TEST", "none.keytab", "No such file"]);
        let error = sign_in(Credentials::keytab(realm.client_keytab(), principal(USER)).unwrap());
        assert!(matches!(error, KerberosError::ClientKeytab { .. }), "{error:?}");
        assert_names(&error, &["ada@TELARCH.TEST", "robot.keytab", "no key for this principal"]);
        realm.kadmin("cpw -randkey robot");
        let error = sign_in(Credentials::keytab(realm.client_keytab(), principal("robot")).unwrap());
        assert!(matches!(error, KerberosError::WrongPassword { .. }), "{error:?}");
        assert_names(&error, &["robot@TELARCH.TEST", "it has changed since"]);

        realm.kadmin(&format!("modprinc -allow_tix {USER}"));
        let error = sign_in(password(PASSWORD));
        assert!(matches!(error, KerberosError::NotAllowed { .. }), "{error:?}");
        assert_names(&error, &["locked", "kpasswd ada@TELARCH.TEST"]);
        assert_eq!(AuthError::from(&error), AuthError::NotAllowed);
        realm.kadmin(&format!("modprinc +allow_tix +needchange {USER}"));
        let error = sign_in(password(PASSWORD));
        assert!(matches!(error, KerberosError::NotAllowed { .. }), "{error:?}");
    });
}

#[test]
fn an_unregistered_service_is_named_with_the_remedy() {
    let name = "failures::an_unregistered_service_is_named_with_the_remedy";
    in_realm(name, Keys::AesSha1, |realm| {
        realm.kinit(&[]);
        for (spn, words) in [
            ("HTTP/node7.telarch.test", ["setspn -S HTTP/node7.telarch.test", "WSMAN/node7.telarch.test"]),
            ("WSMAN/localhost:5985", ["addprinc -randkey WSMAN/localhost:5985", "HTTP/localhost"]),
            ("HTTP/elsewhere.example", ["setspn -S HTTP/elsewhere.example", "IP address"]),
        ] {
            let spn = Spn::parse(spn).unwrap();
            let mut initiator = Initiator::new(library(), Credentials::of_this_user(), spn);
            let error = token(&mut initiator).unwrap_err();
            assert!(matches!(error, KerberosError::UnknownServer { .. }), "{error:?}");
            assert_names(&error, &words);
        }
    });
}

#[test]
fn an_unreachable_kdc_is_not_a_wrong_password() {
    let name = "failures::an_unreachable_kdc_is_not_a_wrong_password";
    in_realm(name, Keys::AesSha1, |realm| {
        realm.kinit(&[]);
        realm.lose_kdc();
        for error in [
            sign_in(password(PASSWORD)),
            sign_in(Credentials::of_this_user()),
            sign_in(Credentials::Password {
                principal: telarch_kerberos::Principal::parse("ada@telarch.test").unwrap(),
                password: auth::Secret::new(PASSWORD.to_owned()),
            }),
        ] {
            assert!(matches!(error, KerberosError::KdcUnreachable { .. }), "{error:?}");
            assert_names(&error, &["KDC", "krb5.conf", "upper case"]);
            assert_eq!(AuthError::from(&error), AuthError::Unavailable);
        }
    });
}

#[test]
fn errors_name_the_unusable_keytab() {
    in_realm("failures::errors_name_the_unusable_keytab", Keys::AesSha1, |realm| {
        realm.kinit(&[]);
        let refused = |keytab: Keytab| {
            let service = service().keytab(keytab);
            let error = service.acceptor(Binding::default()).accept(&fresh_token()).unwrap_err();
            assert_eq!(
                service.check().err().unwrap_or_else(|| error.clone()),
                error,
                "the failure is reported before the first token"
            );
            error
        };
        let missing = refused(Keytab::file(realm.path("missing.keytab")).unwrap());
        assert!(matches!(missing, KerberosError::Keytab { .. }), "{missing:?}");
        assert_names(&missing, &["missing.keytab", "No such file", "ktadd", "HTTP/HOST"]);
        assert_eq!(AuthError::from(&missing), AuthError::Unavailable);

        fs::write(realm.path("text.keytab"), "not a keytab").unwrap();
        let other = refused(Keytab::file(realm.path("text.keytab")).unwrap());
        assert!(matches!(other, KerberosError::Keytab { .. }), "{other:?}");
        let folder = refused(Keytab::file(realm.path("")).unwrap());
        assert!(matches!(folder, KerberosError::Keytab { .. }), "{folder:?}");
        assert!(Keytab::file("a\0b").is_err());

        let without = refused(Keytab::file(realm.client_keytab()).unwrap());
        assert!(matches!(without, KerberosError::NoKey { .. }), "{without:?}");
        assert_names(&without, &["robot.keytab", "HTTP/localhost@TELARCH.TEST"]);
        assert_eq!(AuthError::from(&without), AuthError::Unproven);

        // The realm gets a new key, while the keytab has the old one.
        realm.kadmin("cpw -randkey HTTP/localhost");
        realm.kinit(&[]);
        let outdated = refusal(&fresh_token());
        assert!(matches!(outdated, KerberosError::NoKey { .. }), "{outdated:?}");
        assert_names(&outdated, &["HTTP/localhost@TELARCH.TEST", "export the key to the keytab again"]);

        fs::remove_file(realm.keytab()).unwrap();
        let gone = refusal(&fresh_token());
        assert!(matches!(gone, KerberosError::Keytab { .. }), "{gone:?}");
        assert_names(&gone, &["services.keytab", "No such file"]);
    });
}

#[test]
fn clock_skew_and_expired_tickets_are_distinguished() {
    in_realm("failures::clock_skew_and_expired_tickets_are_distinguished", Keys::AesSha1, |realm: &Realm| {
        realm.kinit(&[]);
        realm.run("kvno", &["HTTP/localhost"]);
        realm.skew_tickets(3_600);
        let error = refusal(&fresh_token());
        assert!(matches!(error, KerberosError::ClockSkew { .. }), "{error:?}");
        assert_names(&error, &["clocks", "NTP"]);
        assert_eq!(AuthError::from(&error), AuthError::ClockSkew);

        realm.kinit(&[]);
        realm.skew_tickets(3_600);
        let error = sign_in(Credentials::of_this_user());
        assert!(matches!(error, KerberosError::ClockSkew { .. }), "the KDC checks the time too: {error:?}");

        realm.kinit(&[]);
        realm.age_tickets();
        let error = sign_in(Credentials::of_this_user());
        assert!(matches!(error, KerberosError::TicketExpired { .. }), "{error:?}");
        assert_names(&error, &["expired", "kinit"]);
        let error = Cache::default().ticket(&library()).unwrap_err();
        assert!(matches!(error, KerberosError::TicketExpired { .. }), "{error:?}");
        assert!(!Cache::default().has_ticket(&library()));
    });
}

#[test]
fn replayed_or_changed_tokens_are_rejected() {
    in_realm("failures::replayed_or_changed_tokens_are_rejected", Keys::AesSha1, |realm| {
        realm.kinit(&[]);
        let token = fresh_token();
        service().acceptor(Binding::default()).accept(&token).unwrap();
        let error = refusal(&token);
        assert!(matches!(error, KerberosError::Replayed { .. }), "{error:?}");
        assert_eq!(AuthError::from(&error), AuthError::Unproven);

        let intact = fresh_token();
        // The first half contains names that also occur in the ticket.
        for at in (intact.len() / 2..intact.len()).step_by(3) {
            let mut changed = intact.clone();
            changed[at] ^= 0x20;
            let outcome = service().acceptor(Binding::default()).accept(&changed);
            assert!(outcome.is_err(), "a change of byte {at} was not detected");
        }
        for octets in [&b""[..], b"\x60", b"NTLMSSP\0\x01\0\0\0", &[0; 70_000], &intact[..intact.len() / 2]] {
            let error = refusal(octets);
            assert!(matches!(error, KerberosError::Malformed { .. }), "{error:?} for {} bytes", octets.len());
        }
        // SPNEGO tokens are unwrapped elsewhere, and NTLM tokens are never passed here.
        let error = refusal(b"\x60\x0a\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x00");
        assert!(matches!(error, KerberosError::Malformed { .. }), "{error:?}");
    });
}

#[test]
fn a_forged_answer_of_the_service_is_rejected() {
    in_realm("failures::a_forged_answer_of_the_service_is_rejected", Keys::AesSha1, |realm| {
        realm.kinit(&[]);
        let mut initiator = client(Credentials::of_this_user());
        let token_of_client = token(&mut initiator).unwrap();
        assert!(initiator.advance(Some(&token_of_client)).is_err(), "its own token reflected");
        assert_eq!(initiator.advance(Some(b"")).err(), Some(KerberosError::Over));

        let mut initiator = client(Credentials::of_this_user());
        token(&mut initiator).unwrap();
        let mut other = client(Credentials::of_this_user());
        let other_token = token(&mut other).unwrap();
        let answer = match service().acceptor(Binding::default()).accept(&other_token).unwrap() {
            auth::Step::Done { token: Some(answer), .. } => answer,
            step => panic!("{step:?}"),
        };
        let error = initiator.advance(Some(&answer)).unwrap_err();
        assert!(
            matches!(error, KerberosError::ServiceUnproven { .. }),
            "the response to another token: {error:?}"
        );
        assert_names(&error, &["HTTP/localhost", "another machine"]);
        assert_eq!(AuthError::from(&error), AuthError::Unproven);
        assert!(other.advance(Some(&answer)).is_ok());
        assert!(initiator.step(None).is_err());
    });
}

#[test]
fn invalid_configuration_is_reported() {
    in_realm("failures::invalid_configuration_is_reported", Keys::AesSha1, |realm| {
        let settings = fs::read_to_string(realm.path("krb5.conf")).unwrap();
        fs::write(realm.path("krb5.conf"), settings.replace(&format!("default_realm = {REALM}"), ""))
            .unwrap();
        let error = library().default_realm().unwrap_err();
        assert!(matches!(error, KerberosError::Configuration { .. }), "{error:?}");
        assert_names(&error, &["default_realm", "krb5.conf"]);
        fs::write(realm.path("krb5.conf"), "[libdefaults\n").unwrap();
        for error in [
            library().default_realm().unwrap_err(),
            sign_in(password(PASSWORD)),
            service().check().unwrap_err(),
        ] {
            assert!(matches!(error, KerberosError::Configuration { .. }), "{error:?}");
        }
        // None of these may look like success.
        assert!(meet(client(password(PASSWORD)), &service()).is_err());
    });
}
