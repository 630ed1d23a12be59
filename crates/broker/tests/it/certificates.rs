//! Client certificates, with honest and with compromised gateways.

use std::io::ErrorKind;
use std::sync::Arc;

use accounts::{ClientCertificateFile, HostKey, SignIn};
use auth::account_file::EnabledState;
use auth::certificate_mapping::{
    CertificateThumbprint, MappingChange, MappingChangeError, MappingFields, MappingKeys, SubjectPattern,
    UriPattern,
};
use auth::{
    AccountList, AuthError, Authenticator as _, CertificateProof, HandshakeSignature, Identity, Secret,
    TlsVersion, UserName,
};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SigningKey as _, date_time_ymd};
use telarch_broker::{BrokerMessage, Gateway, GatewayRequest, Link, MappingRequestError};
use tempfile::TempDir;

use crate::compromised_gateway::{is_access_denied, password, send_raw, send_request, sign_in};
use crate::{HERE, TestBroker};

/// Accounts of a service that knows alice.
struct Machine {
    sign_in: Arc<SignIn>,
    _folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = HostKey::load_or_create(folder.path()).unwrap();
        let file = ClientCertificateFile::new(folder.path().join("mappings"), folder.path().join("ca"), key);
        let accounts = AccountList::parse("alice:correct horse").unwrap();
        let sign_in = Arc::new(SignIn::new(Arc::new(accounts)).with_certificates(file));
        Self { sign_in, _folder: folder }
    }

    fn serve(&self) -> (TestBroker, Link) {
        TestBroker::with_authenticator(Arc::clone(&self.sign_in) as _)
    }

    fn map(&self, certificate: &Certificate) {
        let fields = MappingFields {
            user: Some(UserName::parse("alice").unwrap()),
            password: Some(Secret::new("correct horse".to_owned())),
            state: None,
        };
        self.change(MappingChange::Create(certificate.keys(), fields));
    }

    fn change(&self, change: MappingChange) {
        self.sign_in.change_mapping(change, HERE).unwrap();
    }
}

/// A self-signed certificate with its key.
struct Certificate {
    key: KeyPair,
    der: Vec<u8>,
}

impl Certificate {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "alice");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { key, der }
    }

    fn keys(&self) -> MappingKeys {
        MappingKeys {
            issuer: CertificateThumbprint(sha1(&self.der)),
            subject: SubjectPattern::parse("alice").unwrap(),
            uri: UriPattern::parse("*").unwrap(),
        }
    }

    /// Returns the request of a gateway that has seen a handshake with this transcript hash.
    fn request(&self, hash: u8) -> GatewayRequest {
        self.signed_by(&self.key, hash)
    }

    fn signed_by(&self, key: &KeyPair, hash: u8) -> GatewayRequest {
        GatewayRequest::VerifyCertificate { proof: self.proof(key, hash), source: HERE }
    }

    fn proof(&self, key: &KeyPair, hash: u8) -> CertificateProof {
        let message = [&[0x20; 64], CONTEXT, &[hash; 32]].concat();
        let signature = HandshakeSignature { scheme: 0x0403, octets: key.sign(&message).unwrap() };
        CertificateProof::new(TlsVersion::Tls13, vec![self.der.clone()], message, signature).unwrap()
    }
}

const CONTEXT: &[u8] = b"TLS 1.3, client CertificateVerify\0";

fn sha1(octets: &[u8]) -> [u8; 20] {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    digest(&SHA1_FOR_LEGACY_USE_ONLY, octets).as_ref().try_into().unwrap()
}

fn verify_certificate(link: &Link, request: &GatewayRequest) -> u64 {
    match send_request(link, request) {
        BrokerMessage::CertificateHolder(number) => number,
        other => panic!("{other:?}"),
    }
}

fn refusal(message: &BrokerMessage) -> AuthError {
    match message {
        BrokerMessage::SignInRefused { error, .. } => *error,
        other => panic!("{other:?}"),
    }
}

