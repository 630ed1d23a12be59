use super::{Kind, Value, malformed};
use crate::Reason;
use std::borrow::Cow;

/// Whether shells read the system and user profiles (`/etc/profile`, `~/.profile`) before the first command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profiles {
    /// Never, regardless of `WINRS_NOPROFILE`; as with `sshd`.
    #[default]
    Never,
    /// In shells opened with `WINRS_NOPROFILE` FALSE. Most clients send that by default, and variables set by a
    /// profile override the client's environment.
    WhenAsked,
}

impl Value for Profiles {
    const KIND: Kind = Kind::Text { expected: "Never or WhenAsked" };

    fn parse(text: &str) -> Result<Self, Reason> {
        match text.trim() {
            word if word.eq_ignore_ascii_case("Never") => Ok(Self::Never),
            word if word.eq_ignore_ascii_case("WhenAsked") => Ok(Self::WhenAsked),
            word => Err(malformed(word, Self::KIND.expected())),
        }
    }

    fn show(&self) -> Cow<'_, str> {
        match self {
            Self::Never => "Never",
            Self::WhenAsked => "WhenAsked",
        }
        .into()
    }
}
