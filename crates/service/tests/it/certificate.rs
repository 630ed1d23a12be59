//! Tests of client certificates, which the mappings evaluate for each request.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use accounts::{CertificateHolder, HolderLimits, MappedAccounts};

use auth::account_file::EnabledState;
use auth::certificate_mapping::{
    CertificateMappings, CertificateThumbprint, Mapping, SubjectPattern, UriPattern,
};
use auth::{
    Acceptor, Account, AccountList, AuthError, Authenticator, CertificateProof, ClientCertificates, Holder,
    PasswordVerifier, Peer, Scheme, Secret, UserName, VerifierCost,
};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use wsman::code;
use wsman::namespace::CONFIG;

use crate::message::Message;
use crate::probe;
use crate::running::{Running, accounts};
use crate::wire::{ADA, BEN, ClientIdentity, Post, Wire, post};

const CERTIFICATE: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";
const ON: (&str, &str) = ("Service.Auth.Certificate", "true");
const EVERYONE: (&str, &str) = ("Service.RootSDDL", "O:NSG:BAD:P(A;;GA;;;WD)");

/// A certification authority for clients.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Clients");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn signs(&self, name: &str) -> ClientIdentity {
        self.signs_with(for_clients(name))
    }

    fn signs_with(&self, params: CertificateParams) -> ClientIdentity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        shown(certificate.der().clone(), &key)
    }

    fn maps(&self, subject: &str, uri: &str, user: &str) -> Mapping {
        mapping(self.0.der(), subject, uri, user)
    }
}

fn for_clients(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn self_signed(name: &str) -> ClientIdentity {
    let key = KeyPair::generate().unwrap();
    let certificate = for_clients(name).self_signed(&key).unwrap();
    shown(certificate.der().clone(), &key)
}

fn shown(certificate: CertificateDer<'static>, key: &KeyPair) -> ClientIdentity {
    ClientIdentity { chain: vec![certificate], key: PrivateKeyDer::Pkcs8(key.serialize_der().into()) }
}

fn mapping(issuer: &[u8], subject: &str, uri: &str, user: &str) -> Mapping {
    let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, issuer);
    Mapping {
        issuer: CertificateThumbprint(sha1.as_ref().try_into().unwrap()),
        subject: SubjectPattern::parse(subject).unwrap(),
        uri: UriPattern::parse(uri).unwrap(),
        user: UserName::parse(user).unwrap(),
        state: EnabledState::Enabled,
    }
}

/// An authenticator with mappings and their passwords, which counts lookups of accounts.
struct TestMappings {
    me: Weak<Self>,
    counting: HolderLimits,
    accounts: AccountList,
    known: Mutex<Arc<ClientCertificates>>,
    /// Passwords of ada and ben in the mappings.
    passwords: Mutex<[&'static str; 2]>,
    requested: AtomicUsize,
}

impl TestMappings {
    fn new(authorities: &[&Authority], mappings: Vec<Mapping>) -> Arc<Self> {
        let mapped = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            counting: HolderLimits::default(),
            accounts: accounts(),
            known: Mutex::default(),
            passwords: Mutex::new([ADA, BEN]),
            requested: AtomicUsize::new(0),
        });
        mapped.know(authorities, mappings);
        mapped
    }

    fn know(&self, authorities: &[&Authority], mappings: Vec<Mapping>) {
        let mappings = CertificateMappings::new(mappings).unwrap();
        let authorities = authorities.iter().map(|authority| authority.0.der().to_vec()).collect();
        *self.known.lock().unwrap() = Arc::new(ClientCertificates { mappings, authorities });
    }

    fn requested(&self) -> usize {
        self.requested.load(Ordering::Relaxed)
    }
}

impl Authenticator for TestMappings {
    fn supports(&self, scheme: Scheme) -> bool {
        matches!(scheme, Scheme::Basic | Scheme::Certificate)
    }

