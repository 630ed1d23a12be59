//! What a client has shown and signed in the handshake of TLS, for whoever judges it without having taken part.
//!
//! The signature itself is verified where cryptography is; here stands what may have been signed at all, so that
//! nothing that a key has signed for another purpose is taken for a handshake.

use std::fmt;

use crate::AuthError;

/// The certificate of a client, what it has shown beside it, and what its key has signed.
///
/// Whether the signature is right, and whose the certificate is, is not decided by this value.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateProof {
    version: TlsVersion,
    /// INVARIANT: 1 to [`MOST_CERTIFICATES`], none empty, [`MOST_SHOWN`] octets at most; the first is the client's own.
    shown: Vec<Vec<u8>>,
    /// INVARIANT: what a client signs in a handshake of this version, showing these certificates.
    message: Vec<u8>,
    signature: HandshakeSignature,
}

/// The versions of TLS in which clients have certificates here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246: every message of the handshake so far is signed.
    Tls12,
    /// RFC 8446: their hash is signed, in a context.
    Tls13,
}

/// A signature of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeSignature {
    /// Its `SignatureScheme` (RFC 8446 4.2.3).
    pub scheme: u16,
    /// The signature.
    pub octets: Vec<u8>,
}

impl CertificateProof {
    /// Takes what a client has shown, its own certificate first, all in DER, and what it has signed.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] for what no client signs in a handshake of that version, and for more than a service
    /// looks at.
    pub fn new(
        version: TlsVersion,
        shown: Vec<Vec<u8>>,
        message: Vec<u8>,
        signature: HandshakeSignature,
    ) -> Result<Self, AuthError> {
        let octets: usize = shown.iter().map(Vec::len).sum();
        let is_bounded = (1..=MOST_CERTIFICATES).contains(&shown.len()) && octets <= MOST_SHOWN;
        if !is_bounded || shown.iter().any(Vec::is_empty) {
            return Err(AuthError::Malformed("there are no certificates, or more than any client has"));
        }
        if message.len() > MOST_SIGNED || signature.octets.len() > LONGEST_SIGNATURE {
            return Err(AuthError::Malformed("more is signed than in any handshake"));
        }
        match version {
            TlsVersion::Tls12 => is_transcript(&message, &shown)?,
            TlsVersion::Tls13 => is_client_verify(&message)?,
        }
        Ok(Self { version, shown, message, signature })
    }

    /// The version of the handshake.
    #[must_use]
    pub fn version(&self) -> TlsVersion {
        self.version
    }

    /// What the client has shown, its own certificate first, in DER.
    #[must_use]
    pub fn shown(&self) -> &[Vec<u8>] {
        &self.shown
    }

    /// The client's own certificate, in DER.
    #[must_use]
    pub fn own(&self) -> &[u8] {
        self.shown.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// What was signed. It holds what the service chose at random, so no two handshakes have the same.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The signature.
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

/// What a client signs with TLS 1.3: a context that no server and no other protocol has, and the hash of the
/// handshake with SHA-256 or SHA-384 (RFC 8446 4.4.3).
fn is_client_verify(message: &[u8]) -> Result<(), AuthError> {
    let wrong = AuthError::Malformed("it was not signed in a handshake of TLS 1.3");
    let (padding, rest) = message.split_first_chunk::<64>().ok_or(wrong)?;
    let hash = rest.strip_prefix(CLIENT_VERIFY).filter(|_| *padding == [0x20; 64]).ok_or(wrong)?;
    if matches!(hash.len(), 32 | 48) { Ok(()) } else { Err(wrong) }
}

/// What a client signs with TLS 1.2: every message of a full handshake up to there, the same certificates among them
/// (RFC 5246 7.3 and 7.4.8).
fn is_transcript(message: &[u8], shown: &[Vec<u8>]) -> Result<(), AuthError> {
    let wrong = AuthError::Malformed("it was not signed in a handshake of TLS 1.2");
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
    if rest.is_empty() && is_list_of(of_client, shown) { Ok(()) } else { Err(wrong) }
}

/// Whether the body of a message `Certificate` has these and no others (RFC 5246 7.4.2).
fn is_list_of(body: &[u8], shown: &[Vec<u8>]) -> bool {
    let Some((length, mut rest)) = body.split_first_chunk::<3>() else { return false };
    if length_of(*length) != rest.len() {
        return false;
    }
    for certificate in shown {
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

/// The context and what ends it.
const CLIENT_VERIFY: &[u8] = b"TLS 1.3, client CertificateVerify\0";

/// `ClientHello`, `ServerHello`, `Certificate`, `ServerKeyExchange`, `CertificateRequest`, `ServerHelloDone`, the
/// client's `Certificate` and `ClientKeyExchange`: what there is in every handshake with a client certificate and
/// ephemeral keys, and nothing else in ours.
const TRANSCRIPT: [u8; 8] = [1, 2, 11, 12, 13, 14, 11, 16];

/// A chain has three or four.
const MOST_CERTIFICATES: usize = 10;
/// In octets, of all certificates together; usual chains have less than a fifth of that.
const MOST_SHOWN: usize = 32 * 1_024;
/// In octets: both chains, and what the two ends offer each other.
const MOST_SIGNED: usize = 96 * 1_024;
/// In octets: RSA with 8192 bits.
const LONGEST_SIGNATURE: usize = 1_024;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn proof(version: TlsVersion, shown: &[&[u8]], message: &[u8]) -> Result<CertificateProof, AuthError> {
        let shown = shown.iter().map(|one| one.to_vec()).collect();
        let signature = HandshakeSignature { scheme: 0x0403, octets: vec![1, 2, 3] };
        CertificateProof::new(version, shown, message.to_vec(), signature)
    }

    fn client_verify(padding: u8, context: &[u8], hash: usize) -> Vec<u8> {
        [&[padding; 64], context, &vec![7; hash]].concat()
    }

    fn handshake_message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind], length.get(1..).unwrap(), body].concat()
    }

