//! Texts that must not be seen.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// A password: overwritten when dropped, never printed, compared in constant time.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text into custody.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether two secrets are equal; how long it takes tells only how long the longer one is.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), other.0.as_bytes());
        let mut same = Choice::from(u8::from(ours.len() == theirs.len()));
        for at in 0..ours.len().max(theirs.len()) {
            let octet = |of: &[u8]| of.get(at).copied().unwrap_or_default();
            same &= octet(ours).ct_eq(&octet(theirs));
        }
        same.into()
    }
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
    fn a_secret_matches_only_itself_and_does_not_show() {
        let secret = |text: &str| Secret::new(text.to_owned());
        assert!(secret("hunter2").matches(&secret("hunter2")));
        assert!(secret("").matches(&secret("")));
        for other in ["", "hunter", "hunter22", "hunter3", "hunter2\0"] {
            assert!(!secret("hunter2").matches(&secret(other)), "{other:?}");
        }
        assert!(!format!("{:?}", secret("hunter2")).contains("hunter"));
    }
}
