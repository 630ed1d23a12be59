//! Account records and their fields.

use std::fmt;

use super::LineError;
use super::field_text::{beginning, decimal};
use super::password_hash::{HashError, PasswordHash};
use super::sealed_nt_hash::{LinuxPassword, SealedNtHash};

/// An account of the file.
#[derive(Clone, Debug)]
pub struct Record {
    /// Account name.
    pub name: AccountName,
    /// RID, the last number of the account's SID.
    pub rid: Rid,
    /// Role in a service of one process.
    pub role: Role,
    /// Whether the account may sign in.
    pub state: EnabledState,
    /// Time of the last password change.
    pub changed: UnixTime,
    /// Password hash.
    pub password: PasswordHash,
    /// Comment.
    pub comment: Comment,
    /// Sealed NT hash; `None` if the account cannot use NTLM.
    pub nt_hash: Option<SealedNtHash>,
}

impl Record {
    /// Returns the password of a Linux user that the NT hash belongs to; `None` for an account with a password of its
    /// own.
    #[must_use]
    pub fn linux_password(&self) -> Option<LinuxPassword> {
        self.nt_hash.and_then(|hash| hash.linux)
    }

    pub(super) fn parse(line: &str) -> Result<Self, LineError> {
        let fields: Vec<&str> = line.split(':').collect();
        let (nt_hash, fields) = match fields.as_slice() {
            [fields @ .., nt_hash] if fields.len() == 6 => (Some(*nt_hash), fields),
            fields => (None, fields),
        };
        let [name, rid, flags, changed, password, comment] = fields else {
            return Err(LineError::FieldCount { found: fields.len() });
        };
        let (role, state) = parse_flags(flags)?;
        Ok(Self {
            name: AccountName::parse(name)?,
            rid: Rid::parse(rid)?,
            role,
            state,
            changed: UnixTime::parse(changed)?,
            password: PasswordHash::parse(password).map_err(FieldError::Password)?,
            comment: Comment::parse(comment)?,
            nt_hash: nt_hash.map(|text| SealedNtHash::parse(text).ok_or(FieldError::NtHash)).transpose()?,
        })
    }
}

/// Formats the record as a line, without the line ending.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rid, role, state, changed, password, comment, nt_hash } = self;
        let flags = match (role, state) {
            (Role::User, EnabledState::Enabled) => "",
            (Role::Administrator, EnabledState::Enabled) => ADMIN,
            (Role::User, EnabledState::Disabled) => DISABLED,
            (Role::Administrator, EnabledState::Disabled) => "admin,disabled",
        };
        write!(f, "{name}:{rid}:{flags}:{changed}:{password}:{comment}")?;
        nt_hash.map_or(Ok(()), |nt_hash| write!(f, ":{nt_hash}"))
    }
}

/// Reason why a field is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The account name is not allowed.
    #[error(
        "invalid account name \"{name}\"\n  use 1 to 64 letters, digits or any of . _ - $ ~ ! % &, not beginning with -"
    )]
    Name {
        /// Name as written, cut to 40 characters.
        name: String,
    },
    /// The RID is outside the range of this file.
    #[error(
        "RID is not a number from {} to {}\n  add the account with telarch account add, which assigns a RID",
        Rid::FIRST,
        Rid::LAST
    )]
    Rid,
    /// A flag is unknown or repeated.
    #[error("unknown or repeated flag \"{flag}\"\n  use {ADMIN} and {DISABLED}, separated by a comma")]
    Flag {
        /// Flag as written, cut to 40 characters.
        flag: String,
    },
    /// The time is not a number in range.
    #[error("time of the last password change is not a number of seconds from 0 to {}", UnixTime::LAST)]
    Changed,
    /// The password hash is not supported.
    #[error(transparent)]
    Password(#[from] HashError),
    /// The comment is too long or contains forbidden characters.
    #[error("comment exceeds {} characters or contains a colon or a control character", Comment::MAX)]
    Comment,
    /// The NT hash is malformed.
    #[error(
        "field 7 is not an NT hash sealed with aes-256-gcm\n  delete it with the colon before it, or set the password with telarch account set-password"
    )]
    NtHash,
}

/// Account name.
///
/// A name has 1 to 64 letters, digits and marks in any script. White space, control characters, `#`, `@` and the
/// characters that Windows forbids in names (`" / \ [ ] : ; | = , + * ? < >`) are not allowed. The first character is
/// not `-`, so that no command line mistakes the name for an option. Names are compared without case, as on Windows.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountName(String);

