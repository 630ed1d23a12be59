//! One account, and what its fields may be.

use std::fmt;

use super::LineError;
use super::password_hash::{HashError, PasswordHash};
use super::sealed_nt_hash::SealedNtHash;

/// One account of the file.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it is called.
    pub name: AccountName,
    /// The last number of its SID.
    pub rid: Rid,
    /// What it may do in a service of one process.
    pub role: Role,
    /// Whether it may sign in.
    pub standing: Standing,
    /// When the password was set.
    pub changed: UnixTime,
    /// What the password is compared with.
    pub password: PasswordHash,
    /// Any remark.
    pub comment: Comment,
    /// What NTLM proves the password with; without it the account cannot sign in that way.
    pub nt_hash: Option<SealedNtHash>,
}

impl Record {
    pub(super) fn parse(line: &str) -> Result<Self, LineError> {
        let fields: Vec<&str> = line.split(':').collect();
        let (nt_hash, fields) = match fields.as_slice() {
            [fields @ .., nt_hash] if fields.len() == 6 => (Some(*nt_hash), fields),
            fields => (None, fields),
        };
        let [name, rid, flags, changed, password, comment] = fields else {
            return Err(LineError::FieldCount { found: fields.len() });
        };
        let (role, standing) = parse_flags(flags)?;
        Ok(Self {
            name: AccountName::parse(name)?,
            rid: Rid::parse(rid)?,
            role,
            standing,
            changed: UnixTime::parse(changed)?,
            password: PasswordHash::parse(password).map_err(FieldError::Password)?,
            comment: Comment::parse(comment)?,
            nt_hash: nt_hash.map(|text| SealedNtHash::parse(text).ok_or(FieldError::NtHash)).transpose()?,
        })
    }
}

/// The record as its line, without the end of it.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rid, role, standing, changed, password, comment, nt_hash } = self;
        let flags = match (role, standing) {
            (Role::User, Standing::Enabled) => "",
            (Role::Administrator, Standing::Enabled) => ADMIN,
            (Role::User, Standing::Disabled) => DISABLED,
            (Role::Administrator, Standing::Disabled) => "admin,disabled",
        };
        write!(f, "{name}:{rid}:{flags}:{changed}:{password}:{comment}")?;
        nt_hash.map_or(Ok(()), |nt_hash| write!(f, ":{nt_hash}"))
    }
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// A name that cannot be one.
    #[error(
        "{name:?} is not a name of an account\n  use 1 to 64 letters, digits or any of . _ - $ ~ ! % & and no - first"
    )]
    Name {
        /// As it was written, cut short.
        name: String,
    },
    /// A number that is not the RID of an account of this file.
    #[error(
        "the RID is not a number from {} to {}\n  add the account with telarch account add, which gives it one",
        Rid::FIRST,
        Rid::LAST
    )]
    Rid,
    /// A flag that means nothing.
    #[error(
        "the flag {flag:?} is unknown or repeated\n  known are {ADMIN} and {DISABLED}, with a comma between them"
    )]
    Flag {
        /// As it was written, cut short.
        flag: String,
    },
    /// A time that is none.
    #[error("the time of the last password change is not a number of seconds from 0 to {}", UnixTime::LAST)]
    Changed,
    /// A password that cannot be compared with.
    #[error(transparent)]
    Password(#[from] HashError),
    /// A comment that does not fit into a line.
    #[error("the comment is longer than {} characters, or has a colon or a control character", Comment::MAX)]
    Comment,
    /// An NT hash that cannot be opened.
    #[error(
        "the last of 7 fields is not an NT hash sealed with aes-256-gcm\n  delete it with the colon before it, or give the account a password with telarch account set-password"
    )]
    NtHash,
}

/// The name of an account.
///
/// 1 to 64 letters, digits and marks in any script. Not among them are white space, control characters,
/// `#`, `@`, and what names on Windows must not contain (`" / \ [ ] : ; | = , + * ? < >`); a `-` is not the
/// first, so that no command line takes the name for an option.
/// Two names that differ only in the case of letters are the same name, as on Windows.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountName(String);

impl AccountName {
    /// Takes a text for a name.
    ///
    /// # Errors
    /// [`FieldError::Name`].
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let fits = |c: char| !c.is_control() && !c.is_whitespace() && !FORBIDDEN.contains(c);
        let length = text.chars().take(MAX_NAME + 1).count();
        if (1..=MAX_NAME).contains(&length) && !text.starts_with('-') && text.chars().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(FieldError::Name { name: beginning(text) })
    }

    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is equal for two spellings of one name.
    #[must_use]
    pub fn key(&self) -> String {
        Self::key_of(&self.0)
    }

    /// The key of a name that someone claims to have; any text has one.
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

