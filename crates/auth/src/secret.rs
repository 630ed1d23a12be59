//! Texts that must stay secret.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// A password: zeroed on drop, never printed, compared in constant time.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the text; for the code that must use it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares two secrets. The duration depends only on the length of the longer one.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), other.0.as_bytes());
        let mut same = Choice::from(u8::from(ours.len() == theirs.len()));
        for at in 0..ours.len().max(theirs.len()) {
            same &= octet_at(ours, at).ct_eq(&octet_at(theirs, at));
        }
        same.into()
    }
}

fn octet_at(octets: &[u8], at: usize) -> u8 {
    octets.get(at).copied().unwrap_or_default()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_only_itself_and_is_not_printed() {
        let secret = |text: &str| Secret::new(text.to_owned());
        assert!(secret("hunter2").matches(&secret("hunter2")));
        assert!(secret("").matches(&secret("")));
        for other in ["", "hunter", "hunter22", "hunter3", "hunter2\0"] {
            assert!(!secret("hunter2").matches(&secret(other)), "{other:?}");
        }
        assert!(!format!("{:?}", secret("hunter2")).contains("hunter"));
    }
}
