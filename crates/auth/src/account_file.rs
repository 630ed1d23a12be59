//! The file of local accounts, for services that store accounts of their own.
//!
//! ```text
//! # Lines that begin with # and empty lines stay where they are.
//! @next-rid:3000000002
//! alice:3000000000:admin:1763719754:$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$ZmFrZWZha2VmYWtlZmFrZQ:on call
//! bob:3000000001:disabled:1763719801:$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$ZmFrZWZha2VmYWtlZmFrZQ:
//! ```
//!
//! | field | content |
//! |---|---|
//! | name | [`AccountName`]; names that differ only in case are duplicates |
//! | RID | last number of the account's SID: [`Rid`], never shared by two accounts |
//! | flags | empty, `admin`, `disabled`, or both separated by a comma |
//! | changed | time of the last password change, in seconds since 1970: [`UnixTime`] |
//! | password | Argon2id as a PHC string, a hash from the shadow file, or `*`: [`PasswordHash`] |
//! | comment | [`Comment`], often empty |
//! | NT hash | secret for NTLM: [`SealedNtHash`]; the field and its colon are omitted for accounts without NTLM |
//!
//! An NT hash can belong to the password of a Linux user instead of the account's own: [`LinuxPassword`].
//!
//! `@next-rid` is the RID of the next account, so that the RID of a removed account is not assigned again. Without that
//! line, numbering continues after the highest RID of the file. Any other line is an error with its line number, so
//! that records of a later version are never misread.
//!
//! This module does not read files or the clock; text, salt and time are arguments.

mod field_text;
mod password_hash;
mod record;
mod sealed_nt_hash;
pub mod shadow;
pub mod smbpasswd;

use std::collections::BTreeSet;
use std::fmt;

pub use password_hash::{HashError, NewPassword, PasswordHash, PasswordRuleError};
pub use record::{AccountName, Comment, EnabledState, FieldError, Record, Rid, Role, UnixTime};
pub use sealed_nt_hash::{LinuxPassword, SealedNtHash};

/// Accounts of one file, in the order and with the comments of its lines.
#[derive(Clone, Debug, Default)]
pub struct AccountFile {
    /// INVARIANT: at most [`MAX_LINES`] lines; names and RIDs are unique; at most one [`Line::NextRid`].
    lines: Vec<Line>,
    next: NextRid,
}

/// An error with its line number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct AtLine<E> {
    /// Line number, from 1.
    pub line: usize,
    /// Cause.
    pub reason: E,
}

/// Error of an account file.
pub type AccountFileError = AtLine<LineError>;

/// Reason why a line is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The file has more than [`MAX_LINES`] lines.
    #[error(
        "an account file has at most {MAX_LINES} lines\n  for more accounts, use a directory service through PAM"
    )]
    TooManyLines,
    /// A line is longer than [`MAX_LINE_OCTETS`] bytes.
    #[error("line exceeds {MAX_LINE_OCTETS} bytes")]
    TooLong,
    /// A record has the wrong number of fields.
    #[error(
        "expected 6 fields, found {found}\n  write NAME:RID:FLAGS:CHANGED:PASSWORD:COMMENT, optionally followed by :NTHASH; comments begin with #"
    )]
    FieldCount {
        /// Number of fields found.
        found: usize,
    },
    /// A field is invalid.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The name occurs on an earlier line, compared without case.
    #[error("duplicate account name \"{name}\"\n  delete one of the lines; case is ignored")]
    DuplicateName {
        /// Duplicate name.
        name: AccountName,
    },
    /// The RID occurs on an earlier line.
    #[error(
        "duplicate RID {rid}\n  the two accounts would share access rights; delete one of them and add it again"
    )]
    DuplicateRid {
        /// Duplicate RID.
        rid: Rid,
    },
    /// A line begins with `@` and is not a known directive.
    #[error("unknown directive\n  a line that begins with @ must be @next-rid:NUMBER")]
    UnknownDirective,
    /// `@next-rid` occurs twice.
    #[error("duplicate @next-rid\n  keep the line with the larger number")]
    DuplicateNextRid,
    /// `@next-rid` is not a RID, or is not above all RIDs of the file.
    #[error(
        "@next-rid is not a number from {smallest} to {}\n  if you delete the line, the number is derived from the accounts",
        u32::MAX
    )]
    NextRid {
        /// Smallest allowed number: one above the largest RID of the file.
        smallest: u32,
    },
}