    fn password(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Account, AuthError> {
        self.accounts.verify(user, password, from)
    }

    fn acceptor(&self, _: Scheme, _: &Peer) -> Result<Box<dyn Acceptor>, AuthError> {
        Err(AuthError::NoMechanism)
    }

    fn cost(&self) -> VerifierCost {
        VerifierCost::Quick
    }

    fn holder(&self, proof: &CertificateProof, from: IpAddr) -> Result<Box<dyn Holder>, AuthError> {
        let accounts = self.me.upgrade().ok_or(AuthError::Unavailable)?;
        Ok(Box::new(CertificateHolder::prove(proof, accounts, self.counting.clone(), from)?))
    }

    /// Returns zero, so that every change takes effect at once.
    fn verdict_lifetime(&self) -> Duration {
        Duration::ZERO
    }
}

impl MappedAccounts for TestMappings {
    fn current(&self) -> Result<Arc<ClientCertificates>, AuthError> {
        Ok(Arc::clone(&self.known.lock().unwrap()))
    }

    fn verify(&self, mapping: &Mapping, from: IpAddr) -> Result<Account, AuthError> {
        self.requested.fetch_add(1, Ordering::Relaxed);
        let [ada, ben] = *self.passwords.lock().unwrap();
        let password = if mapping.user.user() == "ada" { ada } else { ben };
        self.password(mapping.user.user(), &Secret::new(password.to_owned()), from)
    }

