use crate::{MAX_ACES, MAX_SUB_AUTHORITIES, MAX_TEXT};

/// Error of parsing or encoding a SID, an access mask or a security descriptor.
///
/// `at` is the byte offset in the text that was parsed, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SddlError {
    /// The text is longer than [`MAX_TEXT`] and was not parsed.
    #[error("security descriptor of {length} bytes is longer than {MAX_TEXT}: remove entries")]
    TooLong {
        /// Length of the text in bytes.
        length: usize,
    },

    /// DACL and SACL together hold more than [`MAX_ACES`] entries.
    #[error("security descriptor has more than {MAX_ACES} entries: grant rights to groups instead")]
    TooManyAces,

    /// The text does not follow the grammar at this position.
    #[error("expected {expected} at byte {at}, found \"{found}\"")]
    Expected {
        /// Offset where `expected` should be.
        at: usize,
        /// Description of the expected syntax.
        expected: &'static str,
        /// First characters found there; empty at the end of the text.
        found: String,
    },

    /// Two letters that are not a SID alias known to this crate.
    #[error("unknown SID alias \"{found}\" at byte {at}: write the SID as S-1-...")]
    UnknownAlias {
        /// Offset of the alias.
        at: usize,
        /// The two letters.
        found: String,
    },

    /// An alias such as `LA` or `DA` where a complete SID is required.
    #[error("SID alias {alias} depends on the machine or its domain: write the SID as S-1-5-21-...")]
    RelativeAlias {
        /// The two letters.
        alias: &'static str,
    },

    /// A word in the rights of an ACE is not a known right.
    #[error(
        "unknown right \"{found}\" at byte {at}: write two-letter rights such as GXGR, or 0x and hex digits"
    )]
    UnknownRight {
        /// Offset of the word.
        at: usize,
        /// The word.
        found: String,
    },

    /// A word in the flags of an ACE is not a known flag.
    #[error("unknown ACE flag \"{found}\" at byte {at}: write OI, CI, NP, IO, ID, SA, FA or nothing")]
    UnknownAceFlag {
        /// Offset of the word.
        at: usize,
        /// The word.
        found: String,
    },

    /// An ACE type outside the supported part of SDDL, such as an object or conditional ACE.
    #[error("unsupported ACE type \"{found}\" at byte {at}: write A or D in a DACL, AU or AL in a SACL")]
    UnsupportedAceType {
        /// Offset of the type.
        at: usize,
        /// The type.
        found: String,
    },

    /// An audit entry in a DACL, or an access entry in a SACL.
    #[error("ACE type {found} at byte {at} belongs into the {belongs}")]
    AceTypeInWrongAcl {
        /// Offset of the type.
        at: usize,
        /// The type.
        found: &'static str,
        /// The list it belongs in: `DACL` or `SACL`.
        belongs: &'static str,
    },

    /// An object GUID in an ACE of a type without one.
    #[error("object GUID at byte {at} has no meaning here: leave the field empty")]
    ObjectGuid {
        /// Offset of the GUID.
        at: usize,
    },

    /// `NO_ACCESS_CONTROL`, which would grant access to everyone.
    #[error("NO_ACCESS_CONTROL at byte {at} would let everyone in: name who may enter instead")]
    NoAccessControl {
        /// Offset of the word.
        at: usize,
    },

    /// A [`Guard`](crate::Guard) without a DACL, which would grant access to everyone.
    #[error("no DACL, which would let everyone in: add D: and name who may enter")]
    NoDacl,

    /// A number is too large for an access mask, an identifier authority or a sub-authority.
    #[error("number at byte {at} is too large: at most {max}")]
    NumberTooLarge {
        /// Offset of the number.
        at: usize,
        /// Largest allowed number.
        max: u64,
    },

    /// An identifier authority of more than 48 bits.
    #[error("identifier authority {authority} does not fit into 48 bits")]
    AuthorityTooLarge {
        /// The authority passed by the caller.
        authority: u64,
    },

    /// A SID with no sub-authority or with more than [`MAX_SUB_AUTHORITIES`].
    #[error("SID with {count} sub-authorities: must have 1 to {MAX_SUB_AUTHORITIES}")]
    SubAuthorityCount {
        /// Number of sub-authorities; in a text, the number read when parsing stopped.
        count: usize,
    },

    /// A binary SID with a revision other than 1.
    #[error("binary SID of revision {revision}: must be 1")]
    SidRevision {
        /// The first byte.
        revision: u8,
    },

    /// A binary SID is shorter or longer than its count of sub-authorities implies.
    #[error("binary SID of {length} bytes: must be {expected}")]
    SidLength {
        /// Length of the input in bytes.
        length: usize,
        /// Length implied by the header, or the length of a header.
        expected: usize,
    },

    /// A binary descriptor that cannot be read.
    #[error("byte {at} of a binary security descriptor: {problem}")]
    Binary {
        /// Offset in bytes, counted from 0.
        at: usize,
        /// Description of the problem.
        problem: &'static str,
    },

    /// The SID is not that of a machine or a domain.
    #[error("not a machine or domain SID: must be S-1-5-21 and three more numbers")]
    NotADomain,
}
