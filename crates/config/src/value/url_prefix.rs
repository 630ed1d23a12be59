use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::{Kind, Value, malformed};
use crate::Reason;

/// URL path of requests without the leading slash: `wsman`.
///
/// Letters `a`–`z` and `A`–`Z`, digits, `_` and `/`; no slash at either end; 1 to 255 characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UrlPrefix(Arc<str>);

impl UrlPrefix {
    const MAX: usize = 255;

    /// Returns the prefix without a leading slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for UrlPrefix {
    fn default() -> Self {
        Self("wsman".into())
    }
}

impl Value for UrlPrefix {
    const KIND: Kind = Kind::Text {
        expected: "a URL prefix of letters, digits, _ and / that neither begins nor ends with /",
    };

    fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        let fits = (1..=Self::MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/'))
            && !text.starts_with('/')
            && !text.ends_with('/');
        if fits { Ok(Self(text.into())) } else { Err(malformed(text, Self::KIND.expected())) }
    }

    fn show(&self) -> Cow<'_, str> {
        (*self.0).into()
    }
}

impl fmt::Display for UrlPrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for UrlPrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_with_other_characters_is_rejected() {
        for right in ["wsman", "a/b_C/9", "_"] {
            assert_eq!(UrlPrefix::parse(right).unwrap().as_str(), right);
        }
        for wrong in ["", "/wsman", "wsman/", "/", "ws man", "ws-man", "wsmän", "ws?man", &"a".repeat(256)] {
            assert!(UrlPrefix::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
