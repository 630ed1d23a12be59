//! `TSRequest`, the only message of CredSSP (MS-CSSP 2.2.1).

use crate::AuthError;
use crate::der::{Reader, Tag, element, integer, octets_field, only, status, unsigned};
use crate::spnego::MAX_TOKEN;

use super::Nonce;

/// A message of either end, inside TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TsRequest<'a> {
    /// Protocol version of the sender, possibly newer than ours.
    pub version: u32,
    /// Token of SPNEGO, or of a mechanism without it.
    pub nego_token: Option<&'a [u8]>,
    /// Sealed credentials.
    pub auth_info: Option<&'a [u8]>,
    /// Sealed proof that the sender sees the public key of the service's certificate.
    pub pub_key_auth: Option<&'a [u8]>,
    /// Reason of the service's refusal, an NTSTATUS (MS-ERREF 2.3).
    pub error_code: Option<u32>,
    /// Random value of the client, which makes every proof unique.
    pub client_nonce: Option<Nonce>,
}

/// Supported protocol version (MS-CSSP 2.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// Version 2. In versions 2 to 4 a man in the middle can misuse the proof of the key (CVE-2018-0886).
    V2,
    /// Version 3: adds an error code.
    V3,
    /// Version 4: same as [`V3`](Self::V3).
    V4,
    /// Version 5: same as [`V2`](Self::V2) with a safe proof of the key. Older versions are rejected by default.
    #[default]
    V5,
    /// Version 6: same as [`V5`](Self::V5), with an error code.
    V6,
}

impl Version {
    /// Returns the version to use with a peer of version `other`.
    #[must_use]
    pub fn common(other: u32) -> Option<Self> {
        match other {
            0 | 1 => None,
            2 => Some(Self::V2),
            3 => Some(Self::V3),
            4 => Some(Self::V4),
            5 => Some(Self::V5),
            6.. => Some(Self::V6),
        }
    }

    /// Returns `true` if refusals carry an error code.
    #[must_use]
    pub fn has_error_code(self) -> bool {
        matches!(self, Self::V3 | Self::V4 | Self::V6)
    }

    /// Newest version, which our requests announce.
    pub const NEWEST: u32 = 6;
}

impl<'a> TsRequest<'a> {
    /// Creates an empty request of the newest version.
    pub(super) fn new() -> Self {
        Self { version: Version::NEWEST, ..Self::default() }
    }

    /// Parses a whole request.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] for an invalid request.
    pub fn decode(octets: &'a [u8]) -> Result<Self, AuthError> {
        if octets.len() > MAX_TOKEN {
            return Err(AuthError::Malformed("longer than 64 KiB"));
        }
        let mut reader = Reader::new(only(octets, Tag::SEQUENCE)?);
        let version = reader.field(0)?.ok_or(AuthError::Malformed("missing version"))?;
        let version = unsigned(only(version, Tag::INTEGER)?)?;
        let nego_token = reader.field(1)?.map(nego_token).transpose()?;
        let auth_info = reader.octets_field(2)?;
        let pub_key_auth = reader.octets_field(3)?;
        let error_code = reader.field(4)?.map(|field| status(only(field, Tag::INTEGER)?)).transpose()?;
        let client_nonce = reader.octets_field(5)?.map(Nonce::decode).transpose()?;
        reader.skip_fields_after(5)?;
        Ok(Self { version, nego_token, auth_info, pub_key_auth, error_code, client_nonce })
    }

    /// Encodes a whole request.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = vec![element(Tag::field(0), &[&integer(self.version)])];
        fields.extend(self.nego_token.map(|token| {
            let datum = element(Tag::SEQUENCE, &[&octets_field(0, token)]);
            element(Tag::field(1), &[&element(Tag::SEQUENCE, &[&datum])])
        }));
        fields.extend(self.auth_info.map(|octets| octets_field(2, octets)));
        fields.extend(self.pub_key_auth.map(|octets| octets_field(3, octets)));
        // Always four bytes, as Windows writes it: some clients expect a negative number.
        fields.extend(
            self.error_code
                .map(|code| element(Tag::field(4), &[&element(Tag::INTEGER, &[&code.to_be_bytes()])])),
        );
        fields.extend(self.client_nonce.as_ref().map(|nonce| octets_field(5, nonce.octets())));
        let parts: Vec<_> = fields.iter().map(Vec::as_slice).collect();
        element(Tag::SEQUENCE, &parts)
    }
}

/// Returns the only token of `NegoData`. The format allows several, but no implementation sends them (MS-CSSP 2.2.1.1).
fn nego_token(field: &[u8]) -> Result<&[u8], AuthError> {
    let datum = only(only(field, Tag::SEQUENCE)?, Tag::SEQUENCE)?;
    let mut reader = Reader::new(datum);
    let token = reader.octets_field(0)?.ok_or(AuthError::Malformed("negoTokens without a token"))?;
    reader.end()?;
    Ok(token)
}
