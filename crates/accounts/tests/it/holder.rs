//! Authentication by client certificates: valid, forged, replayed and unmapped proofs.

use std::sync::Arc;

use auth::account_file::EnabledState;
use auth::certificate_mapping::{
    CertificateThumbprint, MappingChange, MappingChangeError, MappingFields, MappingKeys, SubjectPattern,
    UriPattern,
};
use auth::{
    AccountList, AuthError, Authenticator as _, CertificateProof, HandshakeSignature, Holder, Secret,
    TlsVersion, UserName,
};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};
use telarch_accounts::{Attempts, ClientCertificateFile, HostKey, LockoutPolicy, SignIn};
use tempfile::TempDir;

use crate::HERE;

const ECDSA_P256: u16 = 0x0403;
const RSA_PSS: u16 = 0x0804;
const RSA_PKCS1: u16 = 0x0401;

/// A service that maps certificates to the account ada.
struct Service {
    sign_in: SignIn,
    _folder: TempDir,
}

impl Service {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = HostKey::load_or_create(folder.path()).unwrap();
        let file = ClientCertificateFile::new(folder.path().join("mappings"), folder.path().join("ca"), key);
        let accounts = AccountList::parse("ada:hunter2").unwrap();
        let sign_in = SignIn::new(Arc::new(accounts))
            .counted(Arc::new(Attempts::new(LockoutPolicy::default())))
            .with_certificates(file);
        Self { sign_in, _folder: folder }
    }

    fn map(&self, certificate: &Certificate) {
        let fields = MappingFields {
            user: Some(UserName::parse("ada").unwrap()),
            password: Some(Secret::new("hunter2".to_owned())),
            state: None,
        };
        self.sign_in.change_mapping(MappingChange::Create(certificate.keys(), fields), HERE).unwrap();
    }

    fn holder(&self, proof: &CertificateProof) -> Result<Box<dyn Holder>, AuthError> {
        self.sign_in.holder(proof, HERE)
    }

    /// Returns the account that the proof leads to.
    fn account(&self, proof: &CertificateProof) -> Result<String, AuthError> {
        let mut holder = self.holder(proof)?;
        holder.check_mapped().map_err(|refused| refused.error)?;
        holder.account("any").map(|account| account.name).map_err(|refused| refused.error)
    }
}

/// A self-signed certificate and its key.
struct Certificate {
    der: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    fn new() -> Self {
        Self::of(KeyPair::generate().unwrap(), |_| {})
    }

    fn of(key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "holder");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        Self { der: params.self_signed(&key).unwrap().der().to_vec(), key: key.serialize_der() }
    }

    fn keys(&self) -> MappingKeys {
        let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der);
        MappingKeys {
            issuer: CertificateThumbprint(sha1.as_ref().try_into().unwrap()),
            subject: SubjectPattern::parse("holder").unwrap(),
            uri: UriPattern::parse("*").unwrap(),
        }
    }

    fn sign(&self, message: &[u8]) -> HandshakeSignature {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.key).unwrap();
        let octets = key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        HandshakeSignature { scheme: ECDSA_P256, octets }
    }

    fn sign_with_rsa(
        &self,
        message: &[u8],
        scheme: u16,
        encoding: &'static dyn RsaEncoding,
    ) -> HandshakeSignature {
        let key = RsaKeyPair::from_pkcs8(&self.key).unwrap();
        let mut octets = vec![0; key.public_modulus_len()];
        key.sign(encoding, &SystemRandom::new(), message, &mut octets).unwrap();
        HandshakeSignature { scheme, octets }
    }

    /// Returns the proof of a handshake with this transcript hash.
    fn proof(&self, hash: u8) -> CertificateProof {
        let message = tls_13(hash);
        self.shown(TlsVersion::Tls13, &message, self.sign(&message))
    }

    fn shown(&self, version: TlsVersion, message: &[u8], signature: HandshakeSignature) -> CertificateProof {
        CertificateProof::new(version, vec![self.der.clone()], message.to_vec(), signature).unwrap()
    }
}

