//! Passwords do not show.

use std::net::{IpAddr, Ipv4Addr};

use telarch_auth::basic::Login;
use telarch_auth::{AccountList, AuthError, Identity};

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

fn login() -> Login {
    Login::parse("YWxpY2U6czNjcmV0").unwrap()
}
