//! Service names in clients' tickets.

use std::fs;

use auth::ntlm::HostNames;
use auth::{AuthError, Binding, ChannelBinding, Hardening, Step};
use telarch_kerberos::{Credentials, Initiator, KerberosError, Keytab, Spn};
use telarch_peers::{Keys, REALM, Realm, in_realm};

use super::{library, service, token};

/// Returns the first token of a client for this service, with or without channel binding.
fn token_for(spn: &str, bound: Option<&ChannelBinding>) -> Vec<u8> {
    let spn = Spn::parse(spn).unwrap();
    let client = Initiator::new(library(), Credentials::of_this_user(), spn);
    token(&mut match bound {
        Some(binding) => client.channel_binding(binding.application_data().to_vec()),
        None => client,
    })
    .unwrap()
}

/// Registers a service in the realm, with its key in the service's keytab.
fn register(realm: &Realm, spn: &str) {
    realm.kadmin(&format!("addprinc -randkey {spn}"));
    realm.kadmin(&format!("ktadd -norandkey -k {} {spn}", realm.keytab().display()));
}

fn over_tls(level: Hardening) -> Binding {
    Binding { level, expected: Some(ChannelBinding::tls_server_end_point(&[7; 32])) }
}

fn without_tls(level: Hardening) -> Binding {
    Binding { level, expected: None }
}

fn refusal(binding: Binding, token: &[u8]) -> Option<KerberosError> {
    let service = service().host_names(HostNames::of_host("node7.telarch.test"));
    match service.acceptor(binding).accept(token) {
        Ok(Step::Done { .. }) => None,
        Ok(Step::Continue(_)) => panic!("more than one token required"),
        Err(error) => Some(error),
    }
}

#[test]
fn tickets_for_other_services_require_channel_binding() {
    let name = "service_name::tickets_for_other_services_require_channel_binding";
    in_realm(name, Keys::AesSha1, |realm| {
        for spn in ["cifs/localhost", "ldap/localhost"] {
            register(realm, spn);
        }
        realm.kinit(&[]);
        let ours = ChannelBinding::tls_server_end_point(&[7; 32]);
        for level in [Hardening::None, Hardening::Relaxed] {
            for binding in [over_tls(level), without_tls(level)] {
                for spn in ["HTTP/localhost", "WSMAN/localhost", "host/localhost"] {
                    assert_eq!(refusal(binding.clone(), &token_for(spn, None)), None, "{spn} {level:?}");
                }
                for spn in ["cifs/localhost", "ldap/localhost"] {
                    let error = refusal(binding.clone(), &token_for(spn, None)).expect(spn);
                    assert_eq!(error, KerberosError::OtherService { service: spn.to_owned() }, "{level:?}");
                    assert_eq!(AuthError::from(&error), AuthError::OtherService);
                    let text = error.to_string();
                    assert!(text.contains(spn) && text.contains("HTTP/HOST"), "{text}");
                }
            }
        }
        for level in [Hardening::Relaxed, Hardening::Strict] {
            let bound = token_for("cifs/localhost", Some(&ours));
            assert_eq!(refusal(over_tls(level), &bound), None, "{level:?}");
        }
    });
}

#[test]
fn a_changed_service_name_in_a_ticket_is_rejected() {
    let name = "service_name::a_changed_service_name_in_a_ticket_is_rejected";
    in_realm(name, Keys::AesSha1, |realm| {
        register(realm, "cifs/localhost");
        realm.kinit(&[]);
        // Of the same length, so that no length field in the token changes.
        let mut token = token_for("cifs/localhost", None);
        let at = token.windows(4).position(|octets| octets == b"cifs").unwrap();
        token[at..at + 4].copy_from_slice(b"HTTP");
        let error = refusal(over_tls(Hardening::Relaxed), &token);
        let service = format!("cifs/localhost@{REALM}");
        assert_eq!(error, Some(KerberosError::OtherService { service }));
    });
}

