use std::fmt;

use super::{NT, Sid};
use crate::{SddlError, cursor::parse_all};

/// SID of a machine or of a domain: `S-1-5-21` and three numbers.
///
/// SIDs of its users and groups have one more number, the relative identifier (RID).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainSid([u32; 3]);

impl DomainSid {
    /// Returns the SID with these three numbers; for a new machine, choose random ones.
    #[must_use]
    pub const fn new(numbers: [u32; 3]) -> Self {
        Self(numbers)
    }

    /// Parses `S-1-5-21-a-b-c`.
    ///
    /// # Errors
    /// [`SddlError::NotADomain`] if it is another SID; otherwise the reason and the offset.
    pub fn parse(text: &str) -> Result<Self, SddlError> {
        parse_all(text, Sid::read_numeric)?.try_into()
    }

    /// Returns the SID of the machine or domain itself.
    #[must_use]
    pub const fn sid(self) -> Sid {
        let [a, b, c] = self.0;
        Sid { authority: NT, count: 4, sub_authorities: [21, a, b, c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] }
    }

    /// Returns the SID of the user or group with this RID.
    #[must_use]
    pub const fn account(self, rid: u32) -> Sid {
        let [a, b, c] = self.0;
        Sid { authority: NT, count: 5, sub_authorities: [21, a, b, c, rid, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] }
    }
}

impl TryFrom<Sid> for DomainSid {
    type Error = SddlError;

    fn try_from(sid: Sid) -> Result<Self, SddlError> {
        match (sid.authority(), sid.sub_authorities()) {
            (NT, &[21, a, b, c]) => Ok(Self([a, b, c])),
            _ => Err(SddlError::NotADomain),
        }
    }
}

impl fmt::Display for DomainSid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sid().numeric().fmt(formatter)
    }
}

impl fmt::Debug for DomainSid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DomainSid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_numbers_after_21_name_a_domain() {
        let domain = DomainSid::parse("S-1-5-21-1-2-3").unwrap();
        assert_eq!(domain.account(500).to_string(), "S-1-5-21-1-2-3-500");
        assert_eq!(domain.to_string(), "S-1-5-21-1-2-3");
        for text in ["S-1-5-21-1-2", "S-1-5-21-1-2-3-500", "S-1-5-32-544", "S-1-22-21-1-2-3"] {
            assert_eq!(DomainSid::parse(text), Err(SddlError::NotADomain), "{text}");
        }
    }
}
