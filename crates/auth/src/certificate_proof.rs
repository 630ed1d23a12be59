//! Proof of possession of a client certificate's key, taken from a TLS handshake, for a verifier outside that
//! connection.
//!
//! The signature itself is verified elsewhere. This module restricts what may have been signed, so that signatures made
//! for other purposes are not accepted as a handshake.

use std::fmt;

use crate::AuthError;

/// Client certificate, the other certificates of the handshake, and the signed message.
///
/// Neither the signature nor the account is verified by this type.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateProof {
    version: TlsVersion,
    /// INVARIANT: 1 to [`MAX_CERTIFICATES`] certificates, none empty, together at most [`MAX_CERTIFICATES_LENGTH`]
    /// bytes; the first is the client's own.
    certificates: Vec<Vec<u8>>,
    /// INVARIANT: a message that clients sign in a handshake of this version with these certificates.
    message: Vec<u8>,
    signature: HandshakeSignature,
}

/// TLS version of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246: the client signs all handshake messages so far.
    Tls12,
    /// RFC 8446: the client signs a context string and the hash of the handshake messages.
    Tls13,
}

/// Signature of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeSignature {
    /// `SignatureScheme` (RFC 8446 4.2.3).
    pub scheme: u16,
    /// Signature bytes.
    pub octets: Vec<u8>,
}

impl CertificateProof {
    /// Takes the client's DER certificates, its own first, the signed message and the signature.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] for a message that no client signs in a handshake of that version, and for input that
    /// exceeds the limits.
    pub fn new(
        version: TlsVersion,
        certificates: Vec<Vec<u8>>,
        message: Vec<u8>,
        signature: HandshakeSignature,
    ) -> Result<Self, AuthError> {
        let octets: usize = certificates.iter().map(Vec::len).sum();
        let is_bounded =
            (1..=MAX_CERTIFICATES).contains(&certificates.len()) && octets <= MAX_CERTIFICATES_LENGTH;
        if !is_bounded || certificates.iter().any(Vec::is_empty) {
            return Err(AuthError::Malformed("no certificates, or too many"));
        }
        if message.len() > MAX_MESSAGE_LENGTH || signature.octets.len() > MAX_SIGNATURE_LENGTH {
            return Err(AuthError::Malformed("signed message or signature is too long"));
        }
        match version {
            TlsVersion::Tls12 => check_transcript(&message, &certificates)?,
            TlsVersion::Tls13 => check_client_verify(&message)?,
        }
        Ok(Self { version, certificates, message, signature })
    }

    /// TLS version of the handshake.
    #[must_use]
    pub fn version(&self) -> TlsVersion {
        self.version
    }

    /// DER certificates that the client has sent, its own first.
    #[must_use]
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// DER of the client's own certificate.
    #[must_use]
    pub fn own(&self) -> &[u8] {
        self.certificates.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// Signed message. It depends on random bytes of the service, so it differs in every handshake.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Signature of the message.
    #[must_use]
    pub fn signature(&self) -> &HandshakeSignature {
        &self.signature
    }
}

impl fmt::Debug for CertificateProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateProof").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Checks a TLS 1.3 message: 64 spaces, the context string of client certificates, and a handshake hash of SHA-256 or
/// SHA-384 (RFC 8446 4.4.3).
fn check_client_verify(message: &[u8]) -> Result<(), AuthError> {
    let wrong = AuthError::Malformed("signed message is not that of a TLS 1.3 handshake");
    let (padding, rest) = message.split_first_chunk::<64>().ok_or(wrong)?;
    let hash = rest.strip_prefix(CLIENT_VERIFY).filter(|_| *padding == [0x20; 64]).ok_or(wrong)?;
    if matches!(hash.len(), 32 | 48) { Ok(()) } else { Err(wrong) }
}

/// Checks a TLS 1.2 message: all messages of a full handshake before `CertificateVerify`, with the same certificates
/// (RFC 5246 7.3 and 7.4.8).
fn check_transcript(message: &[u8], certificates: &[Vec<u8>]) -> Result<(), AuthError> {
    let wrong = AuthError::Malformed("signed message is not that of a TLS 1.2 handshake");
    let mut rest = message;
    let mut bodies = TRANSCRIPT.map(|_| &[][..]);
    for (kind, body) in TRANSCRIPT.iter().zip(&mut bodies) {
        let ([found, length @ ..], after) = rest.split_first_chunk::<4>().ok_or(wrong)?;
        let (this, after) = after.split_at_checked(length_of(*length)).ok_or(wrong)?;
        if found != kind {
            return Err(wrong);
        }
        (*body, rest) = (this, after);
    }
    let [.., of_client, _] = bodies;
    if rest.is_empty() && is_list_of(of_client, certificates) { Ok(()) } else { Err(wrong) }
}

/// Returns `true` if the body of a `Certificate` message contains exactly these certificates (RFC 5246 7.4.2).
fn is_list_of(body: &[u8], certificates: &[Vec<u8>]) -> bool {
    let Some((length, mut rest)) = body.split_first_chunk::<3>() else { return false };
    if length_of(*length) != rest.len() {
        return false;
    }
    for certificate in certificates {
        let Some((length, after)) = rest.split_first_chunk::<3>() else { return false };
        let Some(after) = after.strip_prefix(certificate.as_slice()) else { return false };
        if length_of(*length) != certificate.len() {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

fn length_of([high, middle, low]: [u8; 3]) -> usize {
    usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
}

/// Context string with its terminator.
const CLIENT_VERIFY: &[u8] = b"TLS 1.3, client CertificateVerify\0";

/// Message types of the handshake: `ClientHello`, `ServerHello`, `Certificate`, `ServerKeyExchange`,
/// `CertificateRequest`, `ServerHelloDone`, the client's `Certificate` and `ClientKeyExchange`. Every handshake with a
/// client certificate and ephemeral keys has these, and our service sends no others.
const TRANSCRIPT: [u8; 8] = [1, 2, 11, 12, 13, 14, 11, 16];

/// Maximum number of certificates; a typical chain has three or four.
const MAX_CERTIFICATES: usize = 10;
/// Maximum total length of the certificates in bytes; typical chains need less than a fifth.
const MAX_CERTIFICATES_LENGTH: usize = 32 * 1_024;
/// Maximum length of the signed message in bytes: both chains and the parameters of both ends.
const MAX_MESSAGE_LENGTH: usize = 96 * 1_024;
/// Maximum length of a signature in bytes: RSA with 8192 bits.
const MAX_SIGNATURE_LENGTH: usize = 1_024;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn proof(
        version: TlsVersion,
        certificates: &[&[u8]],
        message: &[u8],
    ) -> Result<CertificateProof, AuthError> {
        let certificates = certificates.iter().map(|one| one.to_vec()).collect();
        let signature = HandshakeSignature { scheme: 0x0403, octets: vec![1, 2, 3] };
        CertificateProof::new(version, certificates, message.to_vec(), signature)
    }

    fn client_verify(padding: u8, context: &[u8], hash: usize) -> Vec<u8> {
        [&[padding; 64], context, &vec![7; hash]].concat()
    }

    fn handshake_message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind], length.get(1..).unwrap(), body].concat()
    }

