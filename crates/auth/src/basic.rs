//! Basic scheme: name and password, encoded but not encrypted (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::Secret;

/// User name and password sent with the Basic scheme.
#[derive(Clone, Debug)]
pub struct Login {
    /// User name; never empty.
    pub user: String,
    /// Password; may be empty.
    pub password: Secret,
}

/// Reason why a header value contains no credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The credentials exceed the maximum length.
    #[error("basic credentials exceed {MAX_ENCODED} characters")]
    TooLong,
    /// The credentials are not Base64 of UTF-8.
    #[error("basic credentials are not Base64 of UTF-8")]
    Malformed,
    /// The colon between name and password is missing, or the name is empty.
    #[error("basic credentials are not NAME:PASSWORD")]
    Incomplete,
    /// The name contains control characters.
    #[error("user name contains control characters")]
    BadName,
}

/// Maximum length of encoded credentials.
const MAX_ENCODED: usize = 2_048;

impl Login {
    /// Parses the part of the header after the word `Basic`.
    ///
    /// The name ends at the first colon; the character set is UTF-8.
    ///
    /// # Errors
    /// [`LoginError`] if the credentials are too long or malformed.
    pub fn parse(encoded: &str) -> Result<Self, LoginError> {
        let encoded = encoded.trim();
        if encoded.len() > MAX_ENCODED {
            return Err(LoginError::TooLong);
        }
        let decoded = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| LoginError::Malformed)?);
        let text = std::str::from_utf8(&decoded).map_err(|_| LoginError::Malformed)?;
        let (user, password) = text.split_once(':').ok_or(LoginError::Incomplete)?;
        if user.is_empty() {
            return Err(LoginError::Incomplete);
        }
        if user.chars().any(char::is_control) {
            return Err(LoginError::BadName);
        }
        Ok(Self { user: user.to_owned(), password: Secret::new(password.to_owned()) })
    }
}

/// Returns the value of the `Authorization` header for a name and a password.
#[must_use]
pub fn authorization(user: &str, password: &Secret) -> Zeroizing<String> {
    let plain = Zeroizing::new(format!("{user}:{}", password.expose()));
    // Full capacity from the start, so that growing leaves no copy of the password in memory.
    let mut value = String::with_capacity("Basic ".len() + plain.len().div_ceil(3) * 4);
    value.push_str("Basic ");
    STANDARD.encode_string(plain.as_bytes(), &mut value);
    Zeroizing::new(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_credentials_are_parsed_again() {
        let value = authorization("jürgen", &Secret::new("a:b ü".to_owned()));
        let login = Login::parse(value.strip_prefix("Basic ").expect("the scheme")).expect("a login");
        assert_eq!((login.user.as_str(), login.password.expose()), ("jürgen", "a:b ü"));
    }

    #[test]
    fn malformed_credentials_are_rejected() {
        let encoded = |text: &[u8]| STANDARD.encode(text);
        for (value, error) in [
            ("!".to_owned(), LoginError::Malformed),
            (encoded(b"\xFF:x"), LoginError::Malformed),
            (encoded(b"name"), LoginError::Incomplete),
            (encoded(b":password"), LoginError::Incomplete),
            (encoded(b"na\0me:password"), LoginError::BadName),
            ("QQ".repeat(2_000), LoginError::TooLong),
        ] {
            assert_eq!(Login::parse(&value).err(), Some(error), "{value}");
        }
    }
}
