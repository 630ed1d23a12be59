//! Which resource a message is about.

use std::fmt;

use crate::fault::{Detail, Fault, Subcode, code};
use crate::head::is_forbidden;

/// A `w:ResourceURI`: never empty, at most 2048 octets, compared without regard to the case of letters.
#[derive(Clone, Debug)]
pub struct ResourceUri(String);

impl ResourceUri {
    /// The longest URI accepted, in octets (DSP0226 5.2.1 asks for at least 1024).
    pub const MAX: usize = 2_048;

    /// Takes the text of a header, without the white space some clients put around it.
    ///
    /// # Errors
    /// `a:DestinationUnreachable` for nothing and for characters that no URI has, `w:EncodingLimit` for too much.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Self::missing());
        }
        if text.len() > Self::MAX {
            return Err(Fault::new(
                Subcode::EncodingLimit,
                code::URI_LIMIT_EXCEEDED,
                format!("the ResourceURI has {} octets; at most {} are accepted", text.len(), Self::MAX),
            )
            .with_detail(Detail::URI_LIMIT_EXCEEDED));
        }
        if text.contains(is_forbidden) {
            return Err(Fault::new(
                Subcode::DestinationUnreachable,
                code::INVALID_RESOURCE_URI,
                "the ResourceURI has a character that ends a line or turns text",
            )
            .with_detail(Detail::INVALID_RESOURCE_URI));
        }
        Ok(Self(text.to_owned()))
    }

    /// What a request without a resource is answered.
    pub(crate) fn missing() -> Fault {
        Fault::new(
            Subcode::DestinationUnreachable,
            code::INVALID_RESOURCE_URI,
            "the request names no resource: give a ResourceURI header",
        )
        .with_detail(Detail::INVALID_RESOURCE_URI)
    }

    /// The URI as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows a prefix, if the URI is the prefix or goes on with `/`.
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
    fn an_endless_uri_is_refused() {
        let fault = ResourceUri::parse(&"x".repeat(2_049)).expect_err("too long");
        assert_eq!(fault.code(), code::URI_LIMIT_EXCEEDED);
    }
}