    fn certificate_list(all: &[&[u8]]) -> Vec<u8> {
        let list: Vec<u8> = all.iter().flat_map(|one| handshake_message(0, one).split_off(1)).collect();
        handshake_message(0, &list).split_off(1)
    }

    fn transcript(kinds: &[u8], of_client: &[u8]) -> Vec<u8> {
        let bodies = kinds.iter().enumerate().map(|(at, kind)| match at {
            6 => handshake_message(*kind, of_client),
            _ => handshake_message(*kind, b"whatever"),
        });
        bodies.flatten().collect()
    }

    fn is_accepted_13(message: &[u8]) -> bool {
        proof(TlsVersion::Tls13, &[b"own"], message).is_ok()
    }

    fn is_accepted_12(certificates: &[&[u8]], message: &[u8]) -> bool {
        proof(TlsVersion::Tls12, certificates, message).is_ok()
    }

    #[test]
    fn tls_13_accepts_only_the_client_context_and_a_hash() {
        for length in [32, 48] {
            assert!(is_accepted_13(&client_verify(0x20, CLIENT_VERIFY, length)));
        }
        for length in [0, 31, 33, 47, 49, 64] {
            assert!(!is_accepted_13(&client_verify(0x20, CLIENT_VERIFY, length)), "{length}");
        }
        assert!(!is_accepted_13(&client_verify(0x20, b"TLS 1.3, server CertificateVerify\0", 32)));
        assert!(!is_accepted_13(&client_verify(0x21, CLIENT_VERIFY, 32)));
        assert!(!is_accepted_13(&client_verify(0x20, CLIENT_VERIFY, 32)[1..]));
        assert!(!is_accepted_13(&transcript(&TRANSCRIPT, &certificate_list(&[b"own"]))));
    }

    #[test]
    fn tls_12_accepts_only_a_full_handshake_with_these_certificates() {
        let own_and_other: &[&[u8]] = &[b"own", b"other"];
        let right = transcript(&TRANSCRIPT, &certificate_list(own_and_other));
        assert!(is_accepted_12(own_and_other, &right));
        for end in 0..right.len() {
            assert!(!is_accepted_12(own_and_other, &right[..end]), "{end}");
        }
        assert!(!is_accepted_12(own_and_other, &[&right[..], b"\0"].concat()));
        for other in [&[b"own".as_slice()][..], &[b"other", b"own"], &[b"own", b"other", b"more"], &[]] {
            assert!(
                !is_accepted_12(own_and_other, &transcript(&TRANSCRIPT, &certificate_list(other))),
                "{other:?}"
            );
        }
        for at in 0..TRANSCRIPT.len() {
            let mut kinds = TRANSCRIPT;
            kinds[at] ^= 0x20;
            assert!(
                !is_accepted_12(own_and_other, &transcript(&kinds, &certificate_list(own_and_other))),
                "{at}"
            );
        }
        assert!(!is_accepted_12(own_and_other, &client_verify(0x20, CLIENT_VERIFY, 32)));
    }

    #[test]
    fn excessive_lengths_are_rejected() {
        let message = client_verify(0x20, CLIENT_VERIFY, 32);
        let is_accepted = |certificates: &[&[u8]]| proof(TlsVersion::Tls13, certificates, &message).is_ok();
        assert!(is_accepted(&[b"x".as_slice(); MAX_CERTIFICATES]));
        assert!(!is_accepted(&[b"x".as_slice(); MAX_CERTIFICATES + 1]));
        assert!(!is_accepted(&[]) && !is_accepted(&[b"own", b""]));
        assert!(
            is_accepted(&[&[0; MAX_CERTIFICATES_LENGTH]])
                && !is_accepted(&[&[0; MAX_CERTIFICATES_LENGTH], b"x"])
        );
        let signature = HandshakeSignature { scheme: 0, octets: vec![0; MAX_SIGNATURE_LENGTH + 1] };
        let long = CertificateProof::new(TlsVersion::Tls13, vec![vec![1]], message.clone(), signature);
        assert!(long.is_err());
        let huge = transcript(&TRANSCRIPT, &vec![0; MAX_MESSAGE_LENGTH]);
        assert!(proof(TlsVersion::Tls12, &[b"own"], &huge).is_err());
    }
}