/// The last number of an account's SID.
///
/// Users and groups of the machine have numbers up to 1001 + 2·2³⁰ = 2147484649 (`sddl::linux`), so that
/// what an account of this file is granted is never granted to one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rid(
    /// INVARIANT: from `FIRST` to `LAST`.
    u32,
);

impl Rid {
    /// The number of the first account of a file; one that is recognised on sight.
    pub const FIRST: Self = Self(3_000_000_000);
    /// The largest number; there is always one above it.
    pub const LAST: Self = Self(u32::MAX - 1);

    /// The RID with this number; none if it is outside the range.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        (Self::FIRST.0..=Self::LAST.0).contains(&number).then_some(Self(number))
    }

    /// The number.
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

/// What an account may do in a service of one process, where everything is done as one user: the flag
/// `admin`.
///
/// Where every user has a process of its own, the groups of the machine decide and this has no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `admin`: everything the service can do.
    Administrator,
    /// No flag: what `RootSDDL` and its like grant to it.
    User,
}

/// Whether an account may sign in: the flag `disabled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Enabled,
    /// `disabled`: it may not, whatever proves who it is.
    Disabled,
}

/// A time, in seconds since 1970 (UTC), up to the end of the year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(
    /// INVARIANT: at most `LAST`.
    u64,
);

impl UnixTime {
    const LAST: u64 = 253_402_300_799;

    /// The time with this number of seconds; the last there is if it is later.
    #[must_use]
    pub fn new(seconds: u64) -> Self {
        Self(seconds.min(Self::LAST))
    }

    /// The number of seconds.
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

/// A remark of at most 200 characters, without colons and control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comment(String);

impl Comment {
    const MAX: usize = 200;

    /// Takes a text for a comment.
    ///
    /// # Errors
    /// [`FieldError::Comment`].
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let is_short = text.chars().take(Self::MAX + 1).count() <= Self::MAX;
        let fits = is_short && !text.chars().any(|c| c.is_control() || c == ':');
        if fits { Ok(Self(text.to_owned())) } else { Err(FieldError::Comment) }
    }

    /// The text.
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

/// Enough of a name to find it, without anything that would disturb a log or a terminal.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(64).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

fn parse_flags(text: &str) -> Result<(Role, Standing), FieldError> {
    let (mut role, mut standing) = (Role::User, Standing::Enabled);
    if text.is_empty() {
        return Ok((role, standing));
    }
    for flag in text.split(',') {
        match flag {
            ADMIN if role == Role::User => role = Role::Administrator,
            DISABLED if standing == Standing::Enabled => standing = Standing::Disabled,
            _ => return Err(FieldError::Flag { flag: beginning(flag) }),
        }
    }
    Ok((role, standing))
}

/// Digits without a sign and without zeros in front, so that every number has one spelling.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let is_canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|c| c.is_ascii_digit()));
    if is_canonical { text.parse().ok() } else { None }
}

/// Enough of a text to recognise it.
pub(super) fn beginning(text: &str) -> String {
    text.chars().take(40).collect()
}

const MAX_NAME: usize = 64;
const FORBIDDEN: &str = "\"/\\[]:;|=,+*?<>@#";
const ADMIN: &str = "admin";
const DISABLED: &str = "disabled";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_that_other_places_would_take_apart_are_refused() {
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
    fn flags_are_read_in_any_order_and_once() {
        let both = (Role::Administrator, Standing::Disabled);
        assert_eq!(parse_flags("admin,disabled").unwrap(), both);
        assert_eq!(parse_flags("disabled,admin").unwrap(), both);
        assert_eq!(parse_flags("").unwrap(), (Role::User, Standing::Enabled));
        for flags in ["admin,admin", ",", "admin,", "Admin", "admin disabled"] {
            assert!(parse_flags(flags).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("10"), Some(10));
        for text in ["", "00", "01", "+1", "-1", " 1", "1 ", "99999999999999999999"] {
            assert_eq!(decimal(text), None, "{text:?}");
        }
    }

    #[test]
    fn rids_stay_clear_of_the_users_and_groups_of_the_machine() {
        assert!(Rid::FIRST.number() > 1001 + 2 * (1 << 30));
        assert_eq!(Rid::new(2_999_999_999), None);
        assert_eq!(Rid::new(u32::MAX), None);
    }
}
