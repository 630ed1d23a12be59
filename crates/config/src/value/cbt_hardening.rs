use std::borrow::Cow;
use std::fmt;

use super::{Kind, Value, malformed};
use crate::Reason;

/// Verification of channel binding tokens when a client authenticates over TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CbtHardeningLevel {
    /// A token must be present and correct.
    Strict,
    /// A token that is present must be correct.
    #[default]
    Relaxed,
    /// Tokens are ignored.
    None,
}

impl CbtHardeningLevel {
    const ALL: [Self; 3] = [Self::Strict, Self::Relaxed, Self::None];

    /// Name in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Relaxed => "Relaxed",
            Self::None => "None",
        }
    }
}

impl Value for CbtHardeningLevel {
    const KIND: Kind = Kind::Text { expected: "Strict, Relaxed or None" };

    fn parse(text: &str) -> Result<Self, Reason> {
        let text = text.trim();
        Self::ALL
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| malformed(text, Self::KIND.expected()))
    }

    fn show(&self) -> Cow<'_, str> {
        self.as_str().into()
    }
}

impl fmt::Display for CbtHardeningLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
