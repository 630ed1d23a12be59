#![allow(clippy::unwrap_used)]

use std::slice::from_ref;

use auth::UserName;
use auth::account_file::EnabledState;
use auth::certificate_mapping::{Mapping, SubjectPattern, UriPattern};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};

use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A time in 2026; the certificates here are valid from 1975 to 4096.
const NOW: u64 = 1_780_000_000;

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn for_clients(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn authority_params(name: &str) -> CertificateParams {
    as_authority(named(name))
}

fn as_authority(mut params: CertificateParams) -> CertificateParams {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn authority(name: &str) -> Authority {
    CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

fn signed(params: CertificateParams, by: &Authority) -> CertificateDer<'static> {
    params.signed_by(&KeyPair::generate().unwrap(), by).unwrap().der().clone()
}

fn self_signed(params: CertificateParams) -> CertificateDer<'static> {
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
}

/// Returns mappings for these issuers and these trusted authorities.
fn known(issuers: &[&[u8]], authorities: &[&[u8]]) -> ClientCertificates {
    let mapping = |issuer: &&[u8]| Mapping {
        issuer: thumbprint(issuer),
        subject: SubjectPattern::parse("*").unwrap(),
        uri: UriPattern::parse("*").unwrap(),
        user: UserName::parse("ada").unwrap(),
        state: EnabledState::Enabled,
    };
    let mappings = CertificateMappings::new(issuers.iter().map(mapping).collect()).unwrap();
    ClientCertificates { mappings, authorities: authorities.iter().map(|der| der.to_vec()).collect() }
}

fn facts(chain: &[CertificateDer<'static>], known: &ClientCertificates) -> CertificateFacts {
    ClientCertificate(chain.into()).facts(known, UnixTime::new(NOW)).unwrap()
}

fn verdict(chain: &[CertificateDer<'static>], known: &ClientCertificates) -> ChainVerdict {
    facts(chain, known).chain
}

#[test]
fn a_certificate_of_a_trusted_authority_reports_its_issuer() {
    let (ours, other) = (authority("Ours"), authority("Other"));
    let leaf = signed(for_clients("ada"), &ours);
    let found = facts(from_ref(&leaf), &known(&[], &[other.der(), ours.der()]));
    assert_eq!((found.chain, found.signer), (ChainVerdict::Trusted, thumbprint(ours.der())));
    assert_eq!(found.purpose, Purpose::ClientAuthentication);
    assert!(found.valid.contains(&UnixTime::new(NOW)));
    assert_eq!(verdict(from_ref(&leaf), &known(&[ours.der()], &[other.der()])), ChainVerdict::Untrusted);
    // Certificates sent by the client are not trusted as authorities.
    let shown = [leaf, ours.der().clone()];
    assert_eq!(verdict(&shown, &known(&[ours.der()], &[])), ChainVerdict::Untrusted);
}

#[test]
fn an_authority_with_a_forged_name_is_untrusted() {
    let (ours, forged) = (authority("Ours"), authority("Ours"));
    let leaf = signed(for_clients("ada"), &forged);
    assert_eq!(verdict(&[leaf], &known(&[ours.der()], &[ours.der()])), ChainVerdict::Untrusted);
}

#[test]
fn the_issuer_in_a_longer_chain_is_the_intermediate() {
    let root = authority("Root");
    let between =
        CertifiedIssuer::signed_by(authority_params("Between"), KeyPair::generate().unwrap(), &root).unwrap();
    let leaf = signed(for_clients("ada"), &between);
    let chain = [leaf.clone(), between.der().clone()];
    let found = facts(&chain, &known(&[], &[root.der()]));
    assert_eq!((found.chain, found.signer), (ChainVerdict::Trusted, thumbprint(between.der())));
    assert_eq!(verdict(&[leaf], &known(&[], &[root.der()])), ChainVerdict::Untrusted);
}

#[test]
fn an_end_entity_cannot_issue_certificates() {
    let ours = authority("Ours");
    let ben = CertifiedIssuer::signed_by(for_clients("ben"), KeyPair::generate().unwrap(), &ours).unwrap();
    let leaf = signed(for_clients("ada"), &ben);
    let chain = [leaf, ben.der().clone()];
    assert_eq!(verdict(&chain, &known(&[ben.der(), ours.der()], &[ours.der()])), ChainVerdict::Untrusted);
}

#[test]
fn the_mapped_certificate_of_a_renewed_authority_is_reported() {
    let old = authority("Ours");
    let renewed = authority_params("Ours").self_signed(old.key()).unwrap();
    let leaf = signed(for_clients("ada"), &old);
    for (mapped, authorities) in
        [(old.der(), [old.der(), renewed.der()]), (renewed.der(), [old.der(), renewed.der()])]
    {
        let authorities = authorities.map(AsRef::as_ref);
        assert_eq!(facts(from_ref(&leaf), &known(&[mapped], &authorities)).signer, thumbprint(mapped));
    }
}

#[test]
fn a_self_signed_certificate_is_trusted_only_if_mapped() {
    // The second kind is what openssl creates.
    for params in [for_clients("ada"), as_authority(for_clients("ada"))] {
        let own = self_signed(params.clone());
        let found = facts(from_ref(&own), &known(&[&own], &[]));
        assert_eq!((found.chain, found.signer), (ChainVerdict::Trusted, thumbprint(&own)));
        assert_eq!(verdict(from_ref(&own), &known(&[], &[])), ChainVerdict::Untrusted);
        // Another self-signed certificate with the same names is not trusted.
        assert_eq!(verdict(&[self_signed(params)], &known(&[&own], &[])), ChainVerdict::Untrusted);
    }
}

#[test]
fn a_mapped_leaf_of_an_unknown_authority_is_untrusted() {
    let unknown = authority("Unknown");
    let leaf = signed(for_clients("ada"), &unknown);
    assert_eq!(verdict(from_ref(&leaf), &known(&[&leaf], &[])), ChainVerdict::Untrusted);
}

#[test]
fn extended_key_usage_gives_the_purpose() {
    let purpose = |usages: &[ExtendedKeyUsagePurpose]| {
        let mut params = named("ada");
        params.extended_key_usages = usages.to_vec();
        facts(&[self_signed(params)], &known(&[], &[])).purpose
    };
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    assert_eq!(purpose(&[]), Purpose::Unspecified);
    assert_eq!(purpose(&[ServerAuth]), Purpose::Other);
    assert_eq!(purpose(&[Any]), Purpose::Other);
    assert_eq!(purpose(&[ServerAuth, ClientAuth]), Purpose::ClientAuthentication);
}

#[test]
fn all_kinds_of_names_are_parsed() {
    let mut params = for_clients("Ada Lovelace");
    params.subject_alt_names = vec![
        SanType::OtherName((vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3], "ada@corp.example".into())),
        SanType::OtherName((vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 4], "other".into())),
        SanType::Rfc822Name("ada@mail.example".try_into().unwrap()),
        SanType::DnsName("ada.example".try_into().unwrap()),
    ];
    let names = facts(&[self_signed(params)], &known(&[], &[])).names;
    assert_eq!(names.user_principal_name.as_deref(), Some("ada@corp.example"));
    assert_eq!(names.mail_addresses, ["ada@mail.example"]);
    assert_eq!(names.dns_names, ["ada.example"]);
    assert_eq!(names.common_name.as_deref(), Some("Ada Lovelace"));
}

#[test]
fn the_last_common_name_is_used() {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), "Users");
    params.distinguished_name.push(DnType::CommonName, "Ada");
    let names = facts(&[self_signed(params)], &known(&[], &[])).names;
    assert_eq!(names.common_name.as_deref(), Some("Ada"));
}

