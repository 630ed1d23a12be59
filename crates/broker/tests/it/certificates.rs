//! Client certificates: the way of an honest gateway, and what one that lies gets.

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
use telarch_broker::{Ask, Gateway, Link, NotMapped, Tell};
use tempfile::TempDir;

use crate::lies::{asked, is_refused, password, sign_in, told};
use crate::{HERE, Served};

/// What a service goes by that knows alice.
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

    fn serve(&self) -> (Served, Link) {
        Served::judged_by(Arc::clone(&self.sign_in) as _)
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

    /// What a gateway asks that has seen a handshake with this hash.
    fn ask(&self, hash: u8) -> Ask {
        self.signed_by(&self.key, hash)
    }

    fn signed_by(&self, key: &KeyPair, hash: u8) -> Ask {
        Ask::Holder { proof: self.proof(key, hash), from: HERE }
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

fn hold(link: &Link, ask: &Ask) -> u64 {
    match asked(link, ask) {
        Tell::Holder(number) => number,
        other => panic!("{other:?}"),
    }
}

fn refusal(tell: &Tell) -> AuthError {
    match tell {
        Tell::Refused { error, .. } => *error,
        other => panic!("{other:?}"),
    }
}

fn account(link: &Link, holder: u64) -> Tell {
    asked(link, &Ask::Account { holder, resource: "any".to_owned() })
}

#[test]
fn a_certificate_that_is_mapped_leads_to_the_host_of_its_user() {
    let (machine, certificate) = (Machine::new(), Certificate::new());
    let (served, link) = machine.serve();
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
    assert_eq!(served.duties.lines(), ["host of alice"]);
}

#[test]
fn a_forged_proof_lets_nobody_in() {
    let (machine, certificate, other) = (Machine::new(), Certificate::new(), Certificate::new());
    machine.map(&certificate);
    let (served, link) = machine.serve();
    // The certificate of another is no secret; the key is.
    let forged = certificate.signed_by(&other.key, 1);
    assert_eq!(refusal(&asked(&link, &forged)), AuthError::Unproven);
    // What was signed in one handshake is no proof of another.
    let mut moved = certificate.ask(1).encode(7).to_vec();
    let hash = moved.windows(32).position(|part| part == [1; 32]).unwrap();
    moved[hash] = 2;
    assert_eq!(refusal(&told(&link, &moved)), AuthError::Unproven);
    for number in [0, 1, 2, u64::MAX] {
        for ask in
            [Ask::Consider { holder: number }, Ask::Account { holder: number, resource: String::new() }]
        {
            assert!(matches!(refusal(&asked(&link, &ask)), AuthError::Malformed(_)));
        }
    }
    assert_eq!(served.duties.lines(), [""; 0]);
}

#[test]
fn what_nobody_signs_in_a_handshake_ends_the_gateway() {
    let certificate = Certificate::new();
    let message = certificate.ask(1).encode(7).to_vec();
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
        let (served, link) = Machine::new().serve();
        link.send(&wrong, &[]).unwrap();
        assert_eq!(served.end().unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn a_proof_that_was_kept_is_of_no_use_to_the_next_gateway() {
    let (machine, certificate) = (Machine::new(), Certificate::new());
    machine.map(&certificate);
    let (served, link) = machine.serve();
    let first = hold(&link, &certificate.ask(1));
    let second = hold(&link, &certificate.ask(1));
    assert!(matches!(account(&link, first), Tell::SignedIn(_)));
    assert_eq!(refusal(&account(&link, second)), AuthError::Unproven);
    link.send(&Ask::Forget { number: first }.encode(0), &[]).unwrap();
    assert!(matches!(refusal(&account(&link, first)), AuthError::Malformed(_)));
    drop(link);
    served.end().unwrap();

    let (_served, link) = machine.serve();
    assert!(
        matches!(refusal(&account(&link, first)), AuthError::Malformed(_)),
        "a holder of another gateway"
    );
    let again = hold(&link, &certificate.ask(1));
    assert_eq!(refusal(&asked(&link, &Ask::Consider { holder: again })), AuthError::Unproven);
    assert_eq!(refusal(&account(&link, again)), AuthError::Unproven);
    let other = hold(&link, &certificate.ask(2));
    assert!(matches!(account(&link, other), Tell::SignedIn(_)));
}

#[test]
fn a_mapping_that_is_switched_off_and_a_certificate_that_has_expired_lead_nowhere() {
    let machine = Machine::new();
    let (disabled, expired) =
        (Certificate::new(), Certificate::with(|params| params.not_after = date_time_ymd(2020, 1, 1)));
    machine.map(&disabled);
    machine.map(&expired);
    let fields = MappingFields { state: Some(EnabledState::Disabled), ..MappingFields::default() };
    machine.change(MappingChange::Put(disabled.keys(), fields));
    let (served, link) = machine.serve();
    for certificate in [disabled, expired] {
        let holder = hold(&link, &certificate.ask(1));
        assert_eq!(refusal(&asked(&link, &Ask::Consider { holder })), AuthError::Unmapped);
        assert_eq!(refusal(&account(&link, holder)), AuthError::Unmapped);
    }
    assert_eq!(served.duties.lines(), [""; 0]);
}

#[test]
fn holders_that_are_never_forgotten_are_bounded() {
    let (machine, certificate) = (Machine::new(), Certificate::new());
    let (_served, link) = machine.serve();
    let ask = certificate.ask(1);
    let held = (0..1_100).take_while(|_| matches!(asked(&link, &ask), Tell::Holder(_))).count();
    assert_eq!(held, 1_024);
    assert!(matches!(asked(&link, &password("alice", "correct horse")), Tell::SignedIn(_)));
}

#[test]
fn mappings_are_shown_and_changed_for_sessions_alone_and_passwords_are_never_shown() {
    let (served, link) = Served::start();
    let keys = Certificate::new().keys();
    let forged = sign_in(&Served::start().1, "alice", "correct horse").session;
    let change = |session| {
        let change = MappingChange::Delete(keys.clone());
        Ask::ChangeMapping { session, change, from: HERE }
    };
    assert!(is_refused(&asked(&link, &Ask::Mappings(forged))));
    assert!(is_refused(&asked(&link, &change(forged))));
    let bob = sign_in(&link, "bob", "battery").session;
    assert!(is_refused(&asked(&link, &Ask::Mappings(bob))));
    assert_eq!(served.duties.lines(), [""; 0]);

    let gateway = Gateway::connect(link, |_| {}).unwrap();
    let login =
        auth::basic::Login { user: "alice".to_owned(), password: Secret::new("correct horse".to_owned()) };
    let identity = Identity::by_password(&login, gateway.as_ref(), HERE).unwrap();
    let session = gateway.session(&identity).unwrap();
    assert_eq!(gateway.mappings(&session).unwrap(), []);
    let refused = gateway.change_mapping(&session, MappingChange::Delete(keys.clone()), HERE);
    assert_eq!(refused, Err(NotMapped::Change(MappingChangeError::Missing(keys.clone()))));
    assert_eq!(served.duties.lines(), [format!("alice changes {keys}")]);
}
