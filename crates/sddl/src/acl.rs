use std::fmt;

use crate::{AccessKind, Ace, AuditKind, SddlError, bits::bit_set, cursor::Cursor};

/// A list of entries in the order in which they are looked at (MS-DTYP 2.4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl<Kind> {
    /// How the list takes part in inheritance.
    pub flags: AclFlags,
    /// The entries; the order decides.
    pub aces: Vec<Ace<Kind>>,
}

/// The list that decides about access. Without an entry nobody enters.
pub type Dacl = Acl<AccessKind>;

/// The list that decides what is recorded.
pub type Sacl = Acl<AuditKind>;

bit_set! {
    /// How an ACL takes part in inheritance (MS-DTYP 2.5.1.1, `acl-flag`).
    ///
    /// Kept and printed; nothing here inherits.
    AclFlags(u8) {
        /// `P`: inherits nothing.
        PROTECTED = 0x01 "P",
        /// `AR`: inheritance was asked for.
        AUTO_INHERIT_REQUESTED = 0x02 "AR",
        /// `AI`: inheritance took place.
        AUTO_INHERITED = 0x04 "AI",
    }
}

impl<Kind> Acl<Kind> {
    /// Reads what follows `D:` or `S:`, with the type of each ACE read by `kind`.
    ///
    /// `room` is the number of ACEs the descriptor may still have.
    pub(crate) fn read(
        cursor: &mut Cursor<'_>,
        kind: impl Fn(&mut Cursor<'_>) -> Result<Kind, SddlError>,
        room: usize,
    ) -> Result<Self, SddlError> {
        let flags = cursor.words(AclFlags::NONE, AclFlags::WORDS);
        if cursor.starts_with("NO_ACCESS_CONTROL") {
            return Err(SddlError::NoAccessControl { at: cursor.at() });
        }
        let mut aces = Vec::new();
        while cursor.starts_with("(") {
            if aces.len() == room {
                return Err(SddlError::TooManyAces);
            }
            aces.push(Ace::read(cursor, &kind)?);
        }
        Ok(Self { flags, aces })
    }
}

impl<Kind: fmt::Display> fmt::Display for Acl<Kind> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.flags.fmt(formatter)?;
        self.aces.iter().try_for_each(|ace| ace.fmt(formatter))
    }
}

impl fmt::Display for AclFlags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words().try_for_each(|word| formatter.write_str(word))
    }
}
