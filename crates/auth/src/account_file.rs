//! The file of local accounts: who may sign in to a service that keeps accounts of its own.
//!
//! ```text
//! # Lines that begin with # and empty lines stay where they are.
//! @next-rid:3000000002
//! alice:3000000000:admin:1763719754:$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$ZmFrZWZha2VmYWtlZmFrZQ:on call
//! bob:3000000001:disabled:1763719801:$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$ZmFrZWZha2VmYWtlZmFrZQ:
//! ```
//!
//! | field | what stands there |
//! |---|---|
//! | name | [`AccountName`]; no two differ only in the case of letters |
//! | RID | the last number of the account's SID: [`Rid`]; no two accounts ever share one |
//! | flags | nothing, `admin`, `disabled`, or both with a comma |
//! | changed | when the password was set, in seconds since 1970: [`UnixTime`] |
//! | password | Argon2id as a PHC string, a hash of the shadow file, or `*`: [`PasswordHash`] |
//! | comment | [`Comment`], often empty |
//! | NT hash | what NTLM needs: [`SealedNtHash`]; field and colon are there only if there is one |
//!
//! `@next-rid` is the RID of the next account, so that the number of one that was removed is not given to
//! another; a file without that line counts on from its highest RID.
//! Everything else is refused with the number of the line, so that a record that a later version writes is
//! never half understood.
//!
//! This module reads no file and knows no clock: text, salt and time are arguments.

mod password_hash;
mod record;
mod sealed_nt_hash;
pub mod shadow;
pub mod smbpasswd;

use std::collections::BTreeSet;
use std::fmt;

pub use password_hash::{HashError, NewPassword, PasswordHash, PasswordRuleError};
pub use record::{AccountName, Comment, FieldError, Record, Rid, Role, Standing, UnixTime};
pub use sealed_nt_hash::SealedNtHash;

/// The accounts of one file, in the order and with the comments of its lines.
#[derive(Clone, Debug, Default)]
pub struct AccountFile {
    /// INVARIANT: at most [`MAX_LINES`]; names and RIDs are unique; at most one [`Line::NextRid`].
    lines: Vec<Line>,
    next: NextRid,
}

/// Why a file is not one of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct AtLine<E> {
    /// Counted from one.
    pub line: usize,
    /// What is wrong there.
    pub reason: E,
}

/// Why a file of accounts is not one.
pub type AccountFileError = AtLine<LineError>;

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// More lines than a file may have.
    #[error(
        "a file of accounts has at most {MAX_LINES} lines\n  keep that many accounts in a directory service and let PAM ask it"
    )]
    TooManyLines,
    /// A line of more than [`MAX_LINE_OCTETS`].
    #[error("the line is longer than {MAX_LINE_OCTETS} octets")]
    TooLong,
    /// Something that is no record.
    #[error(
        "{found} instead of 6 fields\n  a record is NAME:RID:FLAGS:CHANGED:PASSWORD:COMMENT, with :NTHASH behind it if there is one; a comment begins with #"
    )]
    FieldCount {
        /// How many there are.
        found: usize,
    },
    /// A field that cannot be what it stands for.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The name of an earlier line, in whatever case.
    #[error("{name:?} is listed twice\n  delete one of the lines; the case of letters does not count")]
    DuplicateName {
        /// Which name.
        name: AccountName,
    },
    /// The RID of an earlier line.
    #[error(
        "the RID {rid} is listed twice\n  what belongs to one account would belong to the other: add one of them anew"
    )]
    DuplicateRid {
        /// Which number.
        rid: Rid,
    },
    /// A line with `@` that is not known.
    #[error("a line that begins with @ is not understood\n  this version knows @next-rid:NUMBER")]
    UnknownDirective,
    /// A second `@next-rid`.
    #[error("@next-rid is there twice\n  keep the line with the larger number")]
    DuplicateNextRid,
    /// A number that is no RID, or that an account has or had.
    #[error(
        "@next-rid is not a number from {smallest} to {}\n  without the line it follows from the accounts",
        u32::MAX
    )]
    NextRid {
        /// One above the largest RID of the file.
        smallest: u32,
    },
}