/// Reason why a change is rejected. The file is unchanged then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// An account with this name exists; spelt as in the file.
    #[error("account {0} already exists")]
    Exists(AccountName),
    /// No account has this name.
    #[error("no account named {0}")]
    Unknown(String),
    /// The file has the maximum number of lines.
    #[error("the account file has the maximum of {MAX_LINES} lines")]
    Full,
    /// All RIDs have been assigned.
    #[error("no RID left for another account")]
    NoRidLeft,
}

/// Data of a new account. Its RID is assigned by the file.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Account name.
    pub name: AccountName,
    /// Password hash.
    pub password: PasswordHash,
    /// Role in a service of one process; see [`AccountFile::usual_role`].
    pub role: Role,
    /// Current time.
    pub changed: UnixTime,
    /// Comment.
    pub comment: Comment,
}

impl AccountFile {
    /// Parses the text of a file. An empty text has no accounts.
    ///
    /// # Errors
    /// [`AccountFileError`] for the first invalid line.
    pub fn parse(text: &str) -> Result<Self, AccountFileError> {
        let mut lines = Vec::new();
        let mut parsed = ParsedLines::default();
        for (number, text) in text.lines().enumerate().map(|(at, text)| (at + 1, text)) {
            let line =
                parsed.parse(number, text).map_err(|reason| AccountFileError { line: number, reason })?;
            lines.push(line);
        }
        let next = parsed.next().map_err(|(line, reason)| AccountFileError { line, reason })?;
        Ok(Self { lines, next })
    }