#[test]
fn duplicate_or_malformed_user_principal_names_are_rejected() {
    let with = |names: &[&[u8]]| {
        const USER_PRINCIPAL_NAME: [u8; 12] = [6, 10, 43, 6, 1, 4, 1, 130, 55, 20, 2, 3];
        let wrapped = |tag: u8, inner: &[u8]| {
            let mut out = vec![tag, u8::try_from(inner.len()).unwrap()];
            out.extend(inner);
            out
        };
        let names = names.iter().flat_map(|name| wrapped(0xA0, &[&USER_PRINCIPAL_NAME, *name].concat()));
        let content = wrapped(0x30, &names.collect::<Vec<u8>>());
        let mut params = for_clients("ada");
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], content)];
        let certificate = ClientCertificate([self_signed(params)].into());
        certificate.facts(&known(&[], &[]), UnixTime::new(NOW)).map(|facts| facts.names.user_principal_name)
    };
    let ada = b"\xA0\x05\x0C\x03ada".as_slice();
    assert_eq!(with(&[ada]).unwrap().as_deref(), Some("ada"));
    assert!(with(&[ada, b"\xA0\x05\x0C\x03ben"]).unwrap_err().contains("more than one"));
    for wrong in [b"\xA0\x05\x04\x03ada".as_slice(), b"\xA1\x05\x0C\x03ada", b"\xA0\x04\x0C\x02\xC3(", b""] {
        assert!(with(&[wrong]).is_err(), "{wrong:?}");
    }
}
