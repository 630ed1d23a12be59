//! Complete exchanges, token by token.

use auth::credssp::{Nonce, PublicKey, TsRequest, Version};
use auth::{Acceptor as _, Initiator as _, Oid, Step, credssp};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use telarch_credssp::{Acceptor, CredSspError, Initiator, ServiceCertificate};

use crate::fake_mechanism::{FakeMechanism, talk};
use crate::tls::Tls;
use crate::{CERTIFICATE, KeyedCertificate, acceptor, credentials, initiator};

#[test]
fn both_ends_authenticate_and_seal_messages() {
    for fake in [FakeMechanism::like_ntlm(), FakeMechanism::like_kerberos()] {
        let (mut client, mut service) = (initiator(&fake), acceptor(&fake));
        let mut tokens = Vec::new();
        let ends = talk(
            |token| client.step(token),
            |token| service.step(token),
            |_, token| {
                tokens.push(token.clone());
                token
            },
        );
        let (mut initiated, mut accepted) = (ends.0.done(), ends.1.done());
        assert_eq!(accepted.account.name, "alice");
        assert_eq!(service.mechanism().as_ref(), fake.oids.first());
        let credentials = service.take_credentials().unwrap();
        assert_eq!((credentials.user(), credentials.password().expose()), ("alice", "s3cret"));
        assert!(service.take_credentials().is_none(), "returned only once");
        // Two for TLS, two for the mechanism and the proof, and one for the credentials; the last is answered with 200.
        assert_eq!(tokens.len(), 9);
        assert!(tokens.iter().all(|token| !token.is_empty()), "a header would be empty");

        for text in ["<request/>", "<another/>"] {
            let mut message = text.as_bytes().to_vec();
            let header = initiated.context.seal(&mut message).unwrap();
            accepted.context.unseal(&header, &mut message).unwrap();
            assert_eq!(message, text.as_bytes());
            let header = accepted.context.seal(&mut message).unwrap();
            initiated.context.unseal(&header, &mut message).unwrap();
            assert_eq!(message, text.as_bytes());
        }
    }
}

#[test]
fn tls_1_2_and_1_3_are_supported() {
    for version in [&TLS12, &TLS13] {
        let mut service = acceptor(&FakeMechanism::like_ntlm());
        let mut client = raw_client(version, &mut service);
        for request in client.requests() {
            client.send(&mut service, &request);
        }
        let credentials = service.take_credentials();
        assert!(credentials.is_some(), "{version:?}");
    }
}

#[test]
fn the_first_request_may_come_with_the_end_of_the_handshake() {
    let fake = FakeMechanism::like_ntlm();
    let mut service = acceptor(&fake);
    let mut tls = Tls::client(&TLS13);
    let Step::Continue(answer) = service.step(&tls.pending()).unwrap() else { panic!("completed too early") };
    assert_eq!(tls.receive(&answer), b"");
    let token = fake.token(1);
    let request = TsRequest { version: 6, nego_token: Some(&token), ..TsRequest::default() };
    // The end of the handshake, and the request in several records.
    let mut last = tls.pending();
    for octet in request.encode() {
        last.append(&mut tls.send(&[octet]));
    }
    let Step::Continue(answer) = service.step(&last).unwrap() else { panic!("completed too early") };
    let plain = tls.receive(&answer);
    assert_eq!(TsRequest::decode(&plain).unwrap().nego_token, Some(&fake.token(2)[..]));
}

#[test]
fn an_empty_token_after_the_handshake_is_accepted() {
    // Without session tickets, the service's second token is empty in TLS 1.3.
    let mut config =
        rustls::ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CERTIFICATE.certificate.clone()], CERTIFICATE.private_key())
            .unwrap();
    config.send_tls13_tickets = 0;
    let mut tls = Tls(rustls::ServerConnection::new(config.into()).unwrap().into());
    let fake = FakeMechanism::like_ntlm();
    let mut client = initiator(&fake);
    let mut token = None;
    for expected in [false, false, true] {
        let Step::Continue(to_service) = client.step(token.as_deref()).unwrap() else {
            panic!("completed too early")
        };
        let plain = tls.receive(&to_service);
        assert_eq!(TsRequest::decode(&plain).is_ok(), expected);
        token = Some(tls.pending());
    }
    assert_eq!(token.as_deref(), Some(&b""[..]));
}

