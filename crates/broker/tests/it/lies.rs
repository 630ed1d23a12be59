//! A gateway that somebody has taken over.

use std::io::{ErrorKind, Write as _};
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use auth::{
    Acceptor, Account, AuthError, Authenticator, Binding, Identity, Peer, Scheme, Secret, VerifierCost,
};
use quickconfig::{Answer, Outcome, Wish};
use telarch_broker::wire::Writer;
use telarch_broker::{Ask, Denial, HEAD, LONGEST, Link, SignedIn, Tell};

use crate::{HERE, Served};

pub(crate) fn asked(link: &Link, ask: &Ask) -> Tell {
    told(link, &ask.encode(7))
}

pub(crate) fn told(link: &Link, message: &[u8]) -> Tell {
    link.send(message, &[]).unwrap();
    let frame = link.receive().unwrap().expect("an answer");
    let (number, tell) = Tell::decode(&frame.message).unwrap();
    assert_eq!(number, 7);
    tell
}

pub(crate) fn password(user: &str, password: &str) -> Ask {
    Ask::Password { user: user.to_owned(), password: Secret::new(password.to_owned()), from: HERE }
}

pub(crate) fn sign_in(link: &Link, user: &str, secret: &str) -> SignedIn {
    match asked(link, &password(user, secret)) {
        Tell::SignedIn(signed_in) => signed_in,
        other => panic!("{other:?}"),
    }
}

/// A question about a session, of whatever octets.
fn about_session(kind: u8, session: &[u8]) -> Writer {
    let mut writer = Writer::default();
    writer.u64(7).u8(kind).fixed(session);
    writer
}

pub(crate) fn is_refused(tell: &Tell) -> bool {
    matches!(tell, Tell::Denied(denied) if denied.kind == Denial::Access)
}

#[test]
fn the_machine_is_set_up_for_sessions_only_and_with_wishes_out_of_the_list_only() {
    let (served, link) = Served::start();
    let [alice, bob] = [("alice", "correct horse"), ("bob", "battery")]
        .map(|(user, secret)| sign_in(&link, user, secret).session);
    let ask = |session, wish| asked(&link, &Ask::QuickConfig { session, wish });
    assert!(matches!(ask(alice, Wish::Enable), Tell::QuickConfig(Answer::Done(Outcome::Already))));
    assert!(is_refused(&ask(bob, Wish::Enable)));
    let mut forged = about_session(24, &[7; 16]);
    forged.u8(2);
    assert!(is_refused(&told(&link, &forged.finish())));
    assert_eq!(served.duties.lines(), ["Enable"]);
    // A wish that nobody knows ends the gateway.
    let mut unknown = about_session(24, &Ask::End(alice).encode(7)[9..]);
    unknown.u8(9).text("rm -rf /");
    link.send(&unknown.finish(), &[]).unwrap();
    assert_eq!(served.end().unwrap_err().kind(), ErrorKind::InvalidData);
}

#[test]
fn sessions_that_nobody_was_given_open_nothing() {
    let (served, link) = Served::start();
    let real = sign_in(&link, "alice", "correct horse");
    let octets = Ask::Host(real.session).encode(7)[9..].to_vec();
    assert_eq!(octets.len(), 16);
    let mut guesses = vec![vec![0; 16], vec![0xFF; 16]];
    for at in 0..16 {
        let mut guess = octets.clone();
        guess[at] ^= 1;
        guesses.push(guess);
    }
    for guess in guesses {
        assert!(is_refused(&told(&link, &about_session(9, &guess).finish())));
        let mut change = about_session(10, &guess);
        change.text("now").text("new");
        assert!(is_refused(&told(&link, &change.finish())));
    }
    assert_eq!(served.duties.lines(), [""; 0]);
}

#[test]
fn a_session_that_has_ended_is_over_and_one_of_another_gateway_unknown() {
    let (served, link) = Served::start();
    let signed_in = sign_in(&link, "alice", "correct horse");
    let (other_served, other) = Served::start();
    assert!(is_refused(&asked(&other, &Ask::Host(signed_in.session))));
    link.send(&Ask::End(signed_in.session).encode(0), &[]).unwrap();
    assert!(is_refused(&asked(&link, &Ask::Host(signed_in.session))));
    assert_eq!(served.duties.lines(), [""; 0]);
    assert_eq!(other_served.duties.lines(), [""; 0]);
}

#[test]
fn one_user_s_session_never_reaches_another_s_host() {
    let (served, link) = Served::start();
    let bob = sign_in(&link, "bob", "battery");
    assert!(matches!(asked(&link, &password("alice", "battery")), Tell::Refused { .. }));
    assert!(matches!(asked(&link, &Ask::Host(bob.session)), Tell::Host));
    assert_eq!(served.duties.lines(), ["host of bob"]);
}

