mod tokens;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use auth::basic::{Login, LoginError};
use auth::ntlm::{Acceptor, AcceptorFresh, Context, HostNames, Initiator, InitiatorFresh, NtHash, Sealing};
use auth::{Acceptor as _, AccountList, AuthError, Binding, Initiator as _, Secret, Step, ntlm};
use telarch_oracles::auth as oracles;

use crate::corpus::{self, named_cases};

#[test]
fn account_files_of_the_corpus_survive_changes() {
    let cases = corpus::cases("auth_account_file", 12);
    corpus::mutate(&cases, 120, b":$,=@#\n\r 0aZ-\x00\xFF", oracles::account_file);
}

#[test]
fn login_corpus_and_mutations_satisfy_the_oracle() {
    mutate("auth_login", 15, b"=+/-_AQ4 \r\0\xFF", oracles::login);
}

#[test]
fn sealed_body_corpus_and_mutations_satisfy_the_oracle() {
    mutate("auth_sealed_body", 19, b"-\x17\x03\0\xFF\r\n\t;=\"1", oracles::sealed_body);
}

#[test]
fn digest_corpus_and_mutations_satisfy_the_oracle() {
    mutate("auth_digest_challenge", 11, b"=\n\"\\,- aS\0\xC3\xFF", oracles::digest_challenge);
}

#[test]
fn name_corpora_and_mutations_satisfy_the_oracles() {
    mutate("auth_user_name", 15, b"\\@.A \0\n\xC3\xBC", oracles::user_name);
    mutate("auth_service_principal_name", 10, b"/:[].@-0 H\xC3", oracles::service_principal_name);
    mutate("auth_certificate_mapping", 10, b"*@ a0F\0\n\xC3", oracles::certificate_mapping);
}

#[test]
fn handshake_corpus_and_mutations_satisfy_the_oracle() {
    mutate("auth_certificate_proof", 5, b"\0\x01\x02\x0B\x10\x20\xFF", oracles::certificate_proof);
}

#[test]
fn ticket_corpus_and_mutations_satisfy_the_oracle() {
    mutate("auth_ticket_service", 15, b"\0\x01\x1b\x30\x60\x6e\xa0\xa2\xFF/", oracles::ticket_service);
}

#[test]
fn smbpasswd_corpus_and_mutations_satisfy_the_oracle() {
    mutate("auth_smbpasswd", 12, b":[]X UNDW#-0F\r\n\xC3", oracles::smbpasswd);
}

#[test]
fn shadow_corpus_and_mutations_satisfy_the_oracle() {
    mutate("auth_shadow", 10, b":!*$ y6#-0.\r\n\xC3", oracles::shadow);
}

#[test]
fn each_login_of_the_corpus_is_parsed_or_rejected_as_expected() {
    let cases = named_cases("auth_login", 15);
    let read = |name: &str| {
        let (_, octets) =
            cases.iter().find(|(case, _)| case == name).unwrap_or_else(|| panic!("no case {name}"));
        Login::parse(std::str::from_utf8(octets).unwrap())
    };
    for (name, user, password) in [
        ("name-and-password", "operator", "correct horse"),
        ("domain-name", "LAB\\operator", "secret"),
        ("user-principal-name", "operator@lab.example", "secret"),
        ("empty-password", "operator", ""),
        ("colons-in-password", "operator", "a:b::c"),
        ("umlauts", "jürgen", "größe ß"),
        ("padded-with-space", "a", "b"),
        ("line-end-in-password", "operator", "a\r\nb"),
    ] {
        let login = read(name).unwrap();
        assert_eq!((login.user.as_str(), login.password.expose()), (user, password), "{name}");
    }
    for (name, error) in [
        ("latin-1", LoginError::Malformed),
        ("not-base64", LoginError::Malformed),
        ("without-padding", LoginError::Malformed),
        ("url-safe-alphabet", LoginError::Malformed),
        ("trailing-bits", LoginError::Malformed),
        ("empty", LoginError::Incomplete),
        ("no-colon", LoginError::Incomplete),
        ("no-name", LoginError::Incomplete),
        ("control-in-name", LoginError::BadName),
        ("too-long", LoginError::TooLong),
    ] {
        assert_eq!(read(name).err(), Some(error), "{name}");
    }
}

