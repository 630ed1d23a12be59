//! Requests of a compromised gateway.

use std::io::{ErrorKind, Write as _};
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use auth::{
    Acceptor, Account, AuthError, Authenticator, Binding, Identity, Peer, Scheme, Secret, VerifierCost,
};
use quickconfig::{MachineRequest, MachineResponse, Outcome};
use telarch_broker::wire::Writer;
use telarch_broker::{
    BrokerMessage, DenialKind, FRAME_MAGIC, GatewayRequest, Link, MAX_MESSAGE_LENGTH, SignedIn,
};

use crate::{HERE, TestBroker};

pub(crate) fn send_request(link: &Link, request: &GatewayRequest) -> BrokerMessage {
    send_raw(link, &request.encode(7))
}

pub(crate) fn send_raw(link: &Link, message: &[u8]) -> BrokerMessage {
    link.send(message, &[]).unwrap();
    let frame = link.receive().unwrap().expect("an answer");
    let (number, message) = BrokerMessage::decode(&frame.message).unwrap();
    assert_eq!(number, 7);
    message
}

pub(crate) fn password(user: &str, password: &str) -> GatewayRequest {
    GatewayRequest::VerifyPassword {
        user: user.to_owned(),
        password: Secret::new(password.to_owned()),
        source: HERE,
    }
}

pub(crate) fn sign_in(link: &Link, user: &str, secret: &str) -> SignedIn {
    match send_request(link, &password(user, secret)) {
        BrokerMessage::SignedIn(signed_in) => signed_in,
        other => panic!("{other:?}"),
    }
}

/// Starts a request whose first field is a session, with arbitrary bytes.
fn about_session(kind: u8, session: &[u8]) -> Writer {
    let mut writer = Writer::default();
    writer.u64(7).u8(kind).fixed(session);
    writer
}

pub(crate) fn is_access_denied(message: &BrokerMessage) -> bool {
    matches!(message, BrokerMessage::Denied(denied) if denied.kind == DenialKind::Access)
}

#[test]
fn quickconfig_requires_a_session_and_a_known_request() {
    let (server, link) = TestBroker::start();
    let [alice, bob] = [("alice", "correct horse"), ("bob", "battery")]
        .map(|(user, secret)| sign_in(&link, user, secret).session);
    let enable = |session| {
        send_request(&link, &GatewayRequest::RunQuickConfig { session, request: MachineRequest::Enable })
    };
    assert!(matches!(
        enable(alice),
        BrokerMessage::QuickConfigResponse(MachineResponse::Done(Outcome::Already))
    ));
    assert!(is_access_denied(&enable(bob)));
    let mut forged = about_session(24, &[7; 16]);
    forged.u8(2);
    assert!(is_access_denied(&send_raw(&link, &forged.finish())));
    assert_eq!(server.operations.lines(), ["Enable"]);
    // An unknown quickconfig request ends the gateway.
    let mut unknown = about_session(24, &GatewayRequest::EndSession(alice).encode(7)[9..]);
    unknown.u8(9).text("rm -rf /");
    link.send(&unknown.finish(), &[]).unwrap();
    assert_eq!(server.end().unwrap_err().kind(), ErrorKind::InvalidData);
}

#[test]
fn forged_sessions_are_refused() {
    let (server, link) = TestBroker::start();
    let real = sign_in(&link, "alice", "correct horse");
    let octets = GatewayRequest::ConnectHost(real.session).encode(7)[9..].to_vec();
    assert_eq!(octets.len(), 16);
    let mut guesses = vec![vec![0; 16], vec![0xFF; 16]];
    for at in 0..16 {
        let mut guess = octets.clone();
        guess[at] ^= 1;
        guesses.push(guess);
    }
    for guess in guesses {
        assert!(is_access_denied(&send_raw(&link, &about_session(9, &guess).finish())));
        let mut change = about_session(10, &guess);
        change.text("now").text("new");
        assert!(is_access_denied(&send_raw(&link, &change.finish())));
        let mut run_as = about_session(27, &guess);
        run_as.text("Backup");
        assert!(is_access_denied(&send_raw(&link, &run_as.finish())));
        assert!(is_access_denied(&send_raw(&link, &about_session(28, &guess).finish())));
    }
    assert_eq!(server.operations.lines(), [""; 0]);
}

#[test]
fn sessions_are_refused_after_their_end_and_by_another_gateway() {
    let (server, link) = TestBroker::start();
    let signed_in = sign_in(&link, "alice", "correct horse");
    let (other_server, other) = TestBroker::start();
    assert!(is_access_denied(&send_request(&other, &GatewayRequest::ConnectHost(signed_in.session))));
    link.send(&GatewayRequest::EndSession(signed_in.session).encode(0), &[]).unwrap();
    assert!(is_access_denied(&send_request(&link, &GatewayRequest::ConnectHost(signed_in.session))));
    assert_eq!(server.operations.lines(), [""; 0]);
    assert_eq!(other_server.operations.lines(), [""; 0]);
}

#[test]
fn a_session_never_reaches_the_host_of_another_user() {
    let (server, link) = TestBroker::start();
    let bob = sign_in(&link, "bob", "battery");
    assert!(matches!(
        send_request(&link, &password("alice", "battery")),
        BrokerMessage::SignInRefused { .. }
    ));
    assert!(matches!(
        send_request(&link, &GatewayRequest::ConnectHost(bob.session)),
        BrokerMessage::HostConnected
    ));
    let endpoint = "Backup".to_owned();
    let request = GatewayRequest::ConnectRunAsHost { session: bob.session, endpoint };
    assert!(matches!(send_request(&link, &request), BrokerMessage::HostConnected));
    assert_eq!(server.operations.lines(), ["host of bob", "host of bob for Backup"]);
    let listed = send_request(&link, &GatewayRequest::ListRunAsHosts(bob.session));
    assert!(matches!(&listed, BrokerMessage::Endpoints(names) if names == &["backup of bob"]), "{listed:?}");
}

