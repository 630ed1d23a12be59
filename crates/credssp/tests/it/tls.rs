//! TLS ends without CredSSP, for tests that violate its rules.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use auth::{Acceptor as _, Step};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, Error, ServerConfig, ServerConnection,
    SignatureScheme, SupportedProtocolVersion,
};
use telarch_credssp::Acceptor;

use crate::KeyedCertificate;

/// One TLS end.
pub(crate) struct Tls(pub(crate) Connection);

impl Tls {
    pub(crate) fn client(version: &'static SupportedProtocolVersion) -> Self {
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Blind))
            .with_no_client_auth();
        config.enable_sni = false;
        let name = ServerName::from(std::net::Ipv4Addr::LOCALHOST);
        Self(ClientConnection::new(Arc::new(config), name).unwrap().into())
    }

    pub(crate) fn server(own: &KeyedCertificate) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.certificate.clone()], own.private_key())
            .unwrap();
        Self(ServerConnection::new(Arc::new(config)).unwrap().into())
    }

    /// Completes the handshake with a service.
    pub(crate) fn shake_hands(&mut self, service: &mut Acceptor) {
        while let token @ [_, ..] = &self.pending()[..] {
            let Step::Continue(answer) = service.step(token).unwrap() else { panic!("completed too early") };
            assert_eq!(self.receive(&answer), b"");
        }
        assert!(!self.0.is_handshaking());
    }

    pub(crate) fn receive(&mut self, mut octets: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        while !octets.is_empty() {
            self.0.read_tls(&mut octets).unwrap();
            let state = self.0.process_new_packets().unwrap();
            let mut piece = vec![0; state.plaintext_bytes_to_read()];
            self.0.reader().read_exact(&mut piece).unwrap();
            plain.append(&mut piece);
        }
        plain
    }

    pub(crate) fn pending(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.0.wants_write() {
            self.0.write_tls(&mut records).unwrap();
        }
        records
    }

    pub(crate) fn send(&mut self, plain: &[u8]) -> Vec<u8> {
        self.0.writer().write_all(plain).unwrap();
        self.pending()
    }
}

#[derive(Debug)]
struct Blind;

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
