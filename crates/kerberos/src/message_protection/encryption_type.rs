//! AES encryption types (RFC 3962, RFC 8009).

/// Encryption type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncryptionType {
    /// `aes128-cts-hmac-sha1-96`
    Aes128Sha1,
    /// `aes256-cts-hmac-sha1-96`
    Aes256Sha1,
    /// `aes128-cts-hmac-sha256-128`
    Aes128Sha256,
    /// `aes256-cts-hmac-sha384-192`
    Aes256Sha384,
}

/// Input of the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MacOver {
    Plaintext,
    /// The ciphertext, preceded by the initial vector.
    Ciphertext,
}

impl EncryptionType {
    /// All supported types.
    pub(crate) const ALL: [Self; 4] =
        [Self::Aes128Sha1, Self::Aes256Sha1, Self::Aes128Sha256, Self::Aes256Sha384];

    /// Returns the type with this number (RFC 3962 7, RFC 8009 7).
    #[must_use]
    pub fn of_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| u32::from(kind.number()) == number)
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Aes128Sha1 => 17,
            Self::Aes256Sha1 => 18,
            Self::Aes128Sha256 => 19,
            Self::Aes256Sha384 => 20,
        }
    }

    /// Returns the length of a key in bytes.
    #[must_use]
    pub fn key_length(self) -> usize {
        match self {
            Self::Aes128Sha1 | Self::Aes128Sha256 => 16,
            Self::Aes256Sha1 | Self::Aes256Sha384 => 32,
        }
    }

    /// Length in bytes to which the HMAC is truncated.
    pub(crate) fn mac_length(self) -> usize {
        match self {
            Self::Aes128Sha1 | Self::Aes256Sha1 => 12,
            Self::Aes128Sha256 => 16,
            Self::Aes256Sha384 => 24,
        }
    }

    pub(crate) fn mac_over(self) -> MacOver {
        match self {
            Self::Aes128Sha1 | Self::Aes256Sha1 => MacOver::Plaintext,
            Self::Aes128Sha256 | Self::Aes256Sha384 => MacOver::Ciphertext,
        }
    }
}