/// Why a change of the accounts is refused; nothing was changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The name is taken; the spelling is that of the file.
    #[error("the account {0} exists already")]
    Exists(AccountName),
    /// There is no such account.
    #[error("there is no account {0}")]
    Unknown(String),
    /// The file has as many lines as it may.
    #[error("the file has {MAX_LINES} lines, which is as many as it may have")]
    Full,
    /// Every RID has been given away.
    #[error("no RID is left for another account")]
    NoRidLeft,
}

/// What a new account is made of; its RID is the file's to give.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// What it is called.
    pub name: AccountName,
    /// Its password.
    pub password: PasswordHash,
    /// What it may do in a service of one process; see [`AccountFile::usual_role`].
    pub role: Role,
    /// Now.
    pub changed: UnixTime,
    /// Any remark.
    pub comment: Comment,
}

impl AccountFile {
    /// Reads the text of a file. An empty one has no accounts.
    ///
    /// # Errors
    /// The first line that is wrong, and why.
    pub fn parse(text: &str) -> Result<Self, AccountFileError> {
        let mut lines = Vec::new();
        let mut seen = Seen::default();
        for (number, text) in text.lines().enumerate().map(|(at, text)| (at + 1, text)) {
            let line =
                seen.admit(number, text).map_err(|reason| AccountFileError { line: number, reason })?;
            lines.push(line);
        }
        let next = seen.next().map_err(|(line, reason)| AccountFileError { line, reason })?;
        Ok(Self { lines, next })
    }

    /// The accounts, in the order of the lines.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.lines.iter().filter_map(|line| match line {
            Line::Record(record) => Some(record.as_ref()),
            Line::Kept(_) | Line::NextRid => None,
        })
    }

    /// The account of this name, in any case of letters.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Record> {
        let key = AccountName::key_of(name);
        self.records().find(|record| record.name.key() == key)
    }

    /// The role of an account for which nobody has chosen one: the first account of a file is an
    /// administrator, because a service that nobody can administer is of no use.
    #[must_use]
    pub fn usual_role(&self) -> Role {
        if self.records().next().is_none() { Role::Administrator } else { Role::User }
    }

    /// Adds an account at the end, with a RID that no account of this file has had.
    ///
    /// # Errors
    /// [`ChangeError::Exists`], [`ChangeError::Full`] or [`ChangeError::NoRidLeft`].
    pub fn add(&mut self, account: NewAccount) -> Result<Rid, ChangeError> {
        if let Some(known) = self.find(account.name.as_str()) {
            return Err(ChangeError::Exists(known.name.clone()));
        }
        let next_rid_line = usize::from(!self.has_next_rid());
        if self.lines.len() + 1 + next_rid_line > MAX_LINES {
            return Err(ChangeError::Full);
        }
        let (rid, next) = self.next.take().ok_or(ChangeError::NoRidLeft)?;
        self.next = next;
        self.keep_next_rid();
        self.lines.push(Line::Record(Box::new(Record {
            name: account.name,
            rid,
            role: account.role,
            standing: Standing::Enabled,
            changed: account.changed,
            password: account.password,
            comment: account.comment,
            nt_hash: None,
        })));
        Ok(rid)
    }

    /// Gives an account another password. Its NT hash is taken away, for it is that of the old one; see
    /// [`set_nt_hash`](Self::set_nt_hash).
    ///
    /// # Errors
    /// [`ChangeError::Unknown`].
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

    /// Lets an account sign in with NTLM, or no longer.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`].
    pub fn set_nt_hash(&mut self, name: &str, nt_hash: Option<SealedNtHash>) -> Result<(), ChangeError> {
        self.find_mut(name)?.nt_hash = nt_hash;
        Ok(())
    }

    /// Lets an account sign in, or no longer.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`].
    pub fn set_standing(&mut self, name: &str, standing: Standing) -> Result<(), ChangeError> {
        self.find_mut(name)?.standing = standing;
        Ok(())
    }

    /// Takes an account out of the file; its RID is not given to another.
    ///
    /// # Errors
    /// [`ChangeError::Unknown`].
    pub fn remove(&mut self, name: &str) -> Result<(), ChangeError> {
        let rid = self.find_mut(name)?.rid;
        self.lines.retain(|line| !matches!(line, Line::Record(record) if record.rid == rid));
        self.keep_next_rid();
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

    /// From the first change on the file itself knows which RIDs were given away.
    fn keep_next_rid(&mut self) {
        if !self.has_next_rid() {
            let first = self.lines.iter().position(|line| matches!(line, Line::Record(_)));
            self.lines.insert(first.unwrap_or(self.lines.len()), Line::NextRid);
        }
    }
}