    fn admits(&self, _: &Account, _: IpAddr) -> Result<(), AuthError> {
        Ok(())
    }
}

fn by_certificate(post: Post) -> Post {
    post.header("Authorization", CERTIFICATE)
}

fn hello() -> Post {
    by_certificate(post(Message::probe("echo", "hello")))
}

fn get() -> Post {
    by_certificate(post(Message::transfer(CONFIG, "Get")))
}

async fn connect(running: &Running, shown: &ClientIdentity) -> Wire {
    Wire::connect_tls_as(running.https, shown).await.unwrap()
}

async fn account(wire: &mut Wire, post: &Post) -> String {
    let answer = wire.ask(post).await;
    let account = answer.response().content().unwrap().attribute("", "Account").unwrap().into_owned();
    assert_eq!(answer.header("WWW-Authenticate"), None);
    account
}

async fn refused(wire: &mut Wire, post: &Post) {
    let answer = wire.ask(post).await;
    assert_eq!((answer.status, answer.body.len()), (401, 0), "{answer:?}");
    assert_eq!(answer.headers("WWW-Authenticate"), ["Basic realm=\"WSMAN\""]);
}

#[tokio::test]
async fn the_resource_determines_the_account_of_a_request() {
    let authority = Authority::new();
    let probes = format!("{}*", probe::URI);
    let mappings = vec![authority.maps("ada", "*", "ada"), authority.maps("ada", &probes, "ben")];
    let running =
        Running::with_authenticator(TestMappings::new(&[&authority], mappings), &[ON, EVERYONE]).await;
    let mut wire = connect(&running, &authority.signs("ada")).await;
    for _ in 0..2 {
        assert_eq!(account(&mut wire, &hello()).await, "ben");
        assert_eq!(wire.ask(&get()).await.status, 200);
        // Each request must name the scheme; earlier requests do not count.
        refused(&mut wire, &hello().anonymous()).await;
        assert_eq!(account(&mut wire, &hello().signed_in("ada", ADA)).await, "ada");
        refused(&mut wire, &hello().anonymous()).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn a_mapped_self_signed_certificate_is_accepted() {
    let (ada, eve) = (self_signed("ada"), self_signed("ada"));
    let mapped = TestMappings::new(&[], vec![mapping(&ada.chain[0], "ada", "*", "ada")]);
    let running = Running::with_authenticator(mapped, &[ON]).await;
    assert_eq!(account(&mut connect(&running, &ada).await, &hello()).await, "ada");
    refused(&mut connect(&running, &eve).await, &hello()).await;
    running.stop().await;
}

#[tokio::test]
async fn clients_without_a_mapping_are_rejected_and_can_use_basic() {
    let (authority, other) = (Authority::new(), Authority::new());
    let mapped = TestMappings::new(&[&authority], vec![authority.maps("ada", "*", "ada")]);
    let running = Running::with_authenticator(Arc::clone(&mapped) as _, &[ON]).await;
    for shown in [other.signs("ada"), authority.signs("ben"), self_signed("ada")] {
        let mut wire = connect(&running, &shown).await;
        refused(&mut wire, &hello()).await;
        refused(&mut wire, &hello().anonymous()).await;
        assert_eq!(account(&mut wire, &hello().signed_in("ada", ADA)).await, "ada");
        refused(&mut wire, &hello()).await;
    }
    // Without a certificate, and without TLS.
    let mut wire = running.connect_tls().await;
    refused(&mut wire, &hello()).await;
    assert_eq!(account(&mut wire, &hello().signed_in("ada", ADA)).await, "ada");
    refused(&mut running.connect().await, &hello()).await;
    assert_eq!(mapped.requested(), 0);
    running.stop().await;
}

#[tokio::test]
async fn expired_early_and_server_certificates_are_rejected() {
    let authority = Authority::new();
    let mapped = TestMappings::new(&[&authority], vec![authority.maps("*", "*", "ada")]);
    let running = Running::with_authenticator(Arc::clone(&mapped) as _, &[ON]).await;
    let [mut expired, mut to_come, mut for_servers, mut unsaid] = [(); 4].map(|()| for_clients("ada"));
    expired.not_after = date_time_ymd(2020, 1, 1);
    to_come.not_before = date_time_ymd(4000, 1, 1);
    for_servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    unsaid.extended_key_usages.clear();
    for params in [expired, to_come, for_servers, unsaid] {
        refused(&mut connect(&running, &authority.signs_with(params)).await, &hello()).await;
    }
    assert_eq!(mapped.requested(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_certificate_without_its_key_fails_the_handshake() {
    let authority = Authority::new();
    let mapped = TestMappings::new(&[&authority], vec![authority.maps("*", "*", "ada")]);
    let running = Running::with_authenticator(mapped, &[ON]).await;
    let (ada, eve) = (authority.signs("ada"), authority.signs("eve"));
    let stolen = ClientIdentity { chain: ada.chain.clone(), key: eve.key.clone_key() };
    // With TLS 1.3, a client may send data before it learns of the rejection.
    if let Ok(mut wire) = Wire::connect_tls_as(running.https, &stolen).await {
        let _ = wire.try_send(hello().octets()).await;
        assert_eq!(wire.read_to_end().await, 0);
    }
    assert_eq!(running.probe.so_far(), []);
    assert_eq!(account(&mut connect(&running, &ada).await, &hello()).await, "ada");
    running.stop().await;
}

#[tokio::test]
async fn the_setting_applies_to_requests_and_new_connections() {
    let authority = Authority::new();
    let mapped = TestMappings::new(&[&authority], vec![authority.maps("*", "*", "ada")]);
    let running = Running::with_authenticator(mapped, &[]).await;
    let ada = authority.signs("ada");
    let mut before = connect(&running, &ada).await;
    refused(&mut before, &hello()).await;
    running.set("Service.Auth.Certificate", "true");
    // The service did not request a certificate in that handshake.
    refused(&mut before, &hello()).await;
    let mut after = connect(&running, &ada).await;
    assert_eq!(account(&mut after, &hello()).await, "ada");
    running.set("Service.Auth.Certificate", "false");
    refused(&mut after, &hello()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_certificate_without_a_mapping_is_rejected_before_the_body() {
    let authority = Authority::new();
    let mapped = TestMappings::new(&[&authority], vec![authority.maps("ada", "*", "ada")]);
    let running = Running::with_authenticator(mapped, &[ON]).await;
    let waiting = |post: &Post| {
        let length = post.body.len();
        format!("{}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n", post.head())
    };
    let mut wire = connect(&running, &authority.signs("ben")).await;
    wire.send(waiting(&hello())).await;
    assert_eq!(wire.answer().await.status, 401);
    wire.ends().await;
    drop(wire);
    let mut wire = connect(&running, &authority.signs("ada")).await;
    wire.send(waiting(&hello())).await;
    assert_eq!(wire.answer().await.status, 100);
    wire.send(hello().body).await;
    assert_eq!(wire.answer().await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn messages_without_a_resource_need_a_mapping_for_all_resources() {
    let authority = Authority::new();
    let probes = format!("{}*", probe::URI);
    let mappings = vec![authority.maps("ada", "*", "ada"), authority.maps("ben", &probes, "ben")];
    let running =
        Running::with_authenticator(TestMappings::new(&[&authority], mappings), &[ON, EVERYONE]).await;
    let mut ada = connect(&running, &authority.signs("ada")).await;
    let mut ben = connect(&running, &authority.signs("ben")).await;
    assert_eq!(account(&mut ben, &hello()).await, "ben");
    refused(&mut ben, &get()).await;
    let nonsense = by_certificate(post("<x/>"));
    let empty = by_certificate(post(""));
    assert_eq!(ada.ask(&nonsense).await.status, 500);
    assert_eq!(ada.ask(&empty).await.status, 200);
    refused(&mut ben, &nonsense).await;
    refused(&mut ben, &empty).await;
    // A second ResourceURI header does not change the result.
    let disguised = Message::transfer(CONFIG, "Get").header(&format!(
        "<w:ResourceURI xmlns:w=\"{}\">{}</w:ResourceURI>",
        wsman::namespace::WSMAN,
        probe::URI
    ));
    refused(&mut ben, &by_certificate(post(disguised))).await;
    running.stop().await;
}

#[tokio::test]
async fn an_account_is_looked_up_once_until_something_changes() {
    let authority = Authority::new();
    let mapped = TestMappings::new(&[&authority], vec![authority.maps("*", "*", "ada")]);
    let running = Running::with_authenticator(Arc::clone(&mapped) as _, &[ON]).await;
    let mut wire = connect(&running, &authority.signs("ada")).await;
    for _ in 0..3 {
        assert_eq!(account(&mut wire, &hello()).await, "ada");
    }
    assert_eq!(mapped.requested(), 1);
    // The password of the account has changed, but the mapping still contains the old one.
    *mapped.passwords.lock().unwrap() = ["old", BEN];
    let mut other = connect(&running, &authority.signs("ada")).await;
    refused(&mut other, &hello()).await;
    refused(&mut other, &hello()).await;
    assert_eq!(mapped.requested(), 3);
    // Any change of the mappings makes every connection look up its account again.
    mapped.know(&[&authority], vec![authority.maps("*", "*", "ada"), authority.maps("x", "*", "ben")]);
    refused(&mut wire, &hello()).await;
    *mapped.passwords.lock().unwrap() = [ADA, BEN];
    assert_eq!(account(&mut wire, &hello()).await, "ada");
    // So does the removal of an authority.
    mapped.know(&[], vec![authority.maps("*", "*", "ada")]);
    refused(&mut wire, &hello()).await;
    mapped.know(&[&authority], vec![]);
    refused(&mut wire, &hello()).await;
    running.stop().await;
}

#[tokio::test]
async fn the_access_check_uses_the_mapped_account() {
    let authority = Authority::new();
    let mappings = vec![authority.maps("ben", "*", "ben"), authority.maps("eve", "*", "eve")];
    let running = Running::with_authenticator(TestMappings::new(&[&authority], mappings), &[ON]).await;
    let mut ben = connect(&running, &authority.signs("ben")).await;
    assert_eq!(ben.ask(&get()).await.fault().fault.code(), code::ACCESS_DENIED);
    refused(&mut connect(&running, &authority.signs("eve")).await, &get()).await;
    running.stop().await;
}