fn tls_13(hash: u8) -> Vec<u8> {
    [&[0x20; 64], b"TLS 1.3, client CertificateVerify\0".as_slice(), &[hash; 32]].concat()
}

/// Prefixes data with its length in three bytes.
fn with_length(octets: &[u8]) -> Vec<u8> {
    [&u32::try_from(octets.len()).unwrap().to_be_bytes()[1..], octets].concat()
}

fn tls_12(own: &[u8]) -> Vec<u8> {
    let certificates = with_length(&with_length(own));
    let bodies: [(u8, &[u8]); 8] = [
        (1, b"hello"),
        (2, b"hello"),
        (11, b"service"),
        (12, b"key"),
        (13, b"request"),
        (14, b""),
        (11, &certificates),
        (16, b"key"),
    ];
    bodies.iter().flat_map(|(kind, body)| [vec![*kind], with_length(body)].concat()).collect()
}

#[test]
fn a_mapped_certificate_signs_in_with_tls_1_2_and_1_3() {
    let service = Service::new();
    let certificate = Certificate::new();
    service.map(&certificate);
    assert_eq!(service.account(&certificate.proof(1)).unwrap(), "ada");
    let message = tls_12(&certificate.der);
    let proof = certificate.shown(TlsVersion::Tls12, &message, certificate.sign(&message));
    assert_eq!(service.account(&proof).unwrap(), "ada");
}

#[test]
fn rsa_signature_schemes_depend_on_the_tls_version() {
    let service = Service::new();
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let certificate = Certificate::of(key, |_| {});
    service.map(&certificate);
    let older = tls_12(&certificate.der);
    for (version, message, scheme, encoding, is_taken) in [
        (TlsVersion::Tls13, tls_13(1), RSA_PSS, &RSA_PSS_SHA256 as &dyn RsaEncoding, true),
        (TlsVersion::Tls13, tls_13(2), RSA_PKCS1, &RSA_PKCS1_SHA256, false),
        (TlsVersion::Tls13, tls_13(3), RSA_PKCS1, &RSA_PSS_SHA256 as &dyn RsaEncoding, false),
        (TlsVersion::Tls12, older, RSA_PKCS1, &RSA_PKCS1_SHA256, true),
    ] {
        let proof =
            certificate.shown(version, &message, certificate.sign_with_rsa(&message, scheme, encoding));
        assert_eq!(service.account(&proof).is_ok(), is_taken, "{version:?} {scheme:#x}");
    }
}

#[test]
fn a_signature_of_another_key_or_message_is_rejected() {
    let service = Service::new();
    let (certificate, other) = (Certificate::new(), Certificate::new());
    service.map(&certificate);
    let message = tls_13(1);
    let mut changed = certificate.sign(&message);
    *changed.octets.last_mut().unwrap() ^= 1;
    let none = HandshakeSignature { scheme: ECDSA_P256, octets: Vec::new() };
    let unknown = HandshakeSignature { scheme: 0xFFFF, ..certificate.sign(&message) };
    for signature in [other.sign(&message), certificate.sign(&tls_13(2)), changed, none, unknown] {
        let proof = certificate.shown(TlsVersion::Tls13, &message, signature);
        assert_eq!(service.account(&proof), Err(AuthError::Unproven));
    }
    assert_eq!(
        service.account(&certificate.proof(1)).unwrap(),
        "ada",
        "rejected proofs are not recorded as used"
    );
}

