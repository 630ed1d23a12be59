use std::fmt;

use crate::{
    AccessKind, Acl, AuditKind, Dacl, Principal, Sacl, SddlError,
    cursor::{Cursor, parse_all},
};

/// Maximum length of a text that is parsed, in bytes: 1 MiB.
pub const MAX_TEXT: usize = 1 << 20;

/// Maximum number of entries of a descriptor, DACL and SACL together.
pub const MAX_ACES: usize = 1_000;

/// Security descriptor: owner, group, access rights and auditing of an object (MS-DTYP 2.4.6, 2.5.1).
///
/// Prints in canonical form: flags and rights in ascending order of their bits, SIDs as aliases if there is
/// one.
/// The printed text parses to the same value.
///
/// The DACL may be absent. To protect a resource, convert the descriptor to a [`Guard`](crate::Guard).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityDescriptor {
    owner: Option<Principal>,
    group: Option<Principal>,
    /// INVARIANT: `dacl` and `sacl` together hold at most `MAX_ACES` entries.
    dacl: Option<Dacl>,
    sacl: Option<Sacl>,
}

impl SecurityDescriptor {
    /// Creates a descriptor from its parts.
    ///
    /// # Errors
    /// [`SddlError::TooManyAces`] if the lists together have more than [`MAX_ACES`] entries.
    pub fn new(
        owner: Option<Principal>,
        group: Option<Principal>,
        dacl: Option<Dacl>,
        sacl: Option<Sacl>,
    ) -> Result<Self, SddlError> {
        let in_dacl = dacl.as_ref().map_or(0, |dacl| dacl.aces.len());
        let in_sacl = sacl.as_ref().map_or(0, |sacl| sacl.aces.len());
        if in_dacl.saturating_add(in_sacl) > MAX_ACES {
            return Err(SddlError::TooManyAces);
        }
        Ok(Self { owner, group, dacl, sacl })
    }

    /// Parses SDDL: `O:`, `G:`, `D:` and `S:`, each optional, in this order and without spaces.
    ///
    /// # Errors
    /// [`SddlError`] with the reason, the offset and the expected syntax. `NO_ACCESS_CONTROL` and unsupported
    /// ACE types are errors, because ignoring them would change who has access.
    pub fn parse(text: &str) -> Result<Self, SddlError> {
        if text.len() > MAX_TEXT {
            return Err(SddlError::TooLong { length: text.len() });
        }
        parse_all(text, Self::read)
    }

    /// Returns the owner of the object.
    #[must_use]
    pub fn owner(&self) -> Option<Principal> {
        self.owner
    }

    /// Returns the primary group; it has no effect on access checks.
    #[must_use]
    pub fn group(&self) -> Option<Principal> {
        self.group
    }

    /// Returns the access control list. An absent list differs from an empty one; see
    /// [`Guard`](crate::Guard).
    #[must_use]
    pub fn dacl(&self) -> Option<&Dacl> {
        self.dacl.as_ref()
    }

    /// Returns the audit list.
    #[must_use]
    pub fn sacl(&self) -> Option<&Sacl> {
        self.sacl.as_ref()
    }

    /// Returns a descriptor with only a DACL, which must have at most [`MAX_ACES`] entries.
    pub(crate) const fn of_dacl(dacl: Dacl) -> Self {
        Self { owner: None, group: None, dacl: Some(dacl), sacl: None }
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, SddlError> {
        let owner = cursor.eat("O:").then(|| Principal::read(cursor)).transpose()?;
        let group = cursor.eat("G:").then(|| Principal::read(cursor)).transpose()?;
        let dacl = cursor.eat("D:").then(|| Acl::read(cursor, AccessKind::read, MAX_ACES)).transpose()?;
        let room = MAX_ACES.saturating_sub(dacl.as_ref().map_or(0, |dacl| dacl.aces.len()));
        let sacl = cursor.eat("S:").then(|| Acl::read(cursor, AuditKind::read, room)).transpose()?;
        if cursor.rest().is_empty() {
            return Ok(Self { owner, group, dacl, sacl });
        }
        Err(cursor.expected(match (owner, group, &dacl, &sacl) {
            (_, _, _, Some(_)) => "P, AR, AI or an ACE in parentheses, or the end",
            (_, _, Some(_), None) => "P, AR, AI or an ACE in parentheses, S: or the end",
            (_, Some(_), None, None) => "D:, S: or the end",
            (Some(_), None, None, None) => "G:, D:, S: or the end",
            (None, None, None, None) => "O:, G:, D: or S:",
        }))
    }
}

impl fmt::Display for SecurityDescriptor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(owner) = &self.owner {
            write!(formatter, "O:{owner}")?;
        }
        if let Some(group) = &self.group {
            write!(formatter, "G:{group}")?;
        }
        if let Some(dacl) = &self.dacl {
            write!(formatter, "D:{dacl}")?;
        }
        if let Some(sacl) = &self.sacl {
            write!(formatter, "S:{sacl}")?;
        }
        Ok(())
    }
}
