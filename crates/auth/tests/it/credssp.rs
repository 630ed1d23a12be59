//! CredSSP delegates a password only to a service with the proven key, and only over an authenticated exchange.

use std::sync::Arc;

use telarch_auth::credssp::{
    Acceptor, Delegation, Initiator, Nonce, PasswordCredentials, PublicKey, TsRequest, Version,
};
use telarch_auth::{Acceptor as _, AuthError, Mutual, Oid, Secret, negotiate, spnego};

use crate::fake_mechanism::{FakeMechanism, Outcome, talk};

#[test]
fn credentials_arrive_with_every_inner_mechanism() {
    for fake in [
        FakeMechanism::like_ntlm(),
        FakeMechanism::like_kerberos(),
        FakeMechanism { tokens: 5, ..FakeMechanism::like_ntlm() },
    ] {
        for wrapped in [true, false] {
            let pair = Pair { fake: fake.clone(), wrapped, ..Pair::default() };
            let (client, service) = pair.meet(|_, request| request);
            assert_eq!(client.done(), Mutual::Proven);
            let Delegation { account, credentials } = service.done();
            assert_eq!(account.name, "alice");
            assert_eq!((credentials.domain(), credentials.user()), ("LAB", "alice"));
            assert_eq!(credentials.password().expose(), "pä𝄞s");
        }
    }
}

#[test]
fn the_last_token_of_the_mechanism_comes_with_the_proof() {
    for (fake, wrapped, expected) in [
        (FakeMechanism::like_ntlm(), true, 5),
        (FakeMechanism::like_ntlm(), false, 5),
        (FakeMechanism::like_kerberos(), true, 5),
        (FakeMechanism::like_kerberos(), false, 5),
    ] {
        let mut requests = Vec::new();
        let pair = Pair { fake: fake.clone(), wrapped, ..Pair::default() };
        let (_, service) = pair.meet(|_, request| {
            requests.push(request.clone());
            request
        });
        assert!(service.is_done());
        assert_eq!(requests.len(), expected, "{wrapped}");
        let proof = TsRequest::decode(&requests[2]).unwrap();
        assert!(proof.pub_key_auth.is_some() && proof.client_nonce.is_some());
        assert_eq!(proof.nego_token.is_some(), fake.tokens == 3, "{wrapped}");
        // The remaining SPNEGO token comes with the service's proof.
        let answer = TsRequest::decode(&requests[3]).unwrap();
        assert!(answer.pub_key_auth.is_some() && answer.client_nonce.is_none());
        assert_eq!(answer.nego_token.is_some(), wrapped && fake.tokens == 3);
        for request in &requests {
            assert_eq!(TsRequest::decode(request).unwrap().version, 6);
        }
    }
}