    /// Returns the accounts, in the order of the lines.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.lines.iter().filter_map(|line| match line {
            Line::Record(record) => Some(record.as_ref()),
            Line::Text(_) | Line::NextRid => None,
        })
    }

    /// Returns the account of this name, compared without case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Record> {
        let key = AccountName::key_of(name);
        self.records().find(|record| record.name.key() == key)
    }

    /// Default role of a new account: the first account of a file is an administrator, because a service without one
    /// cannot be administered.
    #[must_use]
    pub fn usual_role(&self) -> Role {
        if self.records().next().is_none() { Role::Administrator } else { Role::User }
    }

    /// Appends an account with a RID that no account of this file has had.
    ///
    /// # Errors
    /// [`ChangeError::Exists`], [`ChangeError::Full`] or [`ChangeError::NoRidLeft`].
    pub fn add(&mut self, account: NewAccount) -> Result<Rid, ChangeError> {
        if let Some(existing) = self.find(account.name.as_str()) {
            return Err(ChangeError::Exists(existing.name.clone()));
        }
        let next_rid_line = usize::from(!self.has_next_rid());
        if self.lines.len() + 1 + next_rid_line > MAX_LINES {
            return Err(ChangeError::Full);
        }
        let (rid, next) = self.next.take().ok_or(ChangeError::NoRidLeft)?;
        self.next = next;
        self.ensure_next_rid_line();
        self.lines.push(Line::Record(Box::new(Record {
            name: account.name,
            rid,
            role: account.role,
            state: EnabledState::Enabled,
            changed: account.changed,
            password: account.password,
            comment: account.comment,
            nt_hash: None,
        })));
        Ok(rid)
    }

    /// Sets the password of an account and removes its NT hash, which belongs to the old password; see
    /// [`set_nt_hash`](Self::set_nt_hash).
    ///
    /// # Errors
    /// [`ChangeError::Unknown`] if there is no such account.
    pub fn set_password(
        &mut self,
        name: &str,
        password: PasswordHash,
        changed: UnixTime,
    ) -> Result<(), ChangeError> {
        let record = self.find_mut(name)?;
        record.password = password;
        record.changed = changed;
        record.nt_hash = None;
        Ok(())
    }

    /// Sets or removes the NT hash of an account, which allows or forbids NTLM.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`] if there is no such account.
    pub fn set_nt_hash(&mut self, name: &str, nt_hash: Option<SealedNtHash>) -> Result<(), ChangeError> {
        self.find_mut(name)?.nt_hash = nt_hash;
        Ok(())
    }

    /// Enables or disables an account.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`] if there is no such account.
    pub fn set_state(&mut self, name: &str, state: EnabledState) -> Result<(), ChangeError> {
        self.find_mut(name)?.state = state;
        Ok(())
    }

    /// Removes accounts whose record does not match; their RIDs are not assigned again.
    pub fn retain(&mut self, is_kept: impl Fn(&Record) -> bool) {
        let before = self.lines.len();
        self.lines.retain(|line| !matches!(line, Line::Record(record) if !is_kept(record)));
        if self.lines.len() != before {
            self.ensure_next_rid_line();
        }
    }

    /// Removes an account; its RID is not assigned again.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`] if there is no such account.
    pub fn remove(&mut self, name: &str) -> Result<(), ChangeError> {
        let rid = self.find_mut(name)?.rid;
        self.lines.retain(|line| !matches!(line, Line::Record(record) if record.rid == rid));
        self.ensure_next_rid_line();
        Ok(())
    }

    fn find_mut(&mut self, name: &str) -> Result<&mut Record, ChangeError> {
        let key = AccountName::key_of(name);
        self.lines
            .iter_mut()
            .find_map(|line| match line {
                Line::Record(record) if record.name.key() == key => Some(record.as_mut()),
                _ => None,
            })
            .ok_or_else(|| ChangeError::Unknown(name.to_owned()))
    }

    fn has_next_rid(&self) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::NextRid))
    }

    /// Inserts the line `@next-rid` at the first change, so that the file records which RIDs have been assigned.
    fn ensure_next_rid_line(&mut self) {
        if !self.has_next_rid() {
            let first = self.lines.iter().position(|line| matches!(line, Line::Record(_)));
            self.lines.insert(first.unwrap_or(self.lines.len()), Line::NextRid);
        }
    }
}

/// Formats the file: comments unchanged, one record per line.
impl fmt::Display for AccountFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| match line {
            Line::Text(text) => writeln!(f, "{text}"),
            Line::NextRid => writeln!(f, "{NEXT_RID}{}", self.next.0),
            Line::Record(record) => writeln!(f, "{record}"),
        })
    }
}

#[derive(Clone, Debug)]
enum Line {
    /// A comment or an empty line.
    Text(String),
    /// Position of the line `@next-rid`, whose value is in [`AccountFile::next`].
    NextRid,
    Record(Box<Record>),
}

/// RID of the next account.
#[derive(Clone, Copy, Debug)]
struct NextRid(
    /// INVARIANT: not below [`Rid::FIRST`], and above every RID of the file.
    u32,
);

impl Default for NextRid {
    fn default() -> Self {
        Self(Rid::FIRST.number())
    }
}

impl NextRid {
    fn after(rid: Rid) -> Self {
        // A RID is less than `u32::MAX`.
        Self(rid.number().saturating_add(1))
    }

    /// Returns the RID and its successor.
    fn take(self) -> Option<(Rid, Self)> {
        let rid = Rid::new(self.0)?;
        Some((rid, Self::after(rid)))
    }
}

/// Names and RIDs of the lines parsed so far.
#[derive(Default)]
struct ParsedLines {
    names: BTreeSet<String>,
    rids: BTreeSet<Rid>,
    /// Line number and value of `@next-rid`.
    next: Option<(usize, u32)>,
}

