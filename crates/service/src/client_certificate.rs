//! Client certificates in the TLS handshake.

use std::sync::{Arc, OnceLock};

use auth::{CertificateProof, HandshakeSignature, TlsVersion};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConnection, SignatureScheme};
use tls::HandshakeSignatures;

/// Request for client certificates in the TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// The handshake does not request one.
    Unused,
    /// The handshake requests one; a client may have none.
    Requested,
    /// The handshake fails without one.
    Required,
}

/// Requests a certificate from one client and accepts any. Unless one is required, the client may have none.
///
/// The handshake verifies only that the client has the private key. Its account is determined by requests that use the
/// Certificate scheme, so that a client with a certificate can also authenticate in another way. Another process may
/// determine the account, so the signed data is kept as proof.
#[derive(Debug, Default)]
pub(crate) struct ClientCertificateVerifier {
    signatures: HandshakeSignatures,
    is_required: bool,
    proof: OnceLock<SignedHandshake>,
}

/// Data of the handshake that the client has signed.
#[derive(Debug)]
struct SignedHandshake {
    version: TlsVersion,
    message: Vec<u8>,
    signature: HandshakeSignature,
}

impl ClientCertificateVerifier {
    /// Creates the verifier of one handshake.
    pub(crate) fn new(request: ClientCertificates) -> Arc<Self> {
        Arc::new(Self { is_required: request == ClientCertificates::Required, ..Self::default() })
    }

    /// Returns the proof of possession after the handshake, if the client has presented a certificate.
    pub(crate) fn proof(&self, connection: &ServerConnection) -> Option<CertificateProof> {
        let chain = connection.peer_certificates()?.iter().map(|der| der.as_ref().to_vec()).collect();
        let SignedHandshake { version, message, signature } = self.proof.get()?;
        CertificateProof::new(*version, chain, message.clone(), signature.clone())
            .inspect_err(|error| tracing::warn!(%error, "Cannot use client certificate"))
            .ok()
    }

    fn store(&self, version: TlsVersion, message: &[u8], signature: &DigitallySignedStruct) {
        let (scheme, octets) = (u16::from(signature.scheme), signature.signature().to_vec());
        let signature = HandshakeSignature { scheme, octets };
        // A handshake has one client signature.
        let _ = self.proof.set(SignedHandshake { version, message: message.to_vec(), signature });
    }
}

impl ClientCertVerifier for ClientCertificateVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    /// Returns no authorities: unauthenticated clients must not learn which ones are trusted.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = self.signatures.verify_tls12(message, certificate, signature)?;
        self.store(TlsVersion::Tls12, message, signature);
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = self.signatures.verify_tls13(message, certificate, signature)?;
        self.store(TlsVersion::Tls13, message, signature);
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}
