use std::fmt;

use crate::{AccessMask, Principal, SddlError, bits::bit_set, cursor::Cursor};

/// An entry of an access control list (MS-DTYP 2.4.4).
///
/// `Kind` is [`AccessKind`] in a DACL and [`AuditKind`] in a SACL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ace<Kind> {
    /// Type of the entry: allow or deny in a DACL, audit or alarm in a SACL.
    pub kind: Kind,
    /// How the entry is inherited, and which outcomes it audits.
    pub flags: AceFlags,
    /// The rights that the entry grants, denies or audits.
    pub rights: AccessMask,
    /// The user or group that the entry applies to.
    pub principal: Principal,
}

/// Type of a DACL entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessKind {
    /// `A`: grants the rights.
    Allowed,
    /// `D`: denies the rights.
    Denied,
}

/// Type of a SACL entry. Both types request an audit record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditKind {
    /// `AU`: audit.
    Audit,
    /// `AL`: alarm.
    Alarm,
}

impl AccessKind {
    /// Returns the number of the type (MS-DTYP 2.4.4.1).
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Allowed => 0,
            Self::Denied => 1,
        }
    }

    /// Returns the type with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Allowed, Self::Denied].into_iter().find(|kind| kind.code() == code)
    }
}

impl AuditKind {
    /// Returns the number of the type (MS-DTYP 2.4.4.1).
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Audit => 2,
            Self::Alarm => 3,
        }
    }

    /// Returns the type with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Audit, Self::Alarm].into_iter().find(|kind| kind.code() == code)
    }
}

bit_set! {
    /// How an ACE is inherited, and what it audits (MS-DTYP 2.4.4.1).
    AceFlags(u8) {
        /// `OI`: inherited by objects.
        OBJECT_INHERIT = 0x01 "OI",
        /// `CI`: inherited by containers.
        CONTAINER_INHERIT = 0x02 "CI",
        /// `NP`: not inherited further.
        NO_PROPAGATE = 0x04 "NP",
        /// `IO`: inherit-only; does not apply to this object itself.
        INHERIT_ONLY = 0x08 "IO",
        /// `ID`: inherited from a parent.
        INHERITED = 0x10 "ID",
        /// `SA`: audits access that was granted.
        SUCCESSFUL_ACCESS = 0x40 "SA",
        /// `FA`: audits access that was denied.
        FAILED_ACCESS = 0x80 "FA",
    }
}

impl<Kind> Ace<Kind> {
    /// Returns whether the entry applies to this object, that is, it is not inherit-only.
    pub(crate) fn is_effective(&self) -> bool {
        !self.flags.contains(AceFlags::INHERIT_ONLY)
    }

    /// Parses `(type;flags;rights;;;sid)`; `kind` parses the type.
    pub(crate) fn read(
        cursor: &mut Cursor<'_>,
        kind: impl FnOnce(&mut Cursor<'_>) -> Result<Kind, SddlError>,
    ) -> Result<Self, SddlError> {
        cursor.require("(", "an ACE in parentheses")?;
        let kind = kind(cursor)?;
        cursor.require(";", "a semicolon after the ACE type")?;
        let flags = AceFlags::read_field(cursor)?;
        let rights = AccessMask::read_field(cursor)?;
        for _ in ["object type", "inherited object type"] {
            read_no_guid(cursor)?;
        }
        let principal = Principal::read(cursor)?;
        cursor.require(")", "a closing parenthesis after the SID")?;
        Ok(Self { kind, flags, rights, principal })
    }
}

impl AccessKind {
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, SddlError> {
        match read_kind(cursor)? {
            AnyKind::Access(kind, _) => Ok(kind),
            AnyKind::Audit(kind, at) => Err(wrong_acl(at, kind.word(), "SACL")),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Allowed => "A",
            Self::Denied => "D",
        }
    }
}

impl AuditKind {
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, SddlError> {
        match read_kind(cursor)? {
            AnyKind::Audit(kind, _) => Ok(kind),
            AnyKind::Access(kind, at) => Err(wrong_acl(at, kind.word(), "DACL")),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Audit => "AU",
            Self::Alarm => "AL",
        }
    }
}

impl AceFlags {
    /// Returns the flags with these bits; `None` if a bit is not defined.
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Self> {
        let known = Self::WORDS.iter().fold(Self::NONE, |all, (_, flag)| all | *flag);
        known.contains(Self(bits)).then_some(Self(bits))
    }

    fn read_field(cursor: &mut Cursor<'_>) -> Result<Self, SddlError> {
        let flags = cursor.words(Self::NONE, Self::WORDS);
        match cursor.rest().chars().next() {
            Some(';') => {
                cursor.eat(";");
                Ok(flags)
            }
            // If the field ends here, it has no unknown word; its delimiter is missing.
            None | Some(')') => Err(cursor.expected("a semicolon after the ACE flags")),
            Some(_) => Err(SddlError::UnknownAceFlag { at: cursor.at(), found: cursor.excerpt() }),
        }
    }
}

impl<Kind: fmt::Display> fmt::Display for Ace<Kind> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "({};{};{};;;{})", self.kind, self.flags, self.rights, self.principal)
    }
}

impl fmt::Display for AccessKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

impl fmt::Display for AuditKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

impl fmt::Display for AceFlags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words().try_for_each(|word| formatter.write_str(word))
    }
}

/// A supported ACE type and its byte offset in the text.
enum AnyKind {
    Access(AccessKind, usize),
    Audit(AuditKind, usize),
}

fn read_kind(cursor: &mut Cursor<'_>) -> Result<AnyKind, SddlError> {
    let at = cursor.at();
    let found = cursor.excerpt();
    match cursor.take_while(|character| character.is_ascii_alphanumeric()) {
        "A" => Ok(AnyKind::Access(AccessKind::Allowed, at)),
        "D" => Ok(AnyKind::Access(AccessKind::Denied, at)),
        "AU" => Ok(AnyKind::Audit(AuditKind::Audit, at)),
        "AL" => Ok(AnyKind::Audit(AuditKind::Alarm, at)),
        _ => Err(SddlError::UnsupportedAceType { at, found }),
    }
}

fn wrong_acl(at: usize, found: &'static str, belongs: &'static str) -> SddlError {
    SddlError::AceTypeInWrongAcl { at, found, belongs }
}

fn read_no_guid(cursor: &mut Cursor<'_>) -> Result<(), SddlError> {
    let at = cursor.at();
    if cursor.eat(";") {
        return Ok(());
    }
    let guid = cursor.take_while(|character| character.is_ascii_hexdigit() || character == '-');
    if cursor.starts_with(";") && !guid.is_empty() {
        return Err(SddlError::ObjectGuid { at });
    }
    Err(cursor.expected("a semicolon"))
}