impl ParsedLines {
    fn parse(&mut self, number: usize, text: &str) -> Result<Line, LineError> {
        if number > MAX_LINES {
            return Err(LineError::TooManyLines);
        }
        if text.len() > MAX_LINE_OCTETS {
            return Err(LineError::TooLong);
        }
        if text.starts_with('#') || text.trim().is_empty() {
            // A trailing carriage return would become part of the line ending when parsed again.
            return Ok(Line::Text(text.trim_end_matches('\r').to_owned()));
        }
        if text.starts_with('@') {
            let next = text.strip_prefix(NEXT_RID).ok_or(LineError::UnknownDirective)?;
            let next = next.parse().map_err(|_| LineError::NextRid { smallest: self.smallest_next() })?;
            if self.next.replace((number, next)).is_some() {
                return Err(LineError::DuplicateNextRid);
            }
            return Ok(Line::NextRid);
        }
        let record = Record::parse(text)?;
        if !self.names.insert(record.name.key()) {
            return Err(LineError::DuplicateName { name: record.name });
        }
        if !self.rids.insert(record.rid) {
            return Err(LineError::DuplicateRid { rid: record.rid });
        }
        Ok(Line::Record(Box::new(record)))
    }

    fn smallest_next(&self) -> u32 {
        self.rids.last().map_or_else(NextRid::default, |largest| NextRid::after(*largest)).0
    }

    fn next(&self) -> Result<NextRid, (usize, LineError)> {
        let smallest = self.smallest_next();
        match self.next {
            Some((line, next)) if next < smallest => Err((line, LineError::NextRid { smallest })),
            Some((_, next)) => Ok(NextRid(next)),
            None => Ok(NextRid(smallest)),
        }
    }
}

/// Maximum number of lines, comments included.
pub const MAX_LINES: usize = 8_192;

/// Maximum length of a line in bytes. Every record is shorter, so that records written can be parsed again.
pub const MAX_LINE_OCTETS: usize = 2_048;

/// Maximum size of a file in bytes.
pub const MAX_OCTETS: usize = MAX_LINES * (MAX_LINE_OCTETS + 2);

const NEXT_RID: &str = "@next-rid:";

/// Parses all lines up to the first error; lines without content yield nothing.
fn parse_lines<T, E>(
    text: &str,
    too_many: E,
    parse_line: impl Fn(&str) -> Result<Option<T>, E>,
) -> Result<Vec<T>, AtLine<E>> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if line > MAX_LINES {
            return Err(AtLine { line, reason: too_many });
        }
        found.extend(parse_line(text).map_err(|reason| AtLine { line, reason })?);
    }
    Ok(found)
}