fn account(link: &Link, holder: u64) -> BrokerMessage {
    send_request(link, &GatewayRequest::ResolveAccount { holder, resource: "any".to_owned() })
}

#[test]
fn a_mapped_certificate_leads_to_the_host_of_its_user() {
    let (machine, certificate) = (Machine::new(), Certificate::new());
    let (server, link) = machine.serve();
    let gateway = Gateway::connect(link, |_| {}).unwrap();
    let proof = certificate.proof(&certificate.key, 1);
    let mut holder = gateway.holder(&proof, HERE).unwrap();
    let refused = holder.check_mapped().unwrap_err();
    assert_eq!((refused.error, refused.claimed.as_str()), (AuthError::Unmapped, "alice"));
    machine.map(&certificate);
    holder.check_mapped().unwrap();
    let identity = Identity::by_certificate("any", holder.as_mut()).unwrap();
    assert_eq!(identity.account().name, "alice");
    gateway.host(&gateway.session(&identity).unwrap()).unwrap();
    assert_eq!(server.operations.lines(), ["host of alice"]);
}

#[test]
fn a_forged_certificate_proof_is_refused() {
    let (machine, certificate, other) = (Machine::new(), Certificate::new(), Certificate::new());
    machine.map(&certificate);
    let (server, link) = machine.serve();
    // Any client may have seen the certificate, but only its owner has the key.
    let forged = certificate.signed_by(&other.key, 1);
    assert_eq!(refusal(&send_request(&link, &forged)), AuthError::Unproven);
    // A signature of one handshake does not prove another.
    let mut moved = certificate.request(1).encode(7).to_vec();
    let hash = moved.windows(32).position(|part| part == [1; 32]).unwrap();
    moved[hash] = 2;
    assert_eq!(refusal(&send_raw(&link, &moved)), AuthError::Unproven);
    for number in [0, 1, 2, u64::MAX] {
        for request in [
            GatewayRequest::CheckMapping { holder: number },
            GatewayRequest::ResolveAccount { holder: number, resource: String::new() },
        ] {
            assert!(matches!(refusal(&send_request(&link, &request)), AuthError::Malformed(_)));
        }
    }
    assert_eq!(server.operations.lines(), [""; 0]);
}