#[test]
fn a_proof_is_accepted_on_one_connection_only() {
    let service = Service::new();
    let certificate = Certificate::new();
    let mut before = service.holder(&certificate.proof(1)).unwrap();
    assert_eq!(before.check_mapped().unwrap_err().error, AuthError::Unmapped);
    service.map(&certificate);
    let (mut first, mut second) =
        (service.holder(&certificate.proof(1)).unwrap(), service.holder(&certificate.proof(1)).unwrap());
    assert_eq!(first.account("any").unwrap().name, "ada");
    for _ in 0..2 {
        first.check_mapped().unwrap();
        assert_eq!(first.account("other").unwrap().name, "ada", "the first holder keeps its proof");
        for other in [&mut before, &mut second] {
            assert_eq!(other.check_mapped().unwrap_err().error, AuthError::Unproven);
            assert_eq!(other.account("any").unwrap_err().error, AuthError::Unproven);
        }
    }
    drop(first);
    assert_eq!(service.account(&certificate.proof(1)), Err(AuthError::Unproven));
    assert_eq!(service.account(&certificate.proof(2)).unwrap(), "ada");
}

#[test]
fn disabling_or_deleting_a_mapping_ends_its_access() {
    let service = Service::new();
    let certificate = Certificate::new();
    service.map(&certificate);
    let mut holder = service.holder(&certificate.proof(1)).unwrap();
    assert_eq!(holder.account("any").unwrap().name, "ada");
    for (state, is_accepted) in [(EnabledState::Disabled, false), (EnabledState::Enabled, true)] {
        let fields = MappingFields { state: Some(state), ..MappingFields::default() };
        service.sign_in.change_mapping(MappingChange::Put(certificate.keys(), fields), HERE).unwrap();
        assert_eq!(holder.check_mapped().is_ok(), is_accepted);
        assert_eq!(holder.account("any").is_ok(), is_accepted);
    }
    service.sign_in.change_mapping(MappingChange::Delete(certificate.keys()), HERE).unwrap();
    assert_eq!(holder.account("any").unwrap_err().error, AuthError::Unmapped);
}

#[test]
fn an_expired_certificate_is_rejected_although_mapped() {
    let service = Service::new();
    let certificate = Certificate::of(KeyPair::generate().unwrap(), |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    service.map(&certificate);
    assert_eq!(service.account(&certificate.proof(1)), Err(AuthError::Unmapped));
}

#[test]
fn many_unmapped_certificates_exhaust_their_source() {
    let service = Service::new();
    let (mapped, unmapped) = (Certificate::new(), Certificate::new());
    service.map(&mapped);
    let failures = (0..100).map(|hash| service.account(&unmapped.proof(hash)));
    let received = failures.filter(|verdict| *verdict == Err(AuthError::Unmapped)).count();
    assert_eq!(received, 30);
    assert_eq!(service.account(&mapped.proof(1)), Err(AuthError::NotAllowed));
    let elsewhere = [192, 0, 2, 1].into();
    let mut holder = service.sign_in.holder(&mapped.proof(2), elsewhere).unwrap();
    holder.check_mapped().unwrap();
}

#[test]
fn creating_a_mapping_requires_the_account_password() {
    let service = Service::new();
    let keys = Certificate::new().keys();
    let ada = UserName::parse("ada").unwrap();
    let create = |user: Option<&UserName>, password: Option<&str>| {
        let password = password.map(|text| Secret::new(text.to_owned()));
        let fields = MappingFields { user: user.cloned(), password, state: None };
        service.sign_in.change_mapping(MappingChange::Create(keys.clone(), fields), HERE)
    };
    assert_eq!(create(Some(&ada), None), Err(MappingChangeError::Incomplete));
    assert_eq!(create(None, Some("hunter2")), Err(MappingChangeError::Incomplete));
    assert_eq!(create(Some(&ada), Some("wrong")), Err(MappingChangeError::Credentials(ada.clone())));
    assert_eq!(service.sign_in.mappings().unwrap(), []);
    create(Some(&ada), Some("hunter2")).unwrap();
    assert_eq!(create(Some(&ada), Some("wrong")), Err(MappingChangeError::Exists(keys.clone())));
    assert_eq!(service.sign_in.mappings().unwrap().len(), 1);
}
