//! DER, SPNEGO and CredSSP.

use auth::AuthError;
use auth::credssp::TsRequest;
use auth::spnego::{NegTokenInit, NegTokenResp};
use telarch_oracles::auth as oracles;

use crate::corpus::named_cases;

#[test]
fn token_corpora_and_mutations_satisfy_the_oracles() {
    mutate("auth_der", oracles::der);
    mutate("auth_spnego", oracles::spnego_token);
    mutate("auth_ts_request", oracles::ts_request);
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
    for (name, octets) in named_cases("auth_spnego", 20) {
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
    for (name, octets) in named_cases("auth_ts_request", 20) {
        let request = TsRequest::decode(&octets);
        let is_other = name.starts_with("password") || name == "smart-card";
        assert_eq!(request.is_err(), is_other || refused.contains(&name.as_str()), "{name}: {request:?}");
    }
}

/// Calls the oracle with each case, its prefixes, and each byte replaced by a significant value.
fn mutate(target: &str, check: fn(&[u8])) {
    for (_, octets) in &named_cases(target, 20) {
        check(octets);
        for at in 0..octets.len() {
            check(&octets[..at]);
            for octet in *b"\0\x01\x02\x03\x04\x05\x06\x30\x60\x7f\x80\x81\xa0\xa1\xa2\xa3\xff" {
                let mut changed = octets.clone();
                changed[at] = octet;
                check(&changed);
            }
        }
    }
}
