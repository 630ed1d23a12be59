//! Authentication with all kinds of credentials, and the resulting accounts.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use auth::{AuthError, Binding, MechListMic, Mutual, SecurityContext as _, Step};
use telarch_kerberos::{
    AuthToLocal, Cache, Context, Credentials, Delegated, Delegation, KERBEROS, KerberosError, Keytab,
    MICROSOFT_KERBEROS, Refusal, Sealing, Spn,
};
use telarch_peers::{Keys, PASSWORD, REALM, USER, in_realm};

use super::{client, library, meet, password, principal, rules, service, token};

#[test]
fn password_ticket_and_keytab_sign_in() {
    in_realm("sign_in::password_ticket_and_keytab_sign_in", Keys::AesSha1, |realm| {
        assert_eq!(library().default_realm().as_deref(), Ok(REALM));
        service().check().unwrap();

        let (client_of_service, reached) = meet(client(password(PASSWORD)), &service()).unwrap();
        assert_eq!(client_of_service.account.name, USER);
        assert_eq!(client_of_service.principal, principal(USER));
        assert_eq!((reached.mutual, reached.delegated), (Mutual::Proven, Delegated::Nothing));
        assert!(reached.context.can_seal() && client_of_service.context.can_seal());
        assert_eq!(reached.context.mech_list_mic(), MechListMic::Optional);
        assert!(!Cache::default().has_ticket(&library()), "a ticket cache was created");

        realm.kinit(&[]);
        let ticket = Cache::default().ticket(&library()).unwrap();
        assert_eq!(ticket.principal, principal(USER).to_string());
        assert!(ticket.remaining.is_some_and(|left| left > Duration::from_secs(3_600)));
        let by_name = Cache::named(&format!("FILE:{}", realm.tickets().display())).unwrap();
        assert!(by_name.has_ticket(&library()));
        for cache in [Cache::default(), by_name] {
            let (signed_in, _) = meet(client(Credentials::Tickets(cache)), &service()).unwrap();
            assert_eq!(signed_in.account.name, USER);
        }

        for _ in 0..2 {
            let credentials = Credentials::keytab(realm.client_keytab(), principal("robot")).unwrap();
            let (signed_in, _) = meet(client(credentials), &service()).unwrap();
            assert_eq!(signed_in.account.name, "robot");
        }
    });
}

#[test]
fn all_registered_service_names_work() {
    in_realm("sign_in::all_registered_service_names_work", Keys::AesSha1, |realm| {
        realm.kadmin("addprinc -randkey HTTP/localhost:5985");
        realm.kadmin(&format!("ktadd -norandkey -k {} HTTP/localhost:5985", realm.keytab().display()));
        realm.kinit(&[]);
        let port = NonZeroU16::new(5_985).unwrap();
        for spn in [
            Spn::parse("WSMAN/localhost").unwrap(),
            Spn::parse("host/localhost").unwrap(),
            Spn::parse(&format!("HTTP/localhost@{REALM}")).unwrap(),
            Spn::http("localhost").unwrap().with_port(port),
        ] {
            let initiator =
                telarch_kerberos::Initiator::new(library(), Credentials::of_this_user(), spn.clone());
            let (signed_in, _) = meet(initiator, &service()).unwrap_or_else(|error| panic!("{spn}: {error}"));
            assert_eq!(signed_in.account.name, USER, "{spn}");
        }
    });
}

#[test]
fn sign_in_works_through_the_generic_traits() {
    in_realm("sign_in::sign_in_works_through_the_generic_traits", Keys::AesSha2, |_| {
        let mut initiator: Box<dyn auth::Initiator> = Box::new(client(password(PASSWORD)));
        let mut acceptor: Box<dyn auth::Acceptor> = Box::new(service().acceptor(Binding::default()));
        let Step::Continue(token) = initiator.step(None).unwrap() else { panic!("a first token") };
        let Step::Done { token: Some(answer), outcome: mut accepted } = acceptor.step(&token).unwrap() else {
            panic!("an answer")
        };
        let Step::Done { token: None, outcome: mut initiated } = initiator.step(Some(&answer)).unwrap()
        else {
            panic!("the end")
        };
        assert_eq!((accepted.account.name.as_str(), initiated.mutual), (USER, Mutual::Proven));
        let mut message = b"over the traits".to_vec();
        let header = initiated.context.seal(&mut message).unwrap();
        accepted.context.unseal(&header, &mut message).unwrap();
        assert_eq!(message, b"over the traits");

        assert_eq!(
            initiator.step(Some(&answer)).err(),
            Some(AuthError::Unavailable),
            "a context is unusable after completion"
        );
        assert_eq!(
            acceptor.step(&token).err(),
            Some(AuthError::Unavailable),
            "a context is unusable after completion"
        );
    });
}

#[test]
fn the_oid_of_windows_is_accepted() {
    in_realm("sign_in::the_oid_of_windows_is_accepted", Keys::AesSha1, |_| {
        let mut token = token(&mut client(password(PASSWORD))).unwrap();
        let at = token.windows(KERBEROS.len()).position(|octets| octets == KERBEROS).unwrap();
        token[at..at + KERBEROS.len()].copy_from_slice(MICROSOFT_KERBEROS);
        let step = service().acceptor(Binding::default()).accept(&token).unwrap();
        let Step::Done { outcome, .. } = step else { panic!("more than one token required") };
        assert_eq!(outcome.account.name, USER);
    });
}

