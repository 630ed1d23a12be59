use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::{Kind, Value, malformed};
use crate::Reason;

/// Host name of this machine as clients use it: a domain name, an IP address, `*` or empty; at most 255 characters.
///
/// As in wildcard certificates, a name may contain one `*`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Hostname(Arc<str>);

impl Hostname {
    const MAX: usize = 255;

    /// Returns the name; empty if none is set.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for Hostname {
    const KIND: Kind = Kind::Text { expected: "a domain name, an IP address, * or nothing" };

    fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        let fits = text.len() <= Self::MAX
            && text
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']' | '*'))
            && text.bytes().filter(|byte| *byte == b'*').count() <= 1;
        if fits { Ok(Self(text.into())) } else { Err(malformed(text, Self::KIND.expected())) }
    }

    fn show(&self) -> Cow<'_, str> {
        (*self.0).into()
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Hostname {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_a_star_and_nothing_are_host_names() {
        for right in ["", "*", "*.example.com", "node-7.example.com", "10.0.0.1", "[fe80::1]", "::1"] {
            assert_eq!(Hostname::parse(right).expect(right).show(), right);
        }
        for wrong in ["a b", "a/b", "http://a", "a@b", "*.*", "a,b", &"a".repeat(256)] {
            assert!(Hostname::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
