use super::{Kind, Value, malformed};
use crate::Reason;
use std::borrow::Cow;

/// Vendor name in the response to Identify, for clients that expect a specific name; empty means the real vendor
/// name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductVendor(Option<String>);

impl ProductVendor {
    /// Returns the configured name, or `None` for the real vendor name.
    #[must_use]
    pub fn configured(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl Value for ProductVendor {
    const KIND: Kind = Kind::Text {
        expected: "a text of at most 256 characters without control characters, such as Microsoft Corporation, or \
                   nothing for the real vendor name",
    };

    fn parse(text: &str) -> Result<Self, Reason> {
        const LONGEST: usize = 256;
        let text = text.trim();
        if text.chars().count() > LONGEST || text.contains(is_unprintable) {
            return Err(malformed(text, Self::KIND.expected()));
        }
        Ok(Self((!text.is_empty()).then(|| text.to_owned())))
    }

    fn show(&self) -> Cow<'_, str> {
        self.0.as_deref().unwrap_or_default().into()
    }
}

/// Returns whether a character would break logs and terminals or is not allowed in XML.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}')
}