#[test]
fn principals_without_an_account_are_rejected() {
    in_realm("sign_in::principals_without_an_account_are_rejected", Keys::AesSha1, |realm| {
        realm.kadmin(&format!("addprinc -pw \"{PASSWORD}\" root"));
        realm.kadmin(&format!("addprinc -pw \"{PASSWORD}\" stranger"));
        for (name, why, verdict) in [
            (format!("{USER}/admin"), Refusal::Instance, AuthError::NotAllowed),
            ("root".to_owned(), Refusal::Superuser, AuthError::NotAllowed),
            ("stranger".to_owned(), Refusal::UnknownAccount, AuthError::WrongPassword),
        ] {
            let secret = auth::Secret::new(PASSWORD.to_owned());
            let who = Credentials::Password { principal: principal(&name), password: secret };
            let error = meet(client(who), &service()).unwrap_err();
            assert_eq!(AuthError::from(&error), verdict);
            assert_eq!(error, KerberosError::NoAccount { principal: principal(&name), why });
        }
    });
}

#[test]
fn auth_to_local_is_used_if_enabled() {
    in_realm("sign_in::auth_to_local_is_used_if_enabled", Keys::AesSha1, |realm| {
        let text = std::fs::read_to_string(realm.path("krb5.conf")).unwrap();
        let rule = format!("auth_to_local = RULE:[1:$1@$0](^{USER}@.*)s/^.*$/robot/\n    kdc = ");
        std::fs::write(realm.path("krb5.conf"), text.replace("kdc = ", &rule)).unwrap();
        let rules = rules().auth_to_local(AuthToLocal::Followed);
        let following = telarch_kerberos::Acceptors::new(library(), Arc::new(rules));
        let (signed_in, _) = meet(client(password(PASSWORD)), &following).unwrap();
        assert_eq!(signed_in.account.name, "robot");
        let (signed_in, _) = meet(client(password(PASSWORD)), &service()).unwrap();
        assert_eq!(signed_in.account.name, USER);
    });
}

#[test]
fn a_ticket_is_delegated_only_on_request() {
    in_realm("sign_in::a_ticket_is_delegated_only_on_request", Keys::AesSha1, |realm| {
        realm.kinit(&["-f"]);
        for (delegation, expected) in [
            (Delegation::No, Delegated::Nothing),
            (Delegation::ByPolicy, Delegated::Nothing),
            (Delegation::Yes, Delegated::Ticket),
        ] {
            let initiator = client(Credentials::of_this_user()).delegation(delegation);
            assert_eq!(meet(initiator, &service()).unwrap().1.delegated, expected, "{delegation:?}");
        }
        realm.kadmin("modprinc +ok_as_delegate HTTP/localhost");
        realm.kinit(&["-f"]);
        let initiator = client(Credentials::of_this_user()).delegation(Delegation::ByPolicy);
        assert_eq!(meet(initiator, &service()).unwrap().1.delegated, Delegated::Ticket);
        realm.kinit(&["-F"]);
        let initiator = client(Credentials::of_this_user()).delegation(Delegation::Yes);
        assert_eq!(meet(initiator, &service()).unwrap().1.delegated, Delegated::Nothing);
    });
}

#[test]
fn a_context_reports_its_remaining_lifetime() {
    in_realm("sign_in::a_context_reports_its_remaining_lifetime", Keys::AesSha1, |realm| {
        realm.kinit(&["-l", "2h"]);
        let (signed_in, reached) = meet(client(Credentials::of_this_user()), &service()).unwrap();
        let left = |context: &Context| context.remaining().unwrap().unwrap().as_secs();
        let of_client = left(&reached.context);
        assert!((7_000..=7_200).contains(&of_client), "{of_client}");
        // The library adds the permitted clock skew.
        let of_service = left(&signed_in.context);
        assert!((7_300..=7_500).contains(&of_service), "{of_service}");
        // An existing service ticket is used whatever its lifetime.
        realm.kinit(&[]);
        let short = client(Credentials::of_this_user()).lifetime(Duration::from_secs(600));
        let left = meet(short, &service()).unwrap().1.context.remaining().unwrap().unwrap().as_secs();
        assert!((500..=600).contains(&left), "{left}");
    });
}

#[test]
fn any_file_can_be_the_keytab() {
    in_realm("sign_in::any_file_can_be_the_keytab", Keys::AesSha1, |realm| {
        let elsewhere = realm.path("a folder: with a colon");
        std::fs::create_dir(&elsewhere).unwrap();
        let elsewhere = elsewhere.join("keys");
        std::fs::rename(realm.keytab(), &elsewhere).unwrap();
        assert!(service().check().is_err());
        let service = service().keytab(Keytab::file(elsewhere).unwrap()).sealing(Sealing::Required);
        service.check().unwrap();
        assert_eq!(meet(client(password(PASSWORD)), &service).unwrap().0.account.name, USER);
    });
}
