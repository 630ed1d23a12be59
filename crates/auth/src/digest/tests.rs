#![allow(clippy::unwrap_used)]

use super::challenge::Algorithm;
use super::*;

/// Parses a challenge from a list such as `realm=x|nonce=y`.
fn challenge(list: &str) -> Challenge {
    parse(list).unwrap()
}

fn parse(list: &str) -> Result<Challenge, DigestError> {
    Challenge::parse(list.split('|').filter_map(|parameter| parameter.split_once('=')))
}

fn session(user: &str, password: &str, list: &str) -> Session {
    let mut session = Session::new(user, Secret::new(password.to_owned())).unwrap();
    session.challenge(challenge(list)).unwrap();
    session
}

fn response(session: &mut Session, uri: &str, cnonce: &str) -> String {
    let value = session.authorization("GET", uri, cnonce).unwrap();
    parameter(&value, "response").unwrap()
}

fn parameter(value: &str, name: &str) -> Option<String> {
    let (_, rest) = value.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

const RFC_7616: &str = "realm=http-auth@example.org|qop=auth, auth-int|\
    nonce=7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v|opaque=FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS";
const RFC_7616_CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
const RFC_2617: &str = "realm=testrealm@host.com|nonce=dcd98b7102dd2f0e8b11d0f600bfb0c093|\
    opaque=5ccc069c403ebaf9f0171e9517f40e41";

#[test]
fn responses_match_rfc_7616_3_9_1() {
    let mut md5 = session("Mufasa", "Circle of Life", &format!("{RFC_7616}|algorithm=MD5"));
    let value = md5.authorization("GET", "/dir/index.html", RFC_7616_CNONCE).unwrap();
    assert_eq!(
        *value,
        "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm=MD5, \
        nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
        cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
        response=\"8ca523f5e9506fed4657c9700eebdbec\", \
        opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
    );
    let mut sha = session("Mufasa", "Circle of Life", &format!("{RFC_7616}|algorithm=SHA-256"));
    assert_eq!(
        response(&mut sha, "/dir/index.html", RFC_7616_CNONCE),
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    );
}

/// The hashes are those of erratum 4897, because the RFC prints truncated SHA-512 hashes.
#[test]
fn responses_with_a_hashed_name_match_rfc_7616_3_9_2() {
    let list = "realm=api@example.org|qop=auth|algorithm=SHA-512-256|charset=UTF-8|userhash=true|\
        nonce=5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK|opaque=HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS";
    let value = session("Jäsøn Doe", "Secret, or not?", list)
        .authorization("GET", "/doe.json", "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v")
        .unwrap();
    let hashed = "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b";
    assert_eq!(parameter(&value, "username").as_deref(), Some(hashed));
    let response = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5";
    assert_eq!(parameter(&value, "response").as_deref(), Some(response));
    assert!(value.contains(", userhash=true"), "{}", *value);
}

#[test]
fn responses_match_rfc_2617_3_5() {
    let mut session = session("Mufasa", "Circle Of Life", &format!("{RFC_2617}|qop=auth,auth-int"));
    let value = session.authorization("GET", "/dir/index.html", "0a4f113b").unwrap();
    assert_eq!(parameter(&value, "response").as_deref(), Some("6629fae49393a05397450978507c4ef1"));
    assert!(!value.contains("algorithm"), "an algorithm that the challenge omits is not sent: {}", *value);
}

#[test]
fn responses_without_qop_follow_rfc_2069() {
    let mut session = session("Mufasa", "CircleOfLife", RFC_2617);
    let value = session.authorization("GET", "/dir/index.html", "0a4f113b").unwrap();
    assert_eq!(parameter(&value, "response").as_deref(), Some("1949323746fe6a43ef61f9606e7febea"));
    assert!(!value.contains("nc=") && !value.contains("cnonce") && !value.contains("qop"), "{}", *value);
}

#[test]
fn a_session_key_is_made_from_the_first_client_nonce() {
    let mut session = session("Mufasa", "Circle Of Life", &format!("{RFC_2617}|qop=auth|algorithm=md5-SESS"));
    assert_eq!(response(&mut session, "/dir/index.html", "0a4f113b"), "8e3825c57e897f5a0dec6c2d4e5059d0");
    let second = session.authorization("GET", "/dir/index.html", "ffffffff").unwrap();
    assert_eq!(parameter(&second, "response").as_deref(), Some("0d1c3bea616b296fee362d5d5e458b5a"));
    assert!(second.contains(", algorithm=MD5-sess, "), "{}", *second);
}

#[test]
fn responses_are_counted_per_nonce() {
    let mut session = session("u", "p", "realm=r|nonce=n|qop=auth");
    for count in ["nc=00000001,", "nc=00000002,", "nc=00000003,"] {
        assert!(session.authorization("POST", "/", "12345678").unwrap().contains(count), "{count}");
    }
    session.challenge(challenge("realm=r|nonce=m|qop=auth|stale=TRUE")).unwrap();
    assert!(session.authorization("POST", "/", "12345678").unwrap().contains("nc=00000001,"));
}

#[test]
fn a_nonce_is_not_used_beyond_its_counter() {
    let mut session = session("u", "p", "realm=r|nonce=n|qop=auth");
    let State::Challenged(answering) = &mut session.state else { panic!("no challenge") };
    answering.count = u32::MAX - 1;
    assert!(session.authorization("POST", "/", "12345678").unwrap().contains("nc=ffffffff,"));
    assert_eq!(session.authorization("POST", "/", "12345678").unwrap_err(), DigestError::UsedUp);
}

#[test]
fn a_stale_nonce_is_replaced_once_for_every_request() {
    let stale = || challenge("realm=r|nonce=m|qop=auth|stale=true");
    let mut session = session("u", "p", "realm=r|nonce=n|qop=auth");
    let answer = |session: &mut Session| session.authorization("POST", "/", "12345678").map(|_| ());
    assert_eq!(answer(&mut session), Ok(()));
    assert_eq!(session.challenge(stale()), Ok(()));
    assert_eq!(answer(&mut session), Ok(()));
    assert_eq!(session.challenge(stale()), Err(DigestError::Refused));
    // The previous response was accepted, so this is another request.
    assert_eq!(answer(&mut session), Ok(()));
    assert_eq!(session.challenge(stale()), Ok(()));
}

#[test]
fn a_rejected_response_is_not_repeated() {
    for again in ["realm=r|nonce=m|qop=auth", "realm=r|nonce=m|qop=auth|stale=false"] {
        let mut session = session("u", "p", "realm=r|nonce=n|qop=auth");
        session.authorization("POST", "/", "12345678").unwrap();
        assert_eq!(session.challenge(challenge(again)), Err(DigestError::Refused));
    }
    let mut unanswered = session("u", "p", "realm=r|nonce=n|qop=auth");
    assert_eq!(unanswered.challenge(challenge("realm=r|nonce=m|qop=auth")), Ok(()));
    let mut waiting = Session::new("u", Secret::new(String::new())).unwrap();
    assert_eq!(waiting.authorization("POST", "/", "12345678").unwrap_err(), DigestError::NotChallenged);
}

#[test]
fn non_ascii_names_use_the_charset_of_the_challenge() {
    let name = |list: &str| {
        let value = session("jürgen", "p", list).authorization("GET", "/", "12345678").unwrap();
        value.split_once(", realm").unwrap().0.to_owned()
    };
    assert_eq!(name("realm=r|nonce=n"), "Digest username=\"jürgen\"");
    assert_eq!(name("realm=r|nonce=n|charset=utf-8"), "Digest username*=UTF-8''j%C3%BCrgen");
    assert_eq!(name("realm=r|nonce=n|charset=latin1"), "Digest username=\"jürgen\"");
}

#[test]
fn quotes_and_backslashes_are_escaped_in_the_header_and_not_in_the_hash() {
    let mut session = session("CORP\\ann", "p", "realm=a \"b\"|nonce=n");
    let value = session.authorization("GET", "/\"", "12345678").unwrap();
    assert!(value.starts_with("Digest username=\"CORP\\\\ann\", realm=\"a \\\"b\\\"\", uri=\"/\\\"\", "));
    let md5 = |texts: &[&str]| Algorithm::Md5.hash(texts);
    let expected = md5(&[&md5(&["CORP\\ann", "a \"b\"", "p"]), "n", &md5(&["GET", "/\""])]);
    assert_eq!(parameter(&value, "response").as_deref(), Some(expected.as_str()));
}

#[test]
fn unsupported_challenges_are_rejected() {
    let algorithm = |name: &str| DigestError::Algorithm(name.to_owned());
    for (list, error) in [
        ("nonce=n", DigestError::Missing("realm")),
        ("realm=r", DigestError::Missing("nonce")),
        ("realm=r|nonce=", DigestError::Missing("nonce")),
        ("realm=r|nonce=n|REALM=s", DigestError::Repeated("realm")),
        ("realm=r|nonce=n\r\nX: y", DigestError::Parameter("nonce")),
        (&format!("realm={}|nonce=n", "r".repeat(1_025)), DigestError::Parameter("realm")),
        ("realm=r|nonce=n|algorithm=MD4", algorithm("MD4")),
        ("realm=r|nonce=n|algorithm=", algorithm("")),
        ("realm=r|nonce=n|algorithm=-sess|qop=auth", algorithm("-sess")),
        ("realm=r|nonce=n|algorithm=é-ses", algorithm("é-ses")),
        ("realm=r|nonce=n|qop=auth-int", DigestError::Protection),
        ("realm=r|nonce=n|qop=", DigestError::Protection),
        ("realm=r|nonce=n|algorithm=MD5-sess", DigestError::Protection),
    ] {
        assert_eq!(parse(list), Err(error), "{list}");
    }
    assert!(parse("realm=|nonce=n|domain=/|x=\u{1}").is_ok(), "unknown parameters are ignored");
}

#[test]
fn invalid_arguments_are_rejected_without_counting() {
    let mut session = session("u", "p", "realm=r|nonce=n|qop=auth");
    for (method, uri, cnonce) in [
        ("", "/", "12345678"),
        ("GET", "", "12345678"),
        ("GET", "/", "1234567"),
        ("GET", "/\r\nX: y", "12345678"),
        ("GET", "/", "1234\u{7f}678"),
        ("GET", &"/".repeat(4_097), "12345678"),
    ] {
        assert_eq!(session.authorization(method, uri, cnonce).unwrap_err(), DigestError::Unwritable);
    }
    assert!(session.authorization("GET", "/", "12345678").unwrap().contains("nc=00000001"));
    for user in ["", "a:b", "a\nb"] {
        assert_eq!(Session::new(user, Secret::new(String::new())).unwrap_err(), DigestError::UserName);
    }
}

#[test]
fn the_strongest_challenge_is_selected() {
    let offered = ["MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess"]
        .map(|name| challenge(&format!("realm=r|nonce=n|qop=auth|algorithm={name}")));
    let strongest = |offered: &[Challenge]| {
        Challenge::strongest(offered.to_vec()).and_then(|challenge| challenge.named_algorithm())
    };
    assert_eq!(strongest(&offered), Some("SHA-512-256"));
    let [md5, sha256, .., md5_session, sha256_session] = offered;
    assert_eq!(strongest(&[md5.clone(), sha256_session, sha256]), Some("SHA-256-sess"));
    assert_eq!(strongest(&[md5_session, md5]), Some("MD5-sess"));
    assert_eq!(strongest(&[]), None);
}

#[test]
fn debug_output_contains_no_password_or_key() {
    let mut session = session("u", "s3cret", "realm=r|nonce=n");
    session.authorization("GET", "/", "12345678").unwrap();
    let key = Algorithm::Md5.hash(&["u", "r", "s3cret"]);
    let shown = format!("{session:?}");
    assert!(!shown.contains("s3cret") && !shown.contains(key.as_str()), "{shown}");
}
