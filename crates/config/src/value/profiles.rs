use super::{Kind, Value, malformed};
use crate::Reason;

/// Whether the profiles of system and user (`/etc/profile`, `~/.profile`) are read before a command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profiles {
    /// They are not, whatever `WINRS_NOPROFILE` says: so it is with `sshd`.
    #[default]
    Never,
    /// They are in shells that were opened with `WINRS_NOPROFILE` FALSE. Most clients say so without being asked, and
    /// what a profile sets wins over the client's own environment.
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

    fn show(&self) -> String {
        match self {
            Self::Never => "Never",
            Self::WhenAsked => "WhenAsked",
        }
        .to_owned()
    }
}
