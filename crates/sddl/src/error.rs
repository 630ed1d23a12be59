use crate::{MAX_ACES, MAX_SUB_AUTHORITIES, MAX_TEXT};

/// Why a text or a byte string is not a SID, an access mask or a security descriptor.
///
/// `at` is the byte offset in the text that was parsed, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SddlError {
    /// The text was not looked at, because it is larger than [`MAX_TEXT`].
    #[error("security descriptor of {length} bytes is longer than {MAX_TEXT}: remove entries")]
    TooLong {
        /// Length of the text in bytes.
        length: usize,
    },

    /// DACL and SACL together hold more than [`MAX_ACES`] entries.
    #[error("security descriptor has more than {MAX_ACES} entries: grant rights to groups instead")]
    TooManyAces,

    /// The grammar asks for something else here.
    #[error("expected {expected} at byte {at}, found {found:?}")]
    Expected {
        /// Where it should stand.
        at: usize,
        /// What should stand there.
        expected: &'static str,
        /// The first characters of what does; empty at the end of the text.
        found: String,
    },

    /// Two letters that are no SID alias this crate knows.
    #[error("unknown SID alias {found:?} at byte {at}: write the SID as S-1-...")]
    UnknownAlias {
        /// Where the alias starts.
        at: usize,
        /// The two letters.
        found: String,
    },

    /// An alias such as `LA` or `DA` where only a complete SID will do.
    #[error("SID alias {alias} depends on the machine or its domain: write the SID as S-1-5-21-...")]
    RelativeAlias {
        /// The two letters.
        alias: &'static str,
    },

    /// A word in the rights of an ACE is no right.
    #[error(
        "unknown right {found:?} at byte {at}: write two-letter rights such as GXGR, or 0x and hex digits"
    )]
    UnknownRight {
        /// Where the word starts.
        at: usize,
        /// The word.
        found: String,
    },

    /// A word in the flags of an ACE is no flag.
    #[error("unknown ACE flag {found:?} at byte {at}: write OI, CI, NP, IO, ID, SA, FA or nothing")]
    UnknownAceFlag {
        /// Where the word starts.
        at: usize,
        /// The word.
        found: String,
    },

    /// An ACE type outside the supported part of SDDL, such as an object or conditional ACE.
    #[error("unsupported ACE type {found:?} at byte {at}: write A or D in a DACL, AU or AL in a SACL")]
    UnsupportedAceType {
        /// Where the type starts.
        at: usize,
        /// The type.
        found: String,
    },

    /// An audit entry in a DACL, or an access entry in a SACL.
    #[error("ACE type {found} at byte {at} belongs into the {belongs}")]
    AceTypeInWrongAcl {
        /// Where the type starts.
        at: usize,
        /// The type.
        found: &'static str,
        /// The list it belongs into: `DACL` or `SACL`.
        belongs: &'static str,
    },

    /// An object type in an ACE that cannot have one.
    #[error("object GUID at byte {at} has no meaning here: leave the field empty")]
    ObjectGuid {
        /// Where the GUID starts.
        at: usize,
    },

    /// `NO_ACCESS_CONTROL`, which would let everyone in.
    #[error("NO_ACCESS_CONTROL at byte {at} would let everyone in: name who may enter instead")]
    NoAccessControl {
        /// Where the word starts.
        at: usize,
    },

    /// A guard without a DACL, which would let everyone in.
    #[error("no DACL, which would let everyone in: add D: and name who may enter")]
    NoDacl,

    /// A number that does not fit: an access mask, an identifier authority or a sub-authority.
    #[error("number at byte {at} is too large: at most {max}")]
    NumberTooLarge {
        /// Where the number starts.
        at: usize,
        /// The largest number that may stand there.
        max: u64,
    },

    /// An identifier authority of more than 48 bits.
    #[error("identifier authority {authority} does not fit into 48 bits")]
    AuthorityTooLarge {
        /// The number given.
        authority: u64,
    },

    /// A SID with no sub-authority or with more than [`MAX_SUB_AUTHORITIES`].
    #[error("SID with {count} sub-authorities: must have 1 to {MAX_SUB_AUTHORITIES}")]
    SubAuthorityCount {
        /// The number of sub-authorities: in a text, as many as were read before giving up.
        count: usize,
    },

    /// A binary SID of another revision than 1.
    #[error("binary SID of revision {revision}: must be 1")]
    SidRevision {
        /// The first byte.
        revision: u8,
    },

    /// A binary SID that is shorter or longer than its own count of sub-authorities says.
    #[error("binary SID of {length} bytes: must be {expected}")]
    SidLength {
        /// Length of what was given, in bytes.
        length: usize,
        /// Length that its header announces, or that of a header.
        expected: usize,
    },

    /// A binary descriptor that cannot be read.
    #[error("byte {at} of a binary security descriptor: {problem}")]
    Binary {
        /// Where, from 0.
        at: usize,
        /// What is wrong there.
        problem: &'static str,
    },

    /// A SID that does not name a machine or a domain.
    #[error("not a machine or domain SID: must be S-1-5-21 and three more numbers")]
    NotADomain,
}
