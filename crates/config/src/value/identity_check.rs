use std::borrow::Cow;
use std::fmt;

use super::{Kind, Value, malformed};
use crate::Reason;

/// Action for forwarded events whose computer is not the authenticated source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IdentityCheck {
    /// Events are stored with a mark.
    #[default]
    Mark,
    /// Events are put into quarantine.
    Reject,
    /// Events are put into quarantine, except those of these sources, which forward events of other computers.
    Relays(Vec<String>),
}

impl IdentityCheck {
    /// Start of the list of sources.
    const RELAYS: &'static str = "Relays:";
    /// Maximum length of the list.
    const MAX: usize = 4_096;
}

impl Value for IdentityCheck {
    const KIND: Kind =
        Kind::Text { expected: "Mark, Reject, or Relays: and source names separated by commas" };

    fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        let wrong = || malformed(text, Self::KIND.expected());
        if text.eq_ignore_ascii_case("Mark") {
            return Ok(Self::Mark);
        }
        if text.eq_ignore_ascii_case("Reject") {
            return Ok(Self::Reject);
        }
        let list =
            text.strip_prefix(Self::RELAYS).filter(|list| list.len() <= Self::MAX).ok_or_else(wrong)?;
        let names: Vec<String> = list.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
        let is_name = |name: &String| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        };
        if names.iter().all(is_name) { Ok(Self::Relays(names)) } else { Err(wrong()) }
    }

    fn show(&self) -> Cow<'_, str> {
        match self {
            Self::Mark => "Mark".into(),
            Self::Reject => "Reject".into(),
            Self::Relays(names) => format!("{}{}", Self::RELAYS, names.join(",")).into(),
        }
    }
}

impl fmt::Display for IdentityCheck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.show())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_they_are_read() {
        for text in ["Mark", "Reject", "Relays:wec.example,b"] {
            assert_eq!(IdentityCheck::parse(text).expect(text).show(), text);
        }
        assert_eq!(IdentityCheck::parse(" mark "), Ok(IdentityCheck::Mark));
        for wrong in ["", "Relays", "Relays:", "Relays:a,,b", "Relays:a b", "None"] {
            assert!(IdentityCheck::parse(wrong).is_err(), "{wrong}");
        }
    }
}
