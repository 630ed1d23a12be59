use std::fmt;

use crate::{AccessKind, Ace, AuditKind, SddlError, bits::bit_set, cursor::Cursor};

/// Access control list: entries in the order of evaluation (MS-DTYP 2.4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl<Kind> {
    /// Inheritance flags of the list.
    pub flags: AclFlags,
    /// Entries; their order is significant.
    pub aces: Vec<Ace<Kind>>,
}

/// The list that decides about access. An empty list denies everyone.
pub type Dacl = Acl<AccessKind>;

/// The list that decides which accesses are recorded.
pub type Sacl = Acl<AuditKind>;

bit_set! {
    /// Inheritance flags of an ACL (MS-DTYP 2.5.1.1, `acl-flag`).
    ///
    /// They are stored and printed; this crate does not implement inheritance.
    AclFlags(u8) {
        /// `P`: protected; inherits nothing.
        PROTECTED = 0x01 "P",
        /// `AR`: automatic inheritance was requested.
        AUTO_INHERIT_REQUESTED = 0x02 "AR",
        /// `AI`: automatic inheritance took place.
        AUTO_INHERITED = 0x04 "AI",
    }
}

impl<Kind> Acl<Kind> {
    /// Parses the text after `D:` or `S:`; `kind` parses the type of each ACE.
    ///
    /// `room` is the maximum number of ACEs.
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