/// The text of the file: comments as they were, one record a line.
impl fmt::Display for AccountFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| match line {
            Line::Kept(text) => writeln!(f, "{text}"),
            Line::NextRid => writeln!(f, "{NEXT_RID}{}", self.next.0),
            Line::Record(record) => writeln!(f, "{record}"),
        })
    }
}

#[derive(Clone, Debug)]
enum Line {
    /// A comment, or nothing.
    Kept(String),
    /// Where [`AccountFile::next`] stands.
    NextRid,
    Record(Box<Record>),
}

/// The RID of the next account.
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
        // A RID is below `u32::MAX`.
        Self(rid.number().saturating_add(1))
    }

    /// A RID, and what follows it.
    fn take(self) -> Option<(Rid, Self)> {
        let rid = Rid::new(self.0)?;
        Some((rid, Self::after(rid)))
    }
}

/// What the lines so far have taken.
#[derive(Default)]
struct Seen {
    names: BTreeSet<String>,
    rids: BTreeSet<Rid>,
    /// The line that says it, and what it says.
    next: Option<(usize, u32)>,
}

impl Seen {
    fn admit(&mut self, number: usize, text: &str) -> Result<Line, LineError> {
        if number > MAX_LINES {
            return Err(LineError::TooManyLines);
        }
        if text.len() > MAX_LINE_OCTETS {
            return Err(LineError::TooLong);
        }
        if text.starts_with('#') || text.trim().is_empty() {
            // A carriage return at the end would be part of the end of the line when read again.
            return Ok(Line::Kept(text.trim_end_matches('\r').to_owned()));
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

/// The most lines of a file, comments included.
pub const MAX_LINES: usize = 8_192;

/// The longest line. Every record is shorter, so that what was added can be read again.
pub const MAX_LINE_OCTETS: usize = 2_048;

/// The largest file, in octets.
pub const MAX_OCTETS: usize = MAX_LINES * (MAX_LINE_OCTETS + 2);

const NEXT_RID: &str = "@next-rid:";

/// Reads every line, of which some mean nothing, up to the first that is wrong.
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

/// What stands between the colons of a line of another program; none for one that is empty or a comment.
fn fields<E>(text: &str, too_long: E) -> Result<Option<Vec<&str>>, E> {
    if text.len() > MAX_LINE_OCTETS {
        return Err(too_long);
    }
    let is_one = !text.starts_with('#') && !text.trim().is_empty();
    Ok(is_one.then(|| text.trim_end().split(':').collect()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
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
    fn what_is_not_changed_keeps_its_line() {
        let text = format!(
            "# Keep this.\n\n@next-rid:3000000009\nalice:3000000000:admin,disabled:0:{HASH}:on call\n  \n{}\n#bob\n",
            line("Bob", 3_000_000_008)
        );
        let mut file = AccountFile::parse(&text).unwrap();
        assert_eq!(file.to_string(), text);
        file.set_standing("ALICE", Standing::Enabled).unwrap();
        file.set_password("bob", PasswordHash::parse(HASH).unwrap(), UnixTime::new(7)).unwrap();
        let expected = text.replace("admin,disabled", "admin").replace("::1763719754:", "::7:");
        assert_eq!(file.to_string(), expected);
    }

    #[test]
    fn names_are_found_in_any_case_and_shown_as_written() {
        let file = AccountFile::parse(&line("Jürgen", 3_000_000_000)).unwrap();
        assert_eq!(file.find("JÜRGEN").unwrap().name.as_str(), "Jürgen");
        assert!(file.find("jurgen").is_none());
    }

    #[test]
    fn the_rid_of_a_removed_account_is_not_given_to_another() {
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
    fn only_the_first_account_is_an_administrator_unasked() {
        let mut file = AccountFile::default();
        assert_eq!(file.usual_role(), Role::Administrator);
        assert_eq!(file.add(new("alice")).unwrap(), Rid::FIRST);
        assert_eq!(file.usual_role(), Role::User);
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let mut file = AccountFile::parse(&line("alice", 3_000_000_000)).unwrap();
        let before = file.to_string();
        let alice = AccountName::parse("alice").unwrap();
        assert_eq!(file.add(new("Alice")), Err(ChangeError::Exists(alice)));
        let unknown = ChangeError::Unknown("bob".to_owned());
        assert_eq!(file.remove("bob"), Err(unknown.clone()));
        assert_eq!(file.set_standing("bob", Standing::Disabled), Err(unknown));
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
    fn the_largest_record_can_be_read_again() {
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
        file.set_nt_hash(&"𝔘".repeat(64), Some(SealedNtHash { nonce: [0; 12], sealed: [0; 32] })).unwrap();
        let again = AccountFile::parse(&file.to_string()).unwrap();
        assert_eq!(again.records().count(), 1);
        assert!(again.records().all(|record| record.nt_hash.is_some()));
    }

    #[test]
    fn an_nt_hash_is_kept_until_the_password_is_another_one() {
        let mut file = AccountFile::parse(&line("alice", 3_000_000_000)).unwrap();
        let before = file.to_string();
        assert_eq!(file.find("alice").unwrap().nt_hash, None);
        let sealed = SealedNtHash { nonce: [0; 12], sealed: [0; 32] };
        file.set_nt_hash("ALICE", Some(sealed)).unwrap();
        assert_eq!(file.to_string().trim_end(), format!("{}:{SEALED}", before.trim_end()));
        file.set_standing("alice", Standing::Disabled).unwrap();
        let mut file = AccountFile::parse(&file.to_string()).unwrap();
        assert_eq!(file.find("alice").unwrap().nt_hash, Some(sealed));
        file.set_password("alice", PasswordHash::never(), UnixTime::new(7)).unwrap();
        assert_eq!(file.find("alice").unwrap().nt_hash, None);
        assert!(file.to_string().ends_with(":disabled:7:*:\n"), "{file}");
        assert_eq!(file.set_nt_hash("bob", None), Err(ChangeError::Unknown("bob".to_owned())));
    }

    #[test]
    fn a_wrong_line_is_named_with_its_reason() {
        let (alice, bob) = (line("alice", 3_000_000_001), line("bob", 3_000_000_001));
        let cases = [
            ("\nalice".to_owned(), 2, "1 instead of 6 fields"),
            (format!("{alice}:"), 1, "aes-256-gcm"),
            (format!("{alice}:more"), 1, "aes-256-gcm"),
            (format!("{alice}:{SEALED}:"), 1, "8 instead of 6 fields"),
            (format!("# {}", "x".repeat(MAX_LINE_OCTETS)), 1, "longer than 2048"),
            ("\n".repeat(MAX_LINES + 1), MAX_LINES + 1, "at most 8192 lines"),
            (format!("{alice}\n{}", alice.replace("alice", "ALICE")), 2, "\"ALICE\" is listed twice"),
            (format!("{alice}\n{bob}"), 2, "RID 3000000001 is listed twice"),
            ("@version:2".to_owned(), 1, "@next-rid:NUMBER"),
            ("@next-rid:3000000000\n@next-rid:3000000000".to_owned(), 2, "twice"),
            ("@next-rid:".to_owned(), 1, "3000000000 to 4294967295"),
            ("@next-rid:2999999999".to_owned(), 1, "3000000000 to"),
            (format!("@next-rid:3000000001\n{alice}"), 1, "3000000002 to"),
            (alice.replace("3000000001", "1000"), 1, "RID"),
            (alice.replace("::", ":adm:"), 1, "adm"),
            (alice.replace(HASH, "$1$salt$hash"), 1, "argon2id"),
            (alice.replace(HASH, "$6$salt$hash"), 1, "not whole"),
            (alice.replace(HASH, "$6$rounds=9999999$salt$hash"), 1, "1000 to 1000000"),
        ];
        for (text, number, part) in cases {
            let error = AccountFile::parse(&text).expect_err(part);
            assert_eq!(error.line, number, "{error}");
            assert!(error.to_string().contains(part), "{error} does not tell of {part:?}");
        }
    }

    #[test]
    fn no_password_and_no_hash_is_shown_by_debug() {
        let password = NewPassword::new(Secret::new("hunter2".to_owned())).unwrap();
        let file = AccountFile::parse(&line("alice", 3_000_000_000)).unwrap();
        let shown = format!("{password:?} {file:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("ZmFr") && !shown.contains("102"), "{shown}");
    }
}
