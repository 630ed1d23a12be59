use super::{Kind, Value, malformed};
use crate::Reason;

/// The vendor that Identify names in place of the true one, for programs that look for a word in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductVendor(Option<String>);

impl ProductVendor {
    /// What is told, if it is not the truth.
    #[must_use]
    pub fn in_its_place(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl Value for ProductVendor {
    const KIND: Kind = Kind::Text {
        expected: "a text of at most 256 characters without control characters, such as Microsoft Corporation, or \
                   nothing for the true name",
    };

    fn parse(text: &str) -> Result<Self, Reason> {
        const LONGEST: usize = 256;
        let text = text.trim();
        if text.chars().count() > LONGEST || text.contains(cannot_be_told) {
            return Err(malformed(text, Self::KIND.expected()));
        }
        Ok(Self((!text.is_empty()).then(|| text.to_owned())))
    }

    fn show(&self) -> String {
        self.0.clone().unwrap_or_default()
    }
}

/// Control characters would break logs and terminals, and XML has no two last characters of the first plane.
fn cannot_be_told(c: char) -> bool {
    c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}')
}
