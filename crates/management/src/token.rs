//! Random secrets that clients present as a proof.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use random::RandomError;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A random secret of 256 bits, written in 43 characters of base64url. `Debug` does not show it.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Makes a new token.
    ///
    /// # Errors
    /// [`RandomError`] if the kernel provides no random bytes.
    pub fn random() -> Result<Self, RandomError> {
        Ok(Self(URL_SAFE_NO_PAD.encode(random::bytes::<32>()?)))
    }

    /// Returns the text that the client receives.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns whether a text is this token; the duration does not depend on the text.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }

    /// Returns the hash that is stored in place of the token.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// SHA-256 hash of a token. Tokens have 256 random bits, so that neither salt nor a slow hash is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Returns the hash of the text that a client has sent.
    pub(crate) fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Returns the hash as base64.
    pub(crate) fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Parses the text that [`to_text`](Self::to_text) returns.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(Self(URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?))
    }

    /// Returns the first twelve digits as the public identifier of the object.
    pub(crate) fn identifier(self) -> String {
        self.0.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}