#[test]
fn a_refusal_reaches_the_client() {
    let wrong = FakeMechanism { password: "guess", ..FakeMechanism::like_ntlm() };
    let (mut client, mut service) = (initiator(&wrong), acceptor(&FakeMechanism::like_ntlm()));
    let mut token = None;
    let error = loop {
        let Step::Continue(to_service) = client.step(token.as_deref()).unwrap() else { panic!("accepted") };
        assert_eq!(service.refusal(), None);
        match service.step(&to_service) {
            Ok(Step::Continue(to_client)) => token = Some(to_client),
            Ok(Step::Done { .. }) => panic!("accepted"),
            Err(error) => break error,
        }
    };
    assert_eq!(error, auth::AuthError::WrongPassword);
    let refusal = service.refusal().unwrap();
    assert_eq!(client.step(Some(&refusal)).unwrap_err(), auth::AuthError::WrongPassword);
    assert_eq!(service.refusal(), None, "returned only once");
}

#[test]
fn the_service_key_must_be_rsa_and_match() {
    let ecdsa = KeyedCertificate::ecdsa();
    let refused = |certificate: &[u8], key| {
        ServiceCertificate::new(certificate.to_vec().into(), key).err().map(|error| error.to_string())
    };
    assert_eq!(
        refused(&ecdsa.certificate, ecdsa.private_key()).as_deref(),
        Some("cannot use the CredSSP certificate: the key is not RSA")
    );
    assert_eq!(
        refused(b"nonsense", CERTIFICATE.private_key()).as_deref(),
        Some("cannot use the CredSSP certificate: not an X.509 certificate")
    );
    let error = ServiceCertificate::new(CERTIFICATE.certificate.clone(), ecdsa.private_key()).err();
    assert!(matches!(error, Some(CredSspError::Tls(_))));
}

#[test]
fn an_expired_certificate_is_accepted() {
    // Only the key matters, so the certificate need not be renewed.
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let certificate = ServiceCertificate::new(certificate.der().clone(), key).unwrap();

    let fake = FakeMechanism::like_ntlm();
    let mut service = Acceptor::new(&certificate, bare(&fake), Version::default()).unwrap();
    let mut client = Initiator::new(fake.initiator(), credentials(), Version::default()).unwrap();
    let ends = talk(|token| client.step(token), |token| service.step(token), |_, token| token);
    assert!(ends.0.is_done() && ends.1.is_done());
    assert_eq!(service.mechanism(), Some(Oid::NTLM));
}

fn bare(fake: &FakeMechanism) -> Box<dyn auth::Acceptor> {
    Box::new(auth::negotiate::Acceptor::negotiate(vec![std::sync::Arc::new(fake.clone())]))
}

/// A TLS client after its handshake, and the CredSSP requests to send.
pub(crate) struct RawClient {
    pub(crate) tls: Tls,
    fake: FakeMechanism,
}

pub(crate) fn raw_client(version: &'static SupportedProtocolVersion, service: &mut Acceptor) -> RawClient {
    let mut tls = Tls::client(version);
    tls.shake_hands(service);
    RawClient { tls, fake: FakeMechanism::like_ntlm() }
}

impl RawClient {
    /// Returns every request of a correct client, recorded with a correct service.
    pub(crate) fn requests(&self) -> Vec<Vec<u8>> {
        let key = x509_parser::parse_x509_certificate(&CERTIFICATE.certificate).unwrap().1;
        let key = PublicKey::new(key.public_key().subject_public_key.data.to_vec()).unwrap();
        let (inner, nonce) = (self.fake.initiator(), Nonce::new([3; 32]));
        let mut client =
            credssp::Initiator::new(inner, key.clone(), credentials(), nonce, Version::default());
        let mut service = credssp::Acceptor::new(bare(&self.fake), key, Version::default());
        let mut requests = Vec::new();
        let ends = talk(
            |request| client.step(request),
            |request| service.step(request),
            |number, request| {
                if number % 2 == 0 {
                    requests.push(request.clone());
                }
                request
            },
        );
        assert!(ends.1.is_done());
        requests
    }

    pub(crate) fn send(&mut self, service: &mut Acceptor, request: &[u8]) {
        match service.step(&self.tls.send(request)).unwrap() {
            Step::Continue(answer) => drop(self.tls.receive(&answer)),
            Step::Done { token, .. } => assert_eq!(token, None),
        }
    }
}