#[test]
fn ntlm_corpora_and_mutations_satisfy_the_oracles() {
    type Check = fn(&[u8]);
    let targets: [(&str, Check, usize); 4] = [
        ("auth_ntlm_message", oracles::ntlm_message, 12),
        ("auth_ntlm_acceptor", oracles::ntlm_acceptor, 13),
        ("auth_ntlm_initiator", oracles::ntlm_initiator, 5),
        ("auth_ntlm_context", oracles::ntlm_context, 5),
    ];
    for (target, check, least) in targets {
        for octets in &corpus::cases(target, least) {
            check(octets);
            // All bytes of the head, and samples of the rest.
            for at in (0..octets.len()).filter(|at| *at < 88 || at % 7 == 0) {
                check(&octets[..at]);
                for octet in [0, 1, 0xFF] {
                    let mut changed = octets.clone();
                    changed[at] = octet;
                    check(&changed);
                }
            }
        }
    }
}

/// Calls the oracle with every case, its prefixes, and every byte replaced.
fn mutate(target: &str, least: usize, replacements: &[u8], check: impl Fn(&[u8])) {
    for octets in &corpus::cases(target, least) {
        check(octets);
        let step = (octets.len() / 60).max(1);
        for at in (0..octets.len()).step_by(step) {
            check(&octets[..at]);
            for octet in replacements {
                let mut changed = octets.clone();
                changed[at] = *octet;
                check(&changed);
            }
        }
    }
}

#[test]
fn each_ntlm_response_of_the_corpus_is_judged_as_expected() {
    let (wrong, malformed) = (AuthError::WrongPassword, AuthError::Malformed("unexpected NTLM message type"));
    for (name, error) in [
        ("right-password", None),
        ("right-password-without-mic", None),
        ("channel-binding", None),
        ("wrong-password", Some(wrong)),
        ("foreign-domain", Some(wrong)),
        ("ntlmv1", Some(AuthError::Downgraded("NTLMv2"))),
        ("authenticate-pyspnego", Some(AuthError::Unproven)),
        ("negotiate", Some(malformed)),
        ("negotiate-short", Some(malformed)),
        ("other-token", Some(AuthError::Malformed("not an NTLM message"))),
        ("empty", Some(AuthError::Malformed("not an NTLM message"))),
    ] {
        let mut requested = service();
        let Ok(Step::Continue(negotiate)) = client().step(None) else { panic!("it begins") };
        requested.step(&negotiate).unwrap();
        let answer = requested.step(&case("auth_ntlm_acceptor", name));
        assert_eq!(answer.err(), error, "{name}");
    }
    for (name, is_context) in
        [("used", true), ("service", true), ("octet-twice-in-the-cipher", false), ("other-version", false)]
    {
        assert_eq!(Context::import(&case("auth_ntlm_context", name)).is_ok(), is_context, "{name}");
    }
}

/// Returns one stored case.
fn case(target: &str, name: &str) -> Vec<u8> {
    let mut cases = named_cases(target, 1).into_iter();
    let (_, octets) = cases.find(|(case, _)| case == name).unwrap_or_else(|| panic!("no case {name}"));
    octets
}

/// Returns a service with one account.
fn service() -> Acceptor {
    let names = HostNames::of_host("node7.lab.example");
    let accounts = AccountList::parse("alice:correct horse").unwrap().on_host(names.clone());
    let fresh = AcceptorFresh { challenge: *b"\x01\x23\x45\x67\x89\xAB\xCD\xEF", now: now() };
    Acceptor::new(Arc::new(accounts), names, Binding::default(), fresh)
}

fn client() -> Initiator {
    let hash = NtHash::of_password(&Secret::new("correct horse".to_owned()));
    let login = ntlm::Login { domain: "NODE7".to_owned(), user: "alice".to_owned(), hash };
    let fresh = InitiatorFresh { challenge: [0xAA; 8], session_key: [0x55; 16].into(), now: now() };
    Initiator::new(login, Sealing::Required, fresh)
}

/// 2025-11-21 10:00:00 UTC.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_763_719_200)
}
