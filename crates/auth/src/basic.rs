//! Basic: name and password, encoded but not hidden (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::Secret;

/// What a client sends to sign in with Basic.
#[derive(Clone, Debug)]
pub struct Login {
    /// The name; never empty.
    pub user: String,
    /// The password; may be empty.
    pub password: Secret,
}

/// Why the value of a header is not a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// Longer than a name and a password may be.
    #[error("the credentials are longer than {MOST_ENCODED} characters")]
    TooLong,
    /// Not Base64 of UTF-8.
    #[error("the credentials are not Base64 of UTF-8")]
    Malformed,
    /// No colon between name and password, or nothing before it.
    #[error("the credentials are not NAME:PASSWORD")]
    Incomplete,
    /// A name that no account can have.
    #[error("the name contains control characters")]
    BadName,
}

/// The longest encoded credentials that are looked at.
const MOST_ENCODED: usize = 2_048;

impl Login {
    /// Reads what follows the word `Basic`.
    ///
    /// The first colon ends the name; the character set is UTF-8.
    ///
    /// # Errors
    /// [`LoginError`].
    pub fn parse(encoded: &str) -> Result<Self, LoginError> {
        let encoded = encoded.trim();
        if encoded.len() > MOST_ENCODED {
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

/// The value of the header `Authorization` for a name and a password.
#[must_use]
pub fn authorization(user: &str, password: &Secret) -> Zeroizing<String> {
    let plain = Zeroizing::new(format!("{user}:{}", password.expose()));
    // Reserved at once, so that growing leaves no copy behind.
    let mut value = String::with_capacity("Basic ".len() + plain.len().div_ceil(3) * 4);
    value.push_str("Basic ");
    STANDARD.encode_string(plain.as_bytes(), &mut value);
    Zeroizing::new(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_writes_a_service_reads() {
        let value = authorization("jürgen", &Secret::new("a:b ü".to_owned()));
        let login = Login::parse(value.strip_prefix("Basic ").expect("the scheme")).expect("a login");
        assert_eq!((login.user.as_str(), login.password.expose()), ("jürgen", "a:b ü"));
    }

    #[test]
    fn other_values_are_refused() {
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