impl AccountName {
    /// Parses an account name.
    ///
    /// # Errors
    /// [`FieldError::Name`] if the text is not allowed as a name.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let length = text.chars().take(MAX_NAME + 1).count();
        if (1..=MAX_NAME).contains(&length) && !text.starts_with('-') && text.chars().all(is_name_character) {
            return Ok(Self(text.to_owned()));
        }
        Err(FieldError::Name { name: beginning(text) })
    }

    /// Name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Key of the name: equal for all spellings of one name.
    #[must_use]
    pub fn key(&self) -> String {
        Self::key_of(&self.0)
    }

    /// Returns the key of any text that a client claims as a name.
    #[must_use]
    pub fn key_of(name: &str) -> String {
        name.to_lowercase()
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// RID of an account: the last number of its SID.
///
/// Unix users and groups have RIDs up to 1001 + 2·2³⁰ = 2147484649 (`sddl::linux`). The RIDs of this file are larger,
/// so that rights of its accounts never apply to a Unix user or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rid(
    /// INVARIANT: from `FIRST` to `LAST`.
    u32,
);

impl Rid {
    /// RID of the first account of a file.
    pub const FIRST: Self = Self(3_000_000_000);
    /// Largest RID; `u32::MAX` is reserved for its successor.
    pub const LAST: Self = Self(u32::MAX - 1);

    /// Creates a RID; `None` if the number is out of range.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        (Self::FIRST.0..=Self::LAST.0).contains(&number).then_some(Self(number))
    }

    /// Number of the RID.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    fn parse(text: &str) -> Result<Self, FieldError> {
        decimal(text).and_then(|number| u32::try_from(number).ok()).and_then(Self::new).ok_or(FieldError::Rid)
    }
}

impl fmt::Display for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Role of an account in a service of one process, which executes all requests as one user: the flag `admin`.
///
/// In a service with a process per user, the groups of the machine decide, and this is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Flag `admin`: full access to the service.
    Administrator,
    /// No flag: the access that `RootSDDL` and other security descriptors grant.
    User,
}

/// Whether an account or a mapping may be used: the flag `disabled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnabledState {
    /// In use.
    Enabled,
    /// Flag `disabled`: rejected regardless of how the client authenticates.
    Disabled,
}

/// A time in seconds since 1970 (UTC), up to the end of the year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(
    /// INVARIANT: at most `LAST`.
    u64,
);

impl UnixTime {
    const LAST: u64 = 253_402_300_799;

    /// Creates a time; later ones become the last representable time.
    #[must_use]
    pub fn new(seconds: u64) -> Self {
        Self(seconds.min(Self::LAST))
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0
    }

    fn parse(text: &str) -> Result<Self, FieldError> {
        decimal(text).filter(|seconds| *seconds <= Self::LAST).map(Self).ok_or(FieldError::Changed)
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A comment of at most 200 characters, without colons and control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comment(String);

impl Comment {
    const MAX: usize = 200;

    /// Parses a comment.
    ///
    /// # Errors
    /// [`FieldError::Comment`] if it is too long or contains forbidden characters.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let is_short = text.chars().take(Self::MAX + 1).count() <= Self::MAX;
        let is_valid = is_short && !text.chars().any(|c| c.is_control() || c == ':');
        if is_valid { Ok(Self(text.to_owned())) } else { Err(FieldError::Comment) }
    }

    /// Text of the comment.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Comment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name_character(c: char) -> bool {
    !c.is_control() && !c.is_whitespace() && !FORBIDDEN.contains(c)
}

/// Returns the beginning of a name for messages, without control characters.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(64).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

fn parse_flags(text: &str) -> Result<(Role, EnabledState), FieldError> {
    let (mut role, mut state) = (Role::User, EnabledState::Enabled);
    if text.is_empty() {
        return Ok((role, state));
    }
    for flag in text.split(',') {
        match flag {
            ADMIN if role == Role::User => role = Role::Administrator,
            DISABLED if state == EnabledState::Enabled => state = EnabledState::Disabled,
            _ => return Err(FieldError::Flag { flag: beginning(flag) }),
        }
    }
    Ok((role, state))
}

const MAX_NAME: usize = 64;
const FORBIDDEN: &str = "\"/\\[]:;|=,+*?<>@#";
const ADMIN: &str = "admin";
const DISABLED: &str = "disabled";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_special_characters_are_rejected() {
        for name in ["alice", "Jürgen", "svc-backup$", "a.b_c", "0", &"x".repeat(64)] {
            assert_eq!(AccountName::parse(name).unwrap().as_str(), name);
        }
        for name in
            ["", "-a", "a b", "a\tb", "a:b", "CORP\\a", "a@b", "#a", "a/b", "a\u{85}", &"x".repeat(65)]
        {
            assert!(AccountName::parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn flags_are_parsed_in_any_order_and_once() {
        let both = (Role::Administrator, EnabledState::Disabled);
        assert_eq!(parse_flags("admin,disabled").unwrap(), both);
        assert_eq!(parse_flags("disabled,admin").unwrap(), both);
        assert_eq!(parse_flags("").unwrap(), (Role::User, EnabledState::Enabled));
        for flags in ["admin,admin", ",", "admin,", "Admin", "admin disabled"] {
            assert!(parse_flags(flags).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn rids_do_not_overlap_with_unix_users_and_groups() {
        assert!(Rid::FIRST.number() > 1001 + 2 * (1 << 30));
        assert_eq!(Rid::new(2_999_999_999), None);
        assert_eq!(Rid::new(u32::MAX), None);
    }
}