#[test]
fn data_that_no_handshake_signs_ends_the_gateway() {
    let certificate = Certificate::new();
    let message = certificate.request(1).encode(7).to_vec();
    let at = message.windows(CONTEXT.len()).position(|part| part == CONTEXT).unwrap();
    let mut of_server = message.clone();
    of_server[at + 9..at + 15].copy_from_slice(b"server");
    let mut other_padding = message.clone();
    other_padding[at - 1] = 0;
    let mut other_version = message.clone();
    let version = other_version.iter().position(|octet| *octet == 3).unwrap();
    other_version[version] = 2;
    let shown = certificate.der.len() + 8;
    let (before, _) = message.split_at(message.len() - shown);
    let none = [before, &[0; 4]].concat();
    let one = [&[0, 0, 0, 1], [7].as_slice()].concat();
    let too_many = [before, &11_u32.to_be_bytes(), &one.repeat(11)].concat();
    let too_long = [before, &1_u32.to_be_bytes(), &40_000_u32.to_be_bytes(), &[7; 40_000]].concat();
    for wrong in [of_server, other_padding, other_version, none, too_many, too_long] {
        let (server, link) = Machine::new().serve();
        link.send(&wrong, &[]).unwrap();
        assert_eq!(server.end().unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn a_recorded_proof_is_refused_by_the_next_gateway() {
    let (machine, certificate) = (Machine::new(), Certificate::new());
    machine.map(&certificate);
    let (server, link) = machine.serve();
    let first = verify_certificate(&link, &certificate.request(1));
    let second = verify_certificate(&link, &certificate.request(1));
    assert!(matches!(account(&link, first), BrokerMessage::SignedIn(_)));
    assert_eq!(refusal(&account(&link, second)), AuthError::Unproven);
    link.send(&GatewayRequest::Release { handle: first }.encode(0), &[]).unwrap();
    assert!(matches!(refusal(&account(&link, first)), AuthError::Malformed(_)));
    drop(link);
    server.end().unwrap();

    let (_server, link) = machine.serve();
    assert!(
        matches!(refusal(&account(&link, first)), AuthError::Malformed(_)),
        "a holder of another gateway"
    );
    let again = verify_certificate(&link, &certificate.request(1));
    assert_eq!(
        refusal(&send_request(&link, &GatewayRequest::CheckMapping { holder: again })),
        AuthError::Unproven
    );
    assert_eq!(refusal(&account(&link, again)), AuthError::Unproven);
    let other = verify_certificate(&link, &certificate.request(2));
    assert!(matches!(account(&link, other), BrokerMessage::SignedIn(_)));
}

#[test]
fn a_disabled_mapping_and_an_expired_certificate_are_refused() {
    let machine = Machine::new();
    let (disabled, expired) =
        (Certificate::new(), Certificate::with(|params| params.not_after = date_time_ymd(2020, 1, 1)));
    machine.map(&disabled);
    machine.map(&expired);
    let fields = MappingFields { state: Some(EnabledState::Disabled), ..MappingFields::default() };
    machine.change(MappingChange::Put(disabled.keys(), fields));
    let (server, link) = machine.serve();
    for certificate in [disabled, expired] {
        let holder = verify_certificate(&link, &certificate.request(1));
        assert_eq!(
            refusal(&send_request(&link, &GatewayRequest::CheckMapping { holder })),
            AuthError::Unmapped
        );
        assert_eq!(refusal(&account(&link, holder)), AuthError::Unmapped);
    }
    assert_eq!(server.operations.lines(), [""; 0]);
}

#[test]
fn the_number_of_certificate_holders_is_bounded() {
    let (machine, certificate) = (Machine::new(), Certificate::new());
    let (_server, link) = machine.serve();
    let request = certificate.request(1);
    let held = (0..1_100)
        .take_while(|_| matches!(send_request(&link, &request), BrokerMessage::CertificateHolder(_)))
        .count();
    assert_eq!(held, 1_024);
    assert!(matches!(send_request(&link, &password("alice", "correct horse")), BrokerMessage::SignedIn(_)));
}

#[test]
fn mappings_require_a_session_and_never_contain_passwords() {
    let (server, link) = TestBroker::start();
    let keys = Certificate::new().keys();
    let forged = sign_in(&TestBroker::start().1, "alice", "correct horse").session;
    let change = MappingChange::Delete(keys.clone());
    let forged_change = GatewayRequest::ChangeMapping { session: forged, change, source: HERE };
    assert!(is_access_denied(&send_request(&link, &GatewayRequest::ListMappings(forged))));
    assert!(is_access_denied(&send_request(&link, &forged_change)));
    let bob = sign_in(&link, "bob", "battery").session;
    assert!(is_access_denied(&send_request(&link, &GatewayRequest::ListMappings(bob))));
    assert_eq!(server.operations.lines(), [""; 0]);

    let gateway = Gateway::connect(link, |_| {}).unwrap();
    let login =
        auth::basic::Login { user: "alice".to_owned(), password: Secret::new("correct horse".to_owned()) };
    let identity = Identity::by_password(&login, gateway.as_ref(), HERE).unwrap();
    let session = gateway.session(&identity).unwrap();
    assert_eq!(gateway.mappings(&session).unwrap(), []);
    let refused = gateway.change_mapping(&session, MappingChange::Delete(keys.clone()), HERE);
    assert_eq!(refused, Err(MappingRequestError::Change(MappingChangeError::Missing(keys.clone()))));
    assert_eq!(server.operations.lines(), [format!("alice changes {keys}")]);
}