#[test]
fn invalid_tokens_and_unknown_handles_are_refused() {
    let (server, link) = TestBroker::start();
    for token in [&b""[..], b"NTLMSSP\0\x03\0\0\0", b"\x60\x03\x06\x01\x00"] {
        let request = GatewayRequest::BeginHandshake {
            scheme: Scheme::Negotiate,
            address: HERE,
            binding: Binding::default(),
            token: token.to_vec(),
        };
        assert!(matches!(send_request(&link, &request), BrokerMessage::SignInRefused { .. }), "{token:?}");
    }
    let step = GatewayRequest::ContinueHandshake { handshake: 1, token: b"NTLMSSP\0\x03\0\0\0".to_vec() };
    let refused = send_request(&link, &step);
    assert!(
        matches!(refused, BrokerMessage::SignInRefused { error: AuthError::Malformed(_), .. }),
        "{refused:?}"
    );
    for request in [
        GatewayRequest::SealMessage { context: 1, message: b"x".to_vec().into() },
        GatewayRequest::UnsealMessage { context: 1, header: vec![0; 16], message: b"x".to_vec().into() },
    ] {
        assert!(matches!(send_request(&link, &request), BrokerMessage::SealFailed(_)));
    }
    drop(server);
}

#[test]
fn a_malformed_frame_or_message_ends_the_gateway() {
    let cut = &GatewayRequest::ListSchemes.encode(1)[..3];
    let mut long = GatewayRequest::ListSchemes.encode(1).to_vec();
    long.push(0);
    let mut unknown = GatewayRequest::ListSchemes.encode(1).to_vec();
    unknown[8] = 0xEE;
    for message in [cut, &long, &unknown, b""] {
        let (server, link) = TestBroker::start();
        link.send(message, &[]).unwrap();
        assert_eq!(server.end().unwrap_err().kind(), ErrorKind::InvalidData, "{message:?}");
    }
    let too_long = u32::try_from(MAX_MESSAGE_LENGTH + 1).unwrap().to_be_bytes();
    for head in [
        [*b"TL\x02\x00", [0, 0, 0, 0]].concat(),
        [FRAME_MAGIC, too_long].concat(),
        b"GET / HTTP/1.1\r\n".to_vec(),
    ] {
        let (server, link) = TestBroker::start();
        let mut raw = UnixStream::from(link.try_clone().unwrap());
        raw.write_all(&head).unwrap();
        assert_eq!(server.end().unwrap_err().kind(), ErrorKind::InvalidData, "{head:?}");
    }
}

#[test]
fn a_gateway_that_sends_a_descriptor_is_ended() {
    let (server, link) = TestBroker::start();
    let (socket, _other) = UnixStream::pair().unwrap();
    link.send(&GatewayRequest::ListSchemes.encode(1), &[socket.as_fd()]).unwrap();
    assert_eq!(server.end().unwrap_err().kind(), ErrorKind::InvalidData);
}

#[test]
fn the_number_of_sessions_is_bounded_per_account() {
    let (server, link) = TestBroker::start();
    let mut stored = Vec::new();
    for _ in 0..2_100 {
        match send_request(&link, &password("alice", "correct horse")) {
            BrokerMessage::SignedIn(signed_in) => stored.push(signed_in.session),
            BrokerMessage::SignInRefused { error: AuthError::Unavailable, .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(stored.len(), 2_048);
    sign_in(&link, "bob", "battery");
    link.send(&GatewayRequest::EndSession(stored[0]).encode(0), &[]).unwrap();
    sign_in(&link, "alice", "correct horse");
    drop(server);
}

#[test]
fn a_request_over_its_size_limit_ends_the_gateway_before_it_is_read() {
    let long = "x".repeat(3 << 20);
    let mut change = about_session(10, &[7; 16]);
    change.text("now").text(&long);
    let messages = [
        password("alice", &long).encode(7),
        GatewayRequest::ContinueHandshake { handshake: 1, token: vec![0; 1 << 20] }.encode(7),
        GatewayRequest::LookUpSid(long.clone()).encode(7),
        change.finish(),
    ];
    for message in messages {
        let (server, link) = TestBroker::start();
        // Only the first bytes are sent, so the broker cannot wait for the rest.
        let mut raw = UnixStream::from(link.try_clone().unwrap());
        raw.write_all(&telarch_broker::frame_head(message.len()).unwrap()).unwrap();
        raw.write_all(&message[..9]).unwrap();
        assert_eq!(server.end().unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn a_panic_while_answering_results_in_a_response_and_frees_its_slot() {
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
    let (server, link) = TestBroker::with_authenticator(std::sync::Arc::new(Panics));
    // More than the number of slots of any kind.
    for _ in 0..600 {
        let response = send_request(&link, &password("alice", "correct horse"));
        assert!(
            matches!(response, BrokerMessage::SignInRefused { error: AuthError::Unavailable, .. }),
            "{response:?}"
        );
    }
    assert!(matches!(
        send_request(&link, &GatewayRequest::LookUpSid("alice".to_owned())),
        BrokerMessage::LookupResult(Some(_))
    ));
    drop(server);
}