/// Splits a line of another program at its colons; `None` for an empty line or a comment.
fn fields<E>(text: &str, too_long: E) -> Result<Option<Vec<&str>>, E> {
    if text.len() > MAX_LINE_OCTETS {
        return Err(too_long);
    }
    let is_one = !text.starts_with('#') && !text.trim().is_empty();
    Ok(is_one.then(|| text.trim_end().split(':').collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$ZmFrZWZha2VmYWtlZmFrZQ";

    const SEALED: &str = "$aes-256-gcm$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn line(name: &str, rid: u32) -> String {
        format!("{name}:{rid}::1763719754:{HASH}:")
    }

    fn new(name: &str) -> NewAccount {
        NewAccount {
            name: AccountName::parse(name).unwrap(),
            password: PasswordHash::parse(HASH).unwrap(),
            role: Role::User,
            changed: UnixTime::new(5),
            comment: Comment::default(),
        }
    }

    #[test]
    fn unchanged_records_keep_their_lines() {
        let text = format!(
            "# Keep this.\n\n@next-rid:3000000009\nalice:3000000000:admin,disabled:0:{HASH}:on call\n  \n{}\n#bob\n",
            line("Bob", 3_000_000_008)
        );
        let mut file = AccountFile::parse(&text).unwrap();
        assert_eq!(file.to_string(), text);
        file.set_state("ALICE", EnabledState::Enabled).unwrap();
        file.set_password("bob", PasswordHash::parse(HASH).unwrap(), UnixTime::new(7)).unwrap();
        let expected = text.replace("admin,disabled", "admin").replace("::1763719754:", "::7:");
        assert_eq!(file.to_string(), expected);
    }

    #[test]
    fn names_are_found_without_case_and_keep_their_spelling() {
        let file = AccountFile::parse(&line("Jürgen", 3_000_000_000)).unwrap();
        assert_eq!(file.find("JÜRGEN").unwrap().name.as_str(), "Jürgen");
        assert!(file.find("jurgen").is_none());
    }

    #[test]
    fn the_rid_of_a_removed_account_is_not_assigned_again() {
        let mut file = AccountFile::parse(&format!("# old\n{}\n", line("alice", 3_000_000_004))).unwrap();
        file.remove("alice").unwrap();
        let mut file = AccountFile::parse(&file.to_string()).unwrap();
        assert_eq!(file.to_string(), "# old\n@next-rid:3000000005\n");
        assert_eq!(file.add(new("bob")).unwrap().number(), 3_000_000_005);
        assert_eq!(file.add(new("carol")).unwrap().number(), 3_000_000_006);
        let again = AccountFile::parse(&file.to_string()).unwrap();
        assert_eq!(again.records().map(|record| record.name.as_str()).collect::<Vec<_>>(), ["bob", "carol"]);
    }

    #[test]
    fn only_the_first_account_is_an_administrator_by_default() {
        let mut file = AccountFile::default();
        assert_eq!(file.usual_role(), Role::Administrator);
        assert_eq!(file.add(new("alice")).unwrap(), Rid::FIRST);
        assert_eq!(file.usual_role(), Role::User);
    }

    #[test]
    fn a_rejected_change_changes_nothing() {
        let mut file = AccountFile::parse(&line("alice", 3_000_000_000)).unwrap();
        let before = file.to_string();
        let alice = AccountName::parse("alice").unwrap();
        assert_eq!(file.add(new("Alice")), Err(ChangeError::Exists(alice)));
        let unknown = ChangeError::Unknown("bob".to_owned());
        assert_eq!(file.remove("bob"), Err(unknown.clone()));
        assert_eq!(file.set_state("bob", EnabledState::Disabled), Err(unknown));
        assert_eq!(file.to_string(), before);

        let mut last = AccountFile::parse("@next-rid:4294967295\n").unwrap();
        assert_eq!(last.add(new("bob")), Err(ChangeError::NoRidLeft));
        let mut full = AccountFile::parse(&"#\n".repeat(MAX_LINES - 1)).unwrap();
        assert_eq!(full.add(new("bob")), Err(ChangeError::Full));
        let mut room = AccountFile::parse(&"#\n".repeat(MAX_LINES - 2)).unwrap();
        room.add(new("bob")).unwrap();
        assert!(AccountFile::parse(&room.to_string()).is_ok());
    }

    #[test]
    fn the_largest_record_round_trips() {
        let mut file = AccountFile::parse("@next-rid:4294967294").unwrap();
        let hash = "$argon2id$v=19$m=65536,t=10,p=4";
        let longest = format!("{hash}${}${}", "A".repeat(86), "A".repeat(86));
        file.add(NewAccount {
            name: AccountName::parse(&"𝔘".repeat(64)).unwrap(),
            password: PasswordHash::parse(&longest).unwrap(),
            role: Role::Administrator,
            changed: UnixTime::new(u64::MAX),
            comment: Comment::parse(&"𝔘".repeat(200)).unwrap(),
        })
        .unwrap();
        let linux = Some(LinuxPassword::new("ann", u32::MAX, ""));
        let sealed = SealedNtHash { nonce: [0; 12], sealed: [0; 32], linux };
        file.set_nt_hash(&"𝔘".repeat(64), Some(sealed)).unwrap();
        let again = AccountFile::parse(&file.to_string()).unwrap();
        assert_eq!(again.records().count(), 1);
        assert!(again.records().all(|record| record.nt_hash.is_some()));
    }

    #[test]
    fn changing_the_password_removes_the_nt_hash() {
        let mut file = AccountFile::parse(&line("alice", 3_000_000_000)).unwrap();
        let before = file.to_string();
        assert_eq!(file.find("alice").unwrap().nt_hash, None);
        let sealed = SealedNtHash { nonce: [0; 12], sealed: [0; 32], linux: None };
        file.set_nt_hash("ALICE", Some(sealed)).unwrap();
        assert_eq!(file.to_string().trim_end(), format!("{}:{SEALED}", before.trim_end()));
        file.set_state("alice", EnabledState::Disabled).unwrap();
        let mut file = AccountFile::parse(&file.to_string()).unwrap();
        assert_eq!(file.find("alice").unwrap().nt_hash, Some(sealed));
        file.set_password("alice", PasswordHash::never(), UnixTime::new(7)).unwrap();
        assert_eq!(file.find("alice").unwrap().nt_hash, None);
        assert!(file.to_string().ends_with(":disabled:7:*:\n"), "{file}");
        assert_eq!(file.set_nt_hash("bob", None), Err(ChangeError::Unknown("bob".to_owned())));
    }

    #[test]
    fn errors_have_line_number_and_reason() {
        let (alice, bob) = (line("alice", 3_000_000_001), line("bob", 3_000_000_001));
        let cases = [
            ("\nalice".to_owned(), 2, "expected 6 fields, found 1"),
            (format!("{alice}:"), 1, "aes-256-gcm"),
            (format!("{alice}:more"), 1, "aes-256-gcm"),
            (format!("{alice}:{SEALED}:"), 1, "expected 6 fields, found 8"),
            (format!("# {}", "x".repeat(MAX_LINE_OCTETS)), 1, "exceeds 2048"),
            ("\n".repeat(MAX_LINES + 1), MAX_LINES + 1, "at most 8192 lines"),
            (format!("{alice}\n{}", alice.replace("alice", "ALICE")), 2, "duplicate account name \"ALICE\""),
            (format!("{alice}\n{bob}"), 2, "duplicate RID 3000000001"),
            ("@version:2".to_owned(), 1, "@next-rid:NUMBER"),
            ("@next-rid:3000000000\n@next-rid:3000000000".to_owned(), 2, "duplicate"),
            ("@next-rid:".to_owned(), 1, "3000000000 to 4294967295"),
            ("@next-rid:2999999999".to_owned(), 1, "3000000000 to"),
            (format!("@next-rid:3000000001\n{alice}"), 1, "3000000002 to"),
            (alice.replace("3000000001", "1000"), 1, "RID"),
            (alice.replace("::", ":adm:"), 1, "adm"),
            (alice.replace(HASH, "$1$salt$hash"), 1, "argon2id"),
            (alice.replace(HASH, "$6$salt$hash"), 1, "incomplete"),
            (alice.replace(HASH, "$6$rounds=9999999$salt$hash"), 1, "1000 to 1000000"),
        ];
        for (text, number, part) in cases {
            let error = AccountFile::parse(&text).expect_err(part);
            assert_eq!(error.line, number, "{error}");
            assert!(error.to_string().contains(part), "{error} does not contain {part:?}");
        }
    }

    #[test]
    fn debug_output_contains_no_password_or_hash() {
        let password = NewPassword::new(Secret::new("hunter2".to_owned())).unwrap();
        let file = AccountFile::parse(&line("alice", 3_000_000_000)).unwrap();
        let shown = format!("{password:?} {file:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("ZmFr") && !shown.contains("102"), "{shown}");
    }
}