    fn certificates(all: &[&[u8]]) -> Vec<u8> {
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

    #[test]
    fn with_tls_13_nothing_but_the_context_of_clients_and_a_hash_is_taken() {
        let taken = |message: &[u8]| proof(TlsVersion::Tls13, &[b"own"], message).is_ok();
        for length in [32, 48] {
            assert!(taken(&client_verify(0x20, CLIENT_VERIFY, length)));
        }
        for length in [0, 31, 33, 47, 49, 64] {
            assert!(!taken(&client_verify(0x20, CLIENT_VERIFY, length)), "{length}");
        }
        assert!(!taken(&client_verify(0x20, b"TLS 1.3, server CertificateVerify\0", 32)));
        assert!(!taken(&client_verify(0x21, CLIENT_VERIFY, 32)));
        assert!(!taken(&client_verify(0x20, CLIENT_VERIFY, 32)[1..]));
        assert!(!taken(&transcript(&TRANSCRIPT, &certificates(&[b"own"]))));
    }

    #[test]
    fn with_tls_12_nothing_but_a_whole_handshake_with_these_certificates_is_taken() {
        let own_and_other: &[&[u8]] = &[b"own", b"other"];
        let taken = |message: &[u8]| proof(TlsVersion::Tls12, own_and_other, message).is_ok();
        let right = transcript(&TRANSCRIPT, &certificates(own_and_other));
        assert!(taken(&right));
        for end in 0..right.len() {
            assert!(!taken(&right[..end]), "{end}");
        }
        assert!(!taken(&[&right[..], b"\0"].concat()));
        for other in [&[b"own".as_slice()][..], &[b"other", b"own"], &[b"own", b"other", b"more"], &[]] {
            assert!(!taken(&transcript(&TRANSCRIPT, &certificates(other))), "{other:?}");
        }
        for at in 0..TRANSCRIPT.len() {
            let mut kinds = TRANSCRIPT;
            kinds[at] ^= 0x20;
            assert!(!taken(&transcript(&kinds, &certificates(own_and_other))), "{at}");
        }
        assert!(!taken(&client_verify(0x20, CLIENT_VERIFY, 32)));
    }

    #[test]
    fn more_than_any_client_shows_or_signs_is_refused() {
        let message = client_verify(0x20, CLIENT_VERIFY, 32);
        let taken = |shown: &[&[u8]]| proof(TlsVersion::Tls13, shown, &message).is_ok();
        assert!(taken(&[b"x".as_slice(); MOST_CERTIFICATES]));
        assert!(!taken(&[b"x".as_slice(); MOST_CERTIFICATES + 1]));
        assert!(!taken(&[]) && !taken(&[b"own", b""]));
        assert!(taken(&[&[0; MOST_SHOWN]]) && !taken(&[&[0; MOST_SHOWN], b"x"]));
        let signature = HandshakeSignature { scheme: 0, octets: vec![0; LONGEST_SIGNATURE + 1] };
        let long = CertificateProof::new(TlsVersion::Tls13, vec![vec![1]], message.clone(), signature);
        assert!(long.is_err());
        let huge = transcript(&TRANSCRIPT, &vec![0; MOST_SIGNED]);
        assert!(proof(TlsVersion::Tls12, &[b"own"], &huge).is_err());
    }
}
