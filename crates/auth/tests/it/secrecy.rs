//! Passwords do not show.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use telarch_auth::account_file::PasswordHash;
use telarch_auth::basic::Login;
use telarch_auth::{AccountList, AuthError, Identity, Secret};

#[test]
fn neither_a_login_nor_a_list_of_accounts_shows_its_passwords() {
    let login = login();
    assert!(!format!("{login:?}").contains("s3cret"), "{login:?}");
    let list = AccountList::parse("alice:s3cret\nbob:0ther").unwrap();
    let shown = format!("{list:?}");
    assert!(shown.contains("alice") && !shown.contains("s3cret") && !shown.contains("0ther"), "{shown}");
}

#[test]
fn a_list_that_is_refused_does_not_show_the_passwords_in_it() {
    for text in ["alice:s3cret\nalice:s3cret", "alice:s3cret\n:s3cret", "a\0lice:s3cret"] {
        let error = AccountList::parse(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

#[test]
fn a_login_that_is_refused_is_not_repeated() {
    let error = Login::parse("czNjcmV0").unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("czNjcmV0"), "{shown}");
}

#[test]
fn an_identity_comes_from_a_verdict_only() {
    let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let right = AccountList::parse("alice:s3cret").unwrap();
    let identity = Identity::by_password(&login(), &right, from).unwrap();
    assert_eq!((identity.account().name.as_str(), identity.scheme().name()), ("alice", "Basic"));
    for other in ["alice:S3cret", "Alice:s3cret", "bob:s3cret"] {
        let verdict = Identity::by_password(&login(), &AccountList::parse(other).unwrap(), from);
        assert_eq!(verdict.err(), Some(AuthError::WrongPassword), "{other}");
    }
}

#[test]
fn a_hash_that_is_compared_sooner_takes_as_long_as_that_of_nobody() {
    let yescrypt_with_1_mib = "$y$j75$LdJMENpBABJJ3hIHjB1Bi.$rfA07bT0O97FNWV5Cb8oFDnoGBJLXwSI4w/PIpLfyy2";
    let sha512_with_1000_rounds = "$6$rounds=1000$./09AZaz$RI4qWLGKgn05Yy3sNt9S0dYYZzZErEV2NSj77tIjAQqmz0i4vIW0WlPGJoJsa.7Hna9PdIItRjYGflCUJv7.o.";
    let measure = |hash: &PasswordHash| {
        let start = Instant::now();
        assert!(!hash.verify(&Secret::new("wrong".to_owned())));
        start.elapsed()
    };
    let decoy = PasswordHash::decoy();
    for text in [yescrypt_with_1_mib, sha512_with_1000_rounds, "*"] {
        let hash = PasswordHash::parse(text).unwrap();
        let pairs: Vec<_> = (0..3).map(|_| (measure(&decoy), measure(&hash))).collect();
        assert!(pairs.iter().any(|(decoy, other)| *other > *decoy / 2), "{text}: {pairs:?}");
    }
}

fn login() -> Login {
    Login::parse("YWxpY2U6czNjcmV0").unwrap()
}
