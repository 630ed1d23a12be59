//! How the handshake asks for a certificate, and what is kept of the proof.

use std::sync::{Arc, OnceLock};

use auth::{CertificateProof, HandshakeSignature, TlsVersion};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConnection, SignatureScheme};

/// Asks one client for a certificate, and lets the handshake finish without one and with any.
///
/// Whoever shows one must have its key: that is all the handshake decides. Whose it is decides a request that wants to
/// be judged by it, so that a client that happens to have a certificate can sign in otherwise. Who judges that may be
/// another process, so what was signed is kept.
#[derive(Debug)]
pub(crate) struct Asking {
    algorithms: WebPkiSupportedAlgorithms,
    signed: OnceLock<Signed>,
}

/// What the key of a certificate has signed.
#[derive(Debug)]
struct Signed {
    version: TlsVersion,
    message: Vec<u8>,
    signature: HandshakeSignature,
}

impl Asking {
    /// For one handshake.
    pub(crate) fn new(algorithms: WebPkiSupportedAlgorithms) -> Arc<Self> {
        Arc::new(Self { algorithms, signed: OnceLock::new() })
    }

    /// The proof of a handshake that is done, if the client has a certificate.
    pub(crate) fn proof(&self, connection: &ServerConnection) -> Option<CertificateProof> {
        let shown = connection.peer_certificates()?.iter().map(|der| der.as_ref().to_vec()).collect();
        let Signed { version, message, signature } = self.signed.get()?;
        CertificateProof::new(*version, shown, message.clone(), signature.clone())
            .inspect_err(|error| tracing::warn!(%error, "A client certificate cannot be used"))
            .ok()
    }

    fn keep(&self, version: TlsVersion, message: &[u8], signature: &DigitallySignedStruct) {
        let (scheme, octets) = (u16::from(signature.scheme), signature.signature().to_vec());
        let signature = HandshakeSignature { scheme, octets };
        // There is one signature in a handshake.
        let _ = self.signed.set(Signed { version, message: message.to_vec(), signature });
    }
}

impl ClientCertVerifier for Asking {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: what authorities there are is nobody's business who has not signed in.
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
        let valid = verify_tls12_signature(message, certificate, signature, &self.algorithms)?;
        self.keep(TlsVersion::Tls12, message, signature);
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = verify_tls13_signature(message, certificate, signature, &self.algorithms)?;
        self.keep(TlsVersion::Tls13, message, signature);
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
