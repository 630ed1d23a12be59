//! Runs the fuzzing oracles over the stored DER, SPNEGO and CredSSP corpora, including prefixes and mutations.

use std::fs;
use std::path::Path;

use telarch_auth::credssp::TsRequest;
use telarch_auth::spnego::{NegTokenInit, NegTokenResp};
use telarch_auth::{AuthError, oracle};

#[test]
fn token_corpora_and_mutations_satisfy_the_oracles() {
    mutate("auth_der", oracle::der);
    mutate("auth_spnego", oracle::spnego_token);
    mutate("auth_ts_request", oracle::ts_request);
}

#[test]
fn each_spnego_token_of_the_corpus_is_judged_as_expected() {
    let answers = [
        "authenticate-signed",
        "challenge",
        "completed",
        "completed-ap-rep",
        "completed-signed",
        "field-later",
        "reject",
        "request-mic",
    ];
    for (name, octets) in corpus("auth_spnego") {
        let begins = name.starts_with("init-") || name.starts_with("greeting-");
        let init = NegTokenInit::decode(&octets);
        assert_eq!(init.is_ok(), begins, "{name}: {init:?}");
        assert_eq!(init == Err(AuthError::NoMechanism), name == "no-mechanism", "{name}");
        let resp = NegTokenResp::decode(&octets);
        assert_eq!(resp.is_ok(), answers.contains(&name.as_str()), "{name}: {resp:?}");
    }
}

#[test]
fn each_credssp_request_of_the_corpus_is_judged_as_expected() {
    let refused = [
        "empty",
        "no-token",
        "no-version",
        "short-nonce",
        "two-tokens",
        "version-negative",
        "version-too-large",
    ];
    for (name, octets) in corpus("auth_ts_request") {
        let request = TsRequest::decode(&octets);
        let is_other = name.starts_with("password") || name == "smart-card";
        assert_eq!(request.is_err(), is_other || refused.contains(&name.as_str()), "{name}: {request:?}");
    }
}

/// Calls the oracle with each case, its prefixes, and each byte replaced by a significant value.
fn mutate(target: &str, oracle: fn(&[u8])) {
    let cases = corpus(target);
    assert!(cases.len() >= 20, "only {} cases of {target}", cases.len());
    for (_, octets) in &cases {
        oracle(octets);
        for at in 0..octets.len() {
            oracle(&octets[..at]);
            for octet in *b"\0\x01\x02\x03\x04\x05\x06\x30\x60\x7f\x80\x81\xa0\xa1\xa2\xa3\xff" {
                let mut changed = octets.clone();
                changed[at] = octet;
                oracle(&changed);
            }
        }
    }
}

/// Returns name and content of every stored case.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let read = |path: std::path::PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
    };
    entries.map(|entry| read(entry.unwrap().path())).collect()
}