/// Sends a request; returns the reply.
fn send(service: &mut Acceptor, request: TsRequest<'_>) -> Vec<u8> {
    match service.step(&request.encode()) {
        Ok(telarch_auth::Step::Continue(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_may_send_the_proof_after_the_last_token() {
    let fake = FakeMechanism::like_ntlm();
    let mut service = Pair::default().service();
    let (first, last) = (fake.token(1), fake.token(3));
    for token in [&first, &last] {
        let reply = send(&mut service, TsRequest { nego_token: Some(token), ..empty() });
        assert_eq!(TsRequest::decode(&reply).unwrap().nego_token.is_some(), token == &first);
    }
    let mut context = fake.context(false);
    let proof = sealed(&mut context, &hash("Client-To-Server", &[7; 32], KEY));
    let reply = TsRequest { pub_key_auth: Some(&proof), client_nonce: Some(Nonce::new([7; 32])), ..empty() };
    let reply = send(&mut service, reply);
    let reply = TsRequest::decode(&reply).unwrap();
    let expected = sealed(&mut fake.context(true), &hash("Server-To-Client", &[7; 32], KEY));
    assert_eq!(reply.pub_key_auth, Some(&expected[..]), "MS-CSSP 3.1.5");
}

#[test]
fn all_allowed_versions_work() {
    for version in 2..=7 {
        for minimum in [Version::V2, Version::default()] {
            let pair = Pair { minimum, ..Pair::default() };
            let (client, service) = pair.meet(|_, request| with_version(&request, version));
            if minimum == Version::V2 || version >= 5 {
                assert!(client.is_done() && service.is_done(), "{version}");
            } else {
                let too_old = AuthError::Downgraded("a recent version of CredSSP");
                assert_eq!(service.error(), Some(too_old));
            }
        }
    }
}

#[test]
fn an_old_service_receives_no_credentials() {
    let (client, _) = Pair::default().meet(|number, request| match number {
        1 => with_version(&request, 4),
        _ => request,
    });
    assert_eq!(client.error(), Some(AuthError::Downgraded("a recent version of CredSSP")));
    // A service that reveals its old version only in the last message is rejected too.
    let pair = Pair { minimum: Version::V2, ..Pair::default() };
    let (client, _) = pair.meet(|number, request| match number {
        3 => with_version(&request, 2),
        _ => request,
    });
    assert!(matches!(client.error(), Some(AuthError::Malformed(_))), "{client:?}");
}

#[test]
fn a_client_keeps_to_its_version() {
    let pair = Pair { minimum: Version::V2, ..Pair::default() };
    let (_, service) = pair.meet(|number, request| match number {
        2 => with_version(&request, 2),
        _ => request,
    });
    assert_eq!(service.error(), Some(AuthError::Malformed("version differs from earlier requests")));
}

#[test]
fn both_ends_detect_a_man_in_the_middle() {
    for version in 2..=6 {
        let pair = Pair { minimum: Version::V2, client_key: b"another key", ..Pair::default() };
        let (client, service) = pair.meet(|_, request| with_version(&request, version));
        assert_eq!(service.error(), Some(AuthError::ChannelBinding), "{version}");
        assert!(!client.is_done());
    }
    // A service that does not verify the client's proof still proves its own key.
    let fake = FakeMechanism::like_ntlm();
    for (version, shown) in [
        (6, hash("Server-To-Client", &NONCE, b"another key")),
        (6, hash("Client-To-Server", &NONCE, KEY)),
        (6, hash("Server-To-Client", &[0; 32], KEY)),
        (6, KEY.to_vec()),
        (4, [&[KEY[0] + 1], &b"another"[1..]].concat()),
        (4, KEY.to_vec()),
    ] {
        let pair = Pair { minimum: Version::V2, ..Pair::default() };
        let (client, service) = pair.meet(|number, request| {
            let request = with_version(&request, version);
            if number != 3 {
                return request;
            }
            let shown = sealed(&mut fake.context(true), &shown);
            TsRequest { pub_key_auth: Some(&shown), ..TsRequest::decode(&request).unwrap() }.encode()
        });
        assert_eq!(client.error(), Some(AuthError::ChannelBinding), "{version}");
        assert!(!service.is_done());
    }
}

#[test]
fn a_missing_or_different_nonce_is_rejected() {
    for (nonce, error) in [
        (None, AuthError::Malformed("missing nonce")),
        (Some(Nonce::new([8; 32])), AuthError::ChannelBinding),
    ] {
        let (client, service) = Pair::default().meet(|number, request| match number {
            2 => TsRequest { client_nonce: nonce, ..TsRequest::decode(&request).unwrap() }.encode(),
            _ => request,
        });
        assert_eq!(service.error(), Some(error));
        assert!(!client.is_done());
    }
}

#[test]
fn credentials_are_sent_only_after_a_valid_proof() {
    // If any byte of the service's requests is changed, credentials are sent only if its proof is valid.
    let mut lengths = Vec::new();
    let (client, _) = Pair::default().meet(|_, request| {
        lengths.push(request.len());
        request
    });
    assert!(client.is_done());
    for attacked in [1, 3] {
        for at in 0..lengths[attacked] {
            for change in [0x01, 0x80] {
                let (mut handed_over, mut genuine) = (false, None);
                let _ = Pair::default().meet(|number, mut request| {
                    if number == 3 {
                        genuine = TsRequest::decode(&request).unwrap().pub_key_auth.map(<[u8]>::to_vec);
                    }
                    if number == attacked {
                        request[at] ^= change;
                    }
                    if number == 3 {
                        let shown = TsRequest::decode(&request).ok().and_then(|request| request.pub_key_auth);
                        genuine = genuine.take().filter(|genuine| shown == Some(genuine));
                    }
                    handed_over |= number == 4;
                    request
                });
                assert!(!handed_over || genuine.is_some(), "request {attacked}, octet {at}");
            }
        }
    }
}

#[test]
fn unexpected_credentials_are_rejected() {
    let out_of_turn = AuthError::Malformed("unexpected credentials");
    for early in [0, 2] {
        let (_, service) = Pair::default().meet(|number, request| {
            let request = TsRequest::decode(&request).unwrap();
            let auth_info = if number == early { Some(&b"0123456789abcdef"[..]) } else { request.auth_info };
            TsRequest { auth_info, ..request }.encode()
        });
        assert_eq!(service.error(), Some(out_of_turn), "request {early}");
    }
    // In place of the proof, from an authenticated client.
    let fake = FakeMechanism::like_ntlm();
    let (_, service) = Pair::default().meet(|number, request| {
        if number != 2 {
            return request;
        }
        let credentials = sealed(&mut fake.context(false), b"0\0");
        let last = fake.token(3);
        TsRequest { nego_token: Some(&last), auth_info: Some(&credentials), ..empty() }.encode()
    });
    assert_eq!(service.error(), Some(out_of_turn));
    // A request without credentials when they are expected.
    let (_, service) = Pair::default().meet(|number, request| match number {
        4 => TsRequest { pub_key_auth: Some(&[0; 48]), ..empty() }.encode(),
        _ => request,
    });
    assert_eq!(service.error(), Some(out_of_turn));
}

/// Changes the request with this number; returns the error of the service.
fn error_after_change(changed: usize, change: fn(TsRequest<'_>) -> Vec<u8>) -> AuthError {
    let (_, service) = Pair::default().meet(|number, request| {
        if number == changed { change(TsRequest::decode(&request).unwrap()) } else { request }
    });
    service.error().unwrap()
}

#[test]
fn an_unexpected_proof_is_rejected() {
    let early =
        error_after_change(0, |request| TsRequest { pub_key_auth: Some(&[0; 48]), ..request }.encode());
    assert_eq!(early, AuthError::Malformed("pubKeyAuth before the mechanism is complete"));
    for change in [
        |request: TsRequest<'_>| TsRequest { nego_token: None, ..request }.encode(),
        |request: TsRequest<'_>| {
            TsRequest { nego_token: None, pub_key_auth: Some(&[0; 48]), ..request }.encode()
        },
    ] {
        assert_eq!(error_after_change(0, change), AuthError::Malformed("missing or unexpected field"));
    }
    let again =
        error_after_change(4, |request| TsRequest { pub_key_auth: Some(&[0; 48]), ..request }.encode());
    assert_eq!(again, AuthError::Malformed("missing or unexpected field"));
}

#[test]
fn unexpected_requests_of_the_service_are_rejected() {
    for (number, change) in [
        (1, (|request| TsRequest { nego_token: None, ..request }.encode()) as fn(TsRequest<'_>) -> Vec<u8>),
        (1, |request| TsRequest { pub_key_auth: Some(&[0; 48]), ..request }.encode()),
        (1, |request| TsRequest { auth_info: Some(&[0; 48]), ..request }.encode()),
        (3, |request| TsRequest { pub_key_auth: None, ..request }.encode()),
        (3, |request| TsRequest { auth_info: Some(&[0; 48]), ..request }.encode()),
        // The `mechListMIC` of SPNEGO, without which no credentials are sent.
        (3, |request| TsRequest { nego_token: None, ..request }.encode()),
    ] {
        let (client, _) = Pair { wrapped: true, ..Pair::default() }.meet(|at, request| {
            if at == number { change(TsRequest::decode(&request).unwrap()) } else { request }
        });
        assert!(matches!(client.error(), Some(AuthError::Malformed(_))), "{number}: {client:?}");
    }
}

#[test]
fn requests_after_the_end_are_rejected() {
    let mut service = Pair::default().service();
    let mut requests = Vec::new();
    let mut client = Pair::default().client();
    let (_, done) = talk(
        |request| client.step(request),
        |request| service.step(request),
        |_, request| {
            requests.push(request.clone());
            request
        },
    );
    assert!(done.is_done());
    for request in [&requests[0], &requests[2], &requests[4]] {
        assert!(matches!(service.step(request), Err(AuthError::Malformed(_))));
    }
    assert!(matches!(client.step(Some(&requests[3])), Err(AuthError::Malformed(_))));
    assert!(matches!(client.step(None), Err(AuthError::Malformed(_))));

    let mut service = Pair::default().service();
    assert!(service.step(b"nonsense").is_err());
    assert!(
        matches!(service.step(&requests[0]), Err(AuthError::Malformed(_))),
        "a context is unusable after an error"
    );
}

#[test]
fn a_refusal_has_a_status_if_the_version_supports_it() {
    for version in 2..=7 {
        let pair = Pair { minimum: Version::V2, client_password: "guess", ..Pair::default() };
        let mut service = pair.service();
        let mut client = pair.client();
        let (_, refused) = talk(
            |request| client.step(request),
            |request| service.step(request),
            |_, request| with_version(&request, version),
        );
        assert_eq!(refused.error(), Some(AuthError::WrongPassword));
        let refusal = service.refusal();
        assert_eq!(refusal.is_some(), ![2, 5].contains(&version), "{version}");
        // The status is a four-byte negative number, which pyspnego expects.
        let written = b"\x30\x0d\xa0\x03\x02\x01\x06\xa4\x06\x02\x04\xc0\x00\x00\x6d";
        assert!(refusal.is_none_or(|refusal| refusal == written));
    }
    let mut service = Pair::default().service();
    assert_eq!(service.refusal(), None, "a refusal without a failure");
    assert!(service.step(&[0x30]).is_err());
    assert_eq!(service.refusal(), None, "a refusal before the version of the client is known");
    let mut service = Pair::default().service();
    assert!(service.step(&TsRequest { version: 3, ..empty() }.encode()).is_err());
    assert!(service.refusal().is_some(), "rejected, but version 3 understands error codes");
}

#[test]
fn the_client_translates_the_status_of_a_refusal() {
    for (status, error) in [
        (0xc000_006d, AuthError::WrongPassword),
        (0xc000_0064, AuthError::WrongPassword),
        (0x8009_030c, AuthError::WrongPassword),
        (0xc000_0072, AuthError::NotAllowed),
        (0xc000_0234, AuthError::NotAllowed),
        (0xc000_0133, AuthError::ClockSkew),
        (0x8009_0346, AuthError::Refused(0x8009_0346)),
    ] {
        for at in [1, 3] {
            let (client, _) = Pair::default().meet(|number, request| match number {
                _ if number == at => TsRequest { error_code: Some(status), ..empty() }.encode(),
                _ => request,
            });
            assert_eq!(client.error(), Some(error), "{status:#x}");
        }
    }
    let (_, service) = Pair::default().meet(|number, request| match number {
        2 => TsRequest { error_code: Some(5), ..TsRequest::decode(&request).unwrap() }.encode(),
        _ => request,
    });
    assert_eq!(service.error(), Some(AuthError::Refused(5)), "a client that ends the exchange");
}

#[test]
fn credentials_must_be_those_of_the_authenticated_account() {
    for (user, fits) in [
        ("alice", true),
        ("ALICE", true),
        ("LAB\\alice", true),
        ("alice@LAB.EXAMPLE", true),
        ("bob", false),
        ("alice2", false),
        ("", false),
        ("@alice", false),
    ] {
        let (client, service) = Pair { user, ..Pair::default() }.meet(|_, request| request);
        assert!(client.is_done());
        assert_eq!(service.is_done(), fits, "{user}: {service:?}");
    }
}

#[test]
fn credentials_of_another_kind_are_rejected() {
    let fake = FakeMechanism::like_ntlm();
    let texts = b"\x30\x0f\xa0\x03\x04\x01L\xa1\x03\x04\x01a\xa2\x03\x04\x01p";
    let half_a_unit = [b"\x30\x1a\xa0\x03\x02\x01\x01\xa1\x13\x04\x11".as_slice(), texts].concat();
    for (kind, credentials) in [
        ("a smart card", &b"\x30\x0b\xa0\x03\x02\x01\x02\xa1\x04\x04\x02\x30\x00"[..]),
        ("nothing", b""),
        ("half a UTF-16 unit", &half_a_unit),
    ] {
        let (_, service) = Pair::default().meet(|number, request| {
            if number != 4 {
                return request;
            }
            let mut context = fake.context(false);
            sealed(&mut context, &[0; 32]); // The proof came before.
            let sealed = sealed(&mut context, credentials);
            TsRequest { auth_info: Some(&sealed), ..empty() }.encode()
        });
        let error = service.error();
        assert!(matches!(error, Some(AuthError::Malformed(_) | AuthError::NoMechanism)), "{kind}: {error:?}");
    }
}

fn with_last_bit_flipped(octets: &[u8]) -> Vec<u8> {
    let mut changed = octets.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    changed
}

#[test]
fn changed_sealed_fields_are_rejected() {
    for (attacked, service_fails) in [(2, true), (3, false), (4, true)] {
        let (client, service) = Pair::default().meet(|number, request| {
            if number != attacked {
                return request;
            }
            let request = TsRequest::decode(&request).unwrap();
            let [auth_info, pub_key_auth] =
                [request.auth_info, request.pub_key_auth].map(|field| field.map(with_last_bit_flipped));
            let (auth_info, pub_key_auth) = (auth_info.as_deref(), pub_key_auth.as_deref());
            TsRequest { auth_info, pub_key_auth, ..request }.encode()
        });
        let victim = if service_fails { service.error() } else { client.error() };
        assert_eq!(victim, Some(AuthError::Unproven), "request {attacked}");
    }
    for short in [0, 15] {
        let (_, service) = Pair::default().meet(|number, request| match number {
            2 => {
                let request = TsRequest::decode(&request).unwrap();
                TsRequest { pub_key_auth: Some(&[0; 16][..short]), ..request }.encode()
            }
            _ => request,
        });
        assert_eq!(service.error(), Some(AuthError::Unproven));
    }
}

#[test]
fn a_mechanism_without_sealing_is_rejected() {
    let (client, _) =
        Pair { fake: FakeMechanism { seals: false, ..FakeMechanism::like_ntlm() }, ..Pair::default() }
            .meet(|_, r| r);
    assert_eq!(client.error(), Some(AuthError::Downgraded("message sealing")));
    // A client that does not require sealing.
    let fake = FakeMechanism { seals: false, ..FakeMechanism::like_ntlm() };
    let mut service = Pair { fake: fake.clone(), ..Pair::default() }.service();
    for number in [1, 3] {
        let token = fake.token(number);
        let step = service.step(&TsRequest { nego_token: Some(&token), ..empty() }.encode());
        assert_eq!(step.is_ok(), number == 1);
    }
}

#[test]
fn the_inner_mechanism_is_reported() {
    let pair = Pair { wrapped: true, ..Pair::default() };
    let (mut client, mut service) = (pair.client(), pair.service());
    assert_eq!(service.mechanism(), None);
    let _ = talk(|request| client.step(request), |request| service.step(request), |_, request| request);
    assert_eq!(service.mechanism(), Some(Oid::NTLM));
}

#[test]
fn debug_output_contains_no_secrets() {
    let (_, service) = Pair::default().meet(|_, request| request);
    let shown = format!("{:?} {:?}", service.done(), Nonce::new(NONCE));
    assert!(!shown.contains("pä") && !shown.contains('9') && shown.contains("alice"), "{shown}");
}

#[test]
fn a_key_is_not_empty() {
    assert!(PublicKey::new(Vec::new()).is_err());
}

/// Parameters of both ends.
struct Pair {
    fake: FakeMechanism,
    /// Uses SPNEGO.
    wrapped: bool,
    client_key: &'static [u8],
    client_password: &'static str,
    user: &'static str,
    minimum: Version,
}

impl Default for Pair {
    fn default() -> Self {
        Self {
            fake: FakeMechanism::like_ntlm(),
            wrapped: false,
            client_key: KEY,
            client_password: "s3cret",
            user: "alice",
            minimum: Version::default(),
        }
    }
}

impl Pair {
    fn client(&self) -> Initiator {
        let fake = FakeMechanism { password: self.client_password, ..self.fake.clone() };
        let inner: Box<dyn telarch_auth::Initiator> = if self.wrapped {
            Box::new(spnego::Initiator::new(vec![fake.offer()]))
        } else {
            fake.initiator()
        };
        let [domain, user, password] = ["LAB", self.user, "pä𝄞s"].map(|text| Secret::new(text.to_owned()));
        let credentials = PasswordCredentials::new(domain, user, password);
        let key = PublicKey::new(self.client_key.to_vec()).unwrap();
        Initiator::new(inner, key, credentials, Nonce::new(NONCE), self.minimum)
    }

    fn service(&self) -> Acceptor {
        let inner = negotiate::Acceptor::negotiate(vec![Arc::new(self.fake.clone())]);
        assert_eq!(inner.mechanism(), None);
        Acceptor::new(Box::new(inner), PublicKey::new(KEY.to_vec()).unwrap(), self.minimum)
    }

    fn meet(&self, alter: impl FnMut(usize, Vec<u8>) -> Vec<u8>) -> (Outcome<Mutual>, Outcome<Delegation>) {
        let (mut client, mut service) = (self.client(), self.service());
        talk(|request| client.step(request), |request| service.step(request), alter)
    }
}

fn empty() -> TsRequest<'static> {
    TsRequest { version: 6, ..TsRequest::default() }
}

fn with_version(request: &[u8], version: u32) -> Vec<u8> {
    TsRequest { version, ..TsRequest::decode(request).unwrap() }.encode()
}

fn sealed(context: &mut dyn telarch_auth::SecurityContext, message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    let mut sealed = context.seal(&mut message).unwrap();
    sealed.append(&mut message);
    sealed
}

fn hash(direction: &str, nonce: &[u8], key: &[u8]) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let label = format!("CredSSP {direction} Binding Hash\0");
    Sha256::new().chain_update(label).chain_update(nonce).chain_update(key).finalize().to_vec()
}

const KEY: &[u8] = b"a public key";
const NONCE: [u8; 32] = [9; 32];
