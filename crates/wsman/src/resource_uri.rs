//! Resource URIs.

use std::fmt;

use crate::fault::{Detail, Fault, Subcode, code};
use crate::head::is_forbidden;

/// A `w:ResourceURI`: not empty, at most 2048 bytes, compared without regard to case.
#[derive(Clone, Debug)]
pub struct ResourceUri(String);

impl ResourceUri {
    /// Maximum length in bytes (DSP0226 5.2.1 requires at least 1024).
    pub const MAX: usize = 2_048;

    /// Parses the text of a header; leading and trailing white space is ignored.
    ///
    /// # Errors
    /// `a:DestinationUnreachable` for an empty text and for control characters, `w:EncodingLimit` beyond 2048 bytes.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Self::missing());
        }
        if text.len() > Self::MAX {
            return Err(Fault::new(
                Subcode::EncodingLimit,
                code::URI_LIMIT_EXCEEDED,
                format!("the ResourceURI has {} bytes; shorten it to at most {}", text.len(), Self::MAX),
            )
            .with_detail(Detail::URI_LIMIT_EXCEEDED));
        }
        if text.contains(is_forbidden) {
            return Err(Fault::new(
                Subcode::DestinationUnreachable,
                code::INVALID_RESOURCE_URI,
                "the ResourceURI contains a control character; remove it",
            )
            .with_detail(Detail::INVALID_RESOURCE_URI));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the fault for a request without a resource URI.
    pub(crate) fn missing() -> Fault {
        Fault::new(
            Subcode::DestinationUnreachable,
            code::INVALID_RESOURCE_URI,
            "the header ResourceURI is missing; add it",
        )
        .with_detail(Detail::INVALID_RESOURCE_URI)
    }

    /// URI as received.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the rest after a prefix, if the URI is the prefix or continues with `/`.
    #[must_use]
    pub fn below(&self, prefix: &str) -> Option<&str> {
        let head = self.0.get(..prefix.len())?;
        let rest = self.0.get(prefix.len()..)?;
        let fits = head.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with('/'));
        fits.then_some(rest)
    }
}

impl PartialEq for ResourceUri {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ResourceUri {}

impl PartialEq<str> for ResourceUri {
    fn eq(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl fmt::Display for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let uri = ResourceUri::parse("http://X/Config/service").expect("a URI");
        assert_eq!(uri.below("http://x/config"), Some("/service"));
        assert_eq!(uri.below("http://x/conf"), None);
        assert_eq!(uri.below("http://x/config/service"), Some(""));
        assert_eq!(uri.below("http://x/config/service/auth"), None);
    }

    #[test]
    fn an_excessively_long_uri_is_rejected() {
        let fault = ResourceUri::parse(&"x".repeat(2_049)).expect_err("too long");
        assert_eq!(fault.code(), code::URI_LIMIT_EXCEEDED);
    }
}