#[test]
fn strict_services_accept_only_their_own_host_names() {
    let name = "service_name::strict_services_accept_only_their_own_host_names";
    in_realm(name, Keys::AesSha1, |realm| {
        register(realm, "HTTP/node7.telarch.test");
        register(realm, "HTTP/alias.telarch.test");
        realm.kinit(&[]);
        let ask = |level, spn: &str| {
            let spn = format!("{spn}@{REALM}");
            refusal(without_tls(level), &token_for(&spn, None))
        };
        for spn in ["HTTP/localhost", "HTTP/node7.telarch.test", "host/localhost"] {
            assert_eq!(ask(Hardening::Strict, spn), None, "{spn}");
        }
        assert_eq!(ask(Hardening::Relaxed, "HTTP/alias.telarch.test"), None);
        let error = ask(Hardening::Strict, "HTTP/alias.telarch.test").unwrap();
        assert!(matches!(error, KerberosError::OtherHost { .. }), "{error:?}");
        assert_eq!(AuthError::from(&error), AuthError::OtherService);
        let text = error.to_string();
        assert!(text.contains("HTTP/alias.telarch.test") && text.contains("node7.telarch.test"), "{text}");
    });
}

/// As in a Windows domain, where all services of a machine share the key of its account.
#[test]
fn a_shared_key_accepts_only_tickets_for_winrm() {
    let name = "service_name::a_shared_key_accepts_only_tickets_for_winrm";
    in_realm(name, Keys::AesSha1, |realm| {
        register(realm, "cifs/localhost");
        realm.kinit(&[]);
        let keytab = fs::read(realm.keytab()).unwrap();
        let http = renamed(&keytab, "HTTP", "HTTP");
        let cifs = renamed(&keytab, "HTTP", "cifs");
        let machine = renamed(&keytab, "HTTP", "ACCT");
        let keys = |entries: &[&[u8]]| {
            let path = realm.path("shared.keytab");
            fs::write(&path, [&[5, 2][..], &entries.concat()].concat()).unwrap();
            service().keytab(Keytab::file(path).unwrap())
        };
        let ask = |entries: &[&[u8]]| {
            let mut acceptor = keys(entries).acceptor(over_tls(Hardening::Relaxed));
            acceptor.accept(&token_for("HTTP/localhost", None)).err()
        };
        assert_eq!(ask(&[&cifs, &http]), None, "the name in the ticket has its key in the keytab");
        assert_eq!(ask(&[&single(&machine)]), None, "the account of the machine has the key");
        let error = ask(&[&cifs]).unwrap();
        assert!(matches!(error, KerberosError::OtherService { .. }), "{error:?}");
    });
}

/// Returns the entries of an MIT keytab with this service class, renamed to another class of four letters.
fn renamed(keytab: &[u8], class: &str, other: &str) -> Vec<u8> {
    let mut entries = Vec::new();
    for mut entry in entries_of(keytab) {
        if let Some(at) = entry.windows(4).position(|octets| octets == class.as_bytes()) {
            entry[at..at + 4].copy_from_slice(other.as_bytes());
            entries.extend(entry);
        }
    }
    assert!(!entries.is_empty(), "there is no entry for {class}");
    entries
}

/// Returns the entries with only the first component of each name.
fn single(entries: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in entries_of(&[&[5, 2], entries].concat()) {
        let body = &entry[4..];
        let text = |at: usize| 2 + usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
        let realm = 2 + text(2);
        let first = realm + text(realm);
        let second = first + text(first);
        let body = [&[0, 1], &body[2..first], &body[second..]].concat();
        all.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        all.extend(body);
    }
    all
}

/// Returns every entry with its length prefix; holes, which have negative lengths, are skipped.
fn entries_of(keytab: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &keytab[2..];
    let mut entries = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = i32::from_be_bytes(*length);
        let octets = usize::try_from(length.unsigned_abs()).unwrap();
        if length > 0 {
            entries.push(rest[..4 + octets].to_vec());
        }
        rest = &after[octets..];
    }
    entries
}