#[test]
fn tokens_that_prove_nothing_sign_nobody_in() {
    let (served, link) = Served::start();
    for token in [&b""[..], b"NTLMSSP\0\x03\0\0\0", b"\x60\x03\x06\x01\x00"] {
        let ask = Ask::Begin {
            scheme: Scheme::Negotiate,
            address: HERE,
            binding: Binding::default(),
            token: token.to_vec(),
        };
        assert!(matches!(asked(&link, &ask), Tell::Refused { .. }), "{token:?}");
    }
    let step = Ask::Step { handshake: 1, token: b"NTLMSSP\0\x03\0\0\0".to_vec() };
    let refused = asked(&link, &step);
    assert!(matches!(refused, Tell::Refused { error: AuthError::Malformed(_), .. }), "{refused:?}");
    for ask in [
        Ask::Seal { context: 1, message: b"x".to_vec().into() },
        Ask::Unseal { context: 1, header: vec![0; 16], message: b"x".to_vec().into() },
    ] {
        assert!(matches!(asked(&link, &ask), Tell::NotSealed(_)));
    }
    drop(served);
}

#[test]
fn what_is_no_frame_ends_the_gateway() {
    let cut = &Ask::Hello.encode(1)[..3];
    let mut long = Ask::Hello.encode(1).to_vec();
    long.push(0);
    let mut unknown = Ask::Hello.encode(1).to_vec();
    unknown[8] = 0xEE;
    for message in [cut, &long, &unknown, b""] {
        let (served, link) = Served::start();
        link.send(message, &[]).unwrap();
        assert_eq!(served.end().unwrap_err().kind(), ErrorKind::InvalidData, "{message:?}");
    }
    let too_long = u32::try_from(LONGEST + 1).unwrap().to_be_bytes();
    for head in
        [[*b"TL\x02\x00", [0, 0, 0, 0]].concat(), [HEAD, too_long].concat(), b"GET / HTTP/1.1\r\n".to_vec()]
    {
        let (served, link) = Served::start();
        let mut raw = UnixStream::from(link.try_clone().unwrap());
        raw.write_all(&head).unwrap();
        assert_eq!(served.end().unwrap_err().kind(), ErrorKind::InvalidData, "{head:?}");
    }
}

#[test]
fn a_gateway_that_hands_something_over_is_ended() {
    let (served, link) = Served::start();
    let (socket, _other) = UnixStream::pair().unwrap();
    link.send(&Ask::Hello.encode(1), &[socket.as_fd()]).unwrap();
    assert_eq!(served.end().unwrap_err().kind(), ErrorKind::InvalidData);
}

#[test]
fn sign_ins_that_are_never_finished_and_sessions_that_never_end_are_bounded() {
    let (served, link) = Served::start();
    let mut kept = Vec::new();
    for _ in 0..2_100 {
        match asked(&link, &password("alice", "correct horse")) {
            Tell::SignedIn(signed_in) => kept.push(signed_in.session),
            Tell::Refused { error: AuthError::Unavailable, .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(kept.len(), 2_048);
    sign_in(&link, "bob", "battery");
    link.send(&Ask::End(kept[0]).encode(0), &[]).unwrap();
    sign_in(&link, "alice", "correct horse");
    drop(served);
}

#[test]
fn a_request_longer_than_any_of_its_kind_ends_the_gateway_before_it_is_read() {
    let long = "x".repeat(3 << 20);
    let session = || {
        let mut about = about_session(10, &[7; 16]);
        about.text("now").text(&long);
        about.finish()
    };
    let messages = [
        password("alice", &long).encode(7),
        Ask::Step { handshake: 1, token: vec![0; 1 << 20] }.encode(7),
        Ask::SidOf(long.clone()).encode(7),
        session(),
    ];
    for message in messages {
        let (served, link) = Served::start();
        // Only the beginning is sent, so the broker cannot have waited for the rest.
        let mut raw = UnixStream::from(link.try_clone().unwrap());
        raw.write_all(&telarch_broker::frame_head(message.len()).unwrap()).unwrap();
        raw.write_all(&message[..9]).unwrap();
        assert_eq!(served.end().unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn a_panic_while_a_request_is_answered_is_an_answer_and_costs_nothing_for_good() {
    struct Panics;
    impl Authenticator for Panics {
        fn supports(&self, _: Scheme) -> bool {
            true
        }

        fn password(&self, user: &str, _: &Secret, _: IpAddr) -> Result<Account, AuthError> {
            std::panic::resume_unwind(Box::new(user.to_owned()))
        }

        fn acceptor(&self, _: Scheme, _: &Peer) -> Result<Box<dyn Acceptor>, AuthError> {
            Err(AuthError::NoMechanism)
        }

        fn cost(&self) -> VerifierCost {
            VerifierCost::Slow
        }

        fn admits(&self, _: &Identity, _: IpAddr) -> Result<(), AuthError> {
            Ok(())
        }
    }
    let (served, link) = Served::judged_by(std::sync::Arc::new(Panics));
    // More than there are slots of any kind.
    for _ in 0..600 {
        let told = asked(&link, &password("alice", "correct horse"));
        assert!(matches!(told, Tell::Refused { error: AuthError::Unavailable, .. }), "{told:?}");
    }
    assert!(matches!(asked(&link, &Ask::SidOf("alice".to_owned())), Tell::Found(Some(_))));
    drop(served);
}
