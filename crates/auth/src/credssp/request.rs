//! The one message (MS-CSSP 2.2.1).

use crate::AuthError;
use crate::der::{Reader, Tag, element, integer, octets_field, only, status, unsigned};
use crate::spnego::MOST_OCTETS;

use super::Nonce;

/// What either end sends, inside TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TsRequest<'a> {
    /// The edition that the sender speaks, which the receiver may not know.
    pub version: u32,
    /// A token of SPNEGO, or of a mechanism without it.
    pub nego_token: Option<&'a [u8]>,
    /// The credentials, protected.
    pub auth_info: Option<&'a [u8]>,
    /// The proof that the sender sees the key of the service's certificate, protected.
    pub pub_key_auth: Option<&'a [u8]>,
    /// Why the service refuses: an NTSTATUS (MS-ERREF 2.3).
    pub error_code: Option<u32>,
    /// What the client adds to the proofs, so that none is like another.
    pub client_nonce: Option<Nonce>,
}

/// An edition of the protocol that is spoken here (MS-CSSP 2.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// The first. Like 3 and 4 it proves the key in a way that someone in between can use (CVE-2018-0886).
    V2,
    /// Tells why it refuses.
    V3,
    /// As [`V3`](Self::V3).
    V4,
    /// As [`V2`](Self::V2), with a proof that cannot be used otherwise. No older one is spoken unless told so.
    #[default]
    V5,
    /// As [`V5`](Self::V5), and tells why it refuses.
    V6,
}

impl Version {
    /// The one that both ends speak, if the other end's is this.
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

    /// Whether a refusal can carry its reason.
    #[must_use]
    pub fn has_error_code(self) -> bool {
        matches!(self, Self::V3 | Self::V4 | Self::V6)
    }

    /// The newest, which is what requests say.
    pub const NEWEST: u32 = 6;
}

impl<'a> TsRequest<'a> {
    /// A request of the newest version with nothing in it yet.
    pub(super) fn new() -> Self {
        Self { version: Version::NEWEST, ..Self::default() }
    }

    /// Reads a whole request.
    ///
    /// # Errors
    /// [`AuthError::Malformed`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, AuthError> {
        if octets.len() > MOST_OCTETS {
            return Err(AuthError::Malformed("it is longer than 64 KiB"));
        }
        let mut reader = Reader::new(only(octets, Tag::SEQUENCE)?);
        let version = reader.field(0)?.ok_or(AuthError::Malformed("it does not say its version"))?;
        let version = unsigned(only(version, Tag::INTEGER)?)?;
        let nego_token = reader.field(1)?.map(nego_token).transpose()?;
        let auth_info = reader.octets_field(2)?;
        let pub_key_auth = reader.octets_field(3)?;
        let error_code = reader.field(4)?.map(|field| status(only(field, Tag::INTEGER)?)).transpose()?;
        let client_nonce = reader.octets_field(5)?.map(Nonce::decode).transpose()?;
        reader.skip_fields_after(5)?;
        Ok(Self { version, nego_token, auth_info, pub_key_auth, error_code, client_nonce })
    }

    /// Writes a whole request.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = vec![element(Tag::field(0), &[&integer(self.version)])];
        fields.extend(self.nego_token.map(|token| {
            let datum = element(Tag::SEQUENCE, &[&octets_field(0, token)]);
            element(Tag::field(1), &[&element(Tag::SEQUENCE, &[&datum])])
        }));
        fields.extend(self.auth_info.map(|octets| octets_field(2, octets)));
        fields.extend(self.pub_key_auth.map(|octets| octets_field(3, octets)));
        // All four octets of it, as Windows does: clients know the number by its sign.
        fields.extend(
            self.error_code
                .map(|code| element(Tag::field(4), &[&element(Tag::INTEGER, &[&code.to_be_bytes()])])),
        );
        fields.extend(self.client_nonce.as_ref().map(|nonce| octets_field(5, nonce.octets())));
        let parts: Vec<_> = fields.iter().map(Vec::as_slice).collect();
        element(Tag::SEQUENCE, &parts)
    }
}

/// The one token of `NegoData`; that there may be several is a promise nobody redeems (MS-CSSP 2.2.1.1).
fn nego_token(field: &[u8]) -> Result<&[u8], AuthError> {
    let datum = only(only(field, Tag::SEQUENCE)?, Tag::SEQUENCE)?;
    let mut reader = Reader::new(datum);
    let token = reader.octets_field(0)?.ok_or(AuthError::Malformed("no token where one is announced"))?;
    reader.end()?;
    Ok(token)
}
