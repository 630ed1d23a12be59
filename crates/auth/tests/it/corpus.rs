//! Runs the fuzzing oracles over the stored corpora, their prefixes and their mutations.

use std::fs;
use std::path::Path;

use telarch_auth::basic::{Login, LoginError};
use telarch_auth::ntlm::Context;
use telarch_auth::{Acceptor as _, AuthError, Initiator as _, Step, oracle};

use crate::ntlm::{client, service};

#[test]
fn login_corpus_and_mutations_satisfy_the_oracle() {
    mutate("auth_login", 15, b"=+/-_AQ4 \r\0\xFF", oracle::login);
}

#[test]
fn sealed_body_corpus_and_mutations_satisfy_the_oracle() {
    mutate("auth_sealed_body", 19, b"-\x17\x03\0\xFF\r\n\t;=\"1", oracle::sealed_body);
}

#[test]
fn digest_corpus_and_mutations_satisfy_the_oracle() {
    mutate("auth_digest_challenge", 11, b"=\n\"\\,- aS\0\xC3\xFF", oracle::digest_challenge);
}

#[test]
fn name_corpora_and_mutations_satisfy_the_oracles() {
    mutate("auth_user_name", 15, b"\\@.A \0\n\xC3\xBC", oracle::user_name);
    mutate("auth_service_principal_name", 10, b"/:[].@-0 H\xC3", oracle::service_principal_name);
    mutate("auth_certificate_mapping", 10, b"*@ a0F\0\n\xC3", oracle::certificate_mapping);
}

#[test]
fn handshake_corpus_and_mutations_satisfy_the_oracle() {
    mutate("auth_certificate_proof", 5, b"\0\x01\x02\x0B\x10\x20\xFF", oracle::certificate_proof);
}

#[test]
fn ticket_corpus_and_mutations_satisfy_the_oracle() {
    mutate("auth_ticket_service", 15, b"\0\x01\x1b\x30\x60\x6e\xa0\xa2\xFF/", oracle::ticket_service);
}

#[test]
fn smbpasswd_corpus_and_mutations_satisfy_the_oracle() {
    mutate("auth_smbpasswd", 12, b":[]X UNDW#-0F\r\n\xC3", oracle::smbpasswd);
}

#[test]
fn shadow_corpus_and_mutations_satisfy_the_oracle() {
    mutate("auth_shadow", 10, b":!*$ y6#-0.\r\n\xC3", oracle::shadow);
}

#[test]
fn each_sealed_body_of_the_corpus_is_opened_or_rejected_as_expected() {
    let cases = corpus("auth_login");
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
    type Oracle = fn(&[u8]);
    let targets: [(&str, Oracle, usize); 4] = [
        ("auth_ntlm_message", oracle::ntlm_message, 12),
        ("auth_ntlm_acceptor", oracle::ntlm_acceptor, 13),
        ("auth_ntlm_initiator", oracle::ntlm_initiator, 5),
        ("auth_ntlm_context", oracle::ntlm_context, 5),
    ];
    for (target, oracle, least) in targets {
        let cases = corpus(target);
        assert!(cases.len() >= least, "only {} cases of {target}", cases.len());
        for (_, octets) in &cases {
            oracle(octets);
            // All bytes of the head, and samples of the rest.
            for at in (0..octets.len()).filter(|at| *at < 88 || at % 7 == 0) {
                oracle(&octets[..at]);
                for octet in [0, 1, 0xFF] {
                    let mut changed = octets.clone();
                    changed[at] = octet;
                    oracle(&changed);
                }
            }
        }
    }
}

/// Calls the oracle with every case, its prefixes, and every byte replaced.
fn mutate(target: &str, least: usize, replacements: &[u8], oracle: impl Fn(&[u8])) {
    let cases = corpus(target);
    assert!(cases.len() >= least, "only {} cases of {target}", cases.len());
    for (_, octets) in &cases {
        oracle(octets);
        let step = (octets.len() / 60).max(1);
        for at in (0..octets.len()).step_by(step) {
            oracle(&octets[..at]);
            for octet in replacements {
                let mut changed = octets.clone();
                changed[at] = *octet;
                oracle(&changed);
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
        let mut asked = service();
        let Ok(Step::Continue(negotiate)) = client().step(None) else { panic!("it begins") };
        asked.step(&negotiate).unwrap();
        let answer = asked.step(&case("auth_ntlm_acceptor", name));
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
    let mut cases = corpus(target).into_iter();
    let (_, octets) = cases.find(|(case, _)| case == name).unwrap_or_else(|| panic!("no case {name}"));
    octets
}

/// Returns name and content of every stored case.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort(); // The mutations must not depend on the file system.
    let read = |path: std::path::PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
    };
    paths.into_iter().map(read).collect()
}
