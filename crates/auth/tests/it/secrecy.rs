//! Passwords do not appear in output.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use telarch_auth::account_file::PasswordHash;
use telarch_auth::basic::Login;
use telarch_auth::{AccountList, AuthError, Identity, Secret};

#[test]
fn debug_output_contains_no_passwords() {
    let login = login();
    assert!(!format!("{login:?}").contains("s3cret"), "{login:?}");
    let list = AccountList::parse("alice:s3cret\nbob:0ther").unwrap();
    let shown = format!("{list:?}");
    assert!(shown.contains("alice") && !shown.contains("s3cret") && !shown.contains("0ther"), "{shown}");
}

#[test]
fn errors_of_account_lists_contain_no_passwords() {
    for text in ["alice:s3cret\nalice:s3cret", "alice:s3cret\n:s3cret", "a\0lice:s3cret"] {
        let error = AccountList::parse(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

#[test]
fn errors_of_logins_contain_no_credentials() {
    let error = Login::parse("czNjcmV0").unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("czNjcmV0"), "{shown}");
}

#[test]
fn an_identity_requires_a_verdict() {
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
fn fast_hashes_take_as_long_as_the_decoy() {
    let yescrypt_with_1_mib = "$y$j75$LdJMENpBABJJ3hIHjB1Bi.$rfA07bT0O97FNWV5Cb8oFDnoGBJLXwSI4w/PIpLfyy2";
    let sha512_with_1000_rounds = "$6$rounds=1000$./09AZaz$RI4qWLGKgn05Yy3sNt9S0dYYZzZErEV2NSj77tIjAQqmz0i4vIW0WlPGJoJsa.7Hna9PdIItRjYGflCUJv7.o.";
    let measure = |hash: &PasswordHash| {
        let start = computed();
        assert!(!hash.verify(&Secret::new("wrong".to_owned())));
        computed() - start
    };
    let decoy = PasswordHash::decoy();
    for text in [yescrypt_with_1_mib, sha512_with_1000_rounds, "*"] {
        let hash = PasswordHash::parse(text).unwrap();
        let pairs: Vec<_> = (0..3).map(|_| (measure(&decoy), measure(&hash))).collect();
        assert!(pairs.iter().any(|(decoy, other)| *other > *decoy / 2), "{text}: {pairs:?}");
    }
}

/// Returns the CPU time of this thread, which does not depend on the load of the machine.
fn computed() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap())
}

fn login() -> Login {
    Login::parse("YWxpY2U6czNjcmV0").unwrap()
}
