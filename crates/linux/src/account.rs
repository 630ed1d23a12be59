//! `/etc/passwd`, `/etc/group` and `/etc/shadow` (passwd(5), group(5), shadow(5)).

pub mod profile;

use std::io;
use std::time::Duration;

use crate::listing::{Listing, if_present};
use crate::{Error, Machine, program};

/// Sources of accounts to enumerate. An account requested by name is always found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sources {
    /// Accounts in the files of the machine.
    #[default]
    Files,
    /// Accounts of all sources in nsswitch.conf(5); in a large directory these may be many.
    All,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Number of the user.
    pub uid: u32,
    /// Group id of the primary group.
    pub gid: u32,
    /// GECOS fields, separated by commas; the first is the full name.
    pub remarks: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

impl User {
    /// Returns the users of these sources. If the directory of the machine does not answer, those in the files are
    /// found.
    pub fn all(machine: &Machine, sources: Sources) -> Listing<Self> {
        listed(machine, sources, "passwd", Self::parse_all)
    }

    /// Returns the users in `/etc/passwd`.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub fn in_files(machine: &Machine) -> Result<Vec<Self>, Error> {
        Ok(Self::parse_all(&text_of(machine, "passwd")?))
    }

    fn parse_all(text: &str) -> Vec<Self> {
        text.lines().filter_map(Self::parse).collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _) = (fields.next().filter(|name| !name.is_empty())?.to_owned(), fields.next()?);
        let (uid, gid) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let mut text = || fields.next().unwrap_or_default().to_owned();
        Some(Self { name, uid, gid, remarks: text(), home: text(), shell: text() })
    }

    /// Returns the user with this name; an exact match precedes one that differs in case.
    ///
    /// # Errors
    /// If the user was not found and a source did not answer.
    pub fn named(machine: &Machine, name: &str, sources: Sources) -> Result<Option<Self>, Error> {
        let Listing { found: all, failure } = Self::all(machine, sources);
        let exact = all.iter().find(|user| user.name == name);
        if let Some(known) = exact.or_else(|| all.iter().find(|user| user.name.eq_ignore_ascii_case(name))) {
            return Ok(Some(known.clone()));
        }
        if let Some(error) = failure {
            return Err(error);
        }
        let found = entries(machine, "passwd", Some(name))?.unwrap_or_default();
        // A number would have found the user with that uid.
        Ok(found.lines().find_map(Self::parse).filter(|user| user.name.eq_ignore_ascii_case(name)))
    }

    /// Returns the user with this number.
    ///
    /// # Errors
    /// If a source did not answer.
    pub fn with_uid(machine: &Machine, uid: u32) -> Result<Option<Self>, Error> {
        if let Some(user) = Self::in_files(machine)?.into_iter().find(|user| user.uid == uid) {
            return Ok(Some(user));
        }
        let found = entries(machine, "passwd", Some(&uid.to_string()))?.unwrap_or_default();
        Ok(found.lines().find_map(Self::parse).filter(|user| user.uid == uid))
    }

    /// Returns the full name.
    pub fn full_name(&self) -> &str {
        self.remarks.split(',').next().unwrap_or_default()
    }

    /// Returns the GECOS fields after the full name.
    pub fn other_remarks(&self) -> String {
        let others: Vec<&str> = self.remarks.split(',').skip(1).filter(|field| !field.is_empty()).collect();
        others.join(", ")
    }

    /// Returns whether the shell denies logins.
    pub fn has_no_shell(&self) -> bool {
        self.shell.ends_with("/nologin") || self.shell.ends_with("/false")
    }
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Number of the group.
    pub gid: u32,
    /// Names of the members; users with the group as primary group may be missing.
    pub members: Vec<String>,
}

impl Group {
    /// Returns the groups of these sources. If the directory of the machine does not answer, those in the files are
    /// found.
    pub fn all(machine: &Machine, sources: Sources) -> Listing<Self> {
        listed(machine, sources, "group", |text| text.lines().filter_map(Self::parse).collect())
    }

    /// Returns a group by name from sources other than the files of the machine.
    ///
    /// # Errors
    /// If a source did not answer.
    pub fn elsewhere(machine: &Machine, name: &str) -> Result<Option<Self>, Error> {
        let found = entries(machine, "group", Some(name))?.unwrap_or_default();
        Ok(found.lines().find_map(Self::parse).filter(|group| group.name.eq_ignore_ascii_case(name)))
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _) = (fields.next().filter(|name| !name.is_empty())?.to_owned(), fields.next()?);
        let gid = fields.next()?.parse().ok()?;
        let members = fields.next().unwrap_or_default().split(',').map(str::trim);
        let members = members.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Some(Self { name, gid, members })
    }
}

impl Machine {
    /// Returns the user with this uid, if it is in the machine's own files and they can be read.
    pub fn user(&self, uid: u32) -> Option<User> {
        User::in_files(self).ok()?.into_iter().find(|user| user.uid == uid)
    }

    /// Returns the user with this name, if it is in the machine's own files and they can be read.
    pub fn user_named(&self, name: &str) -> Option<User> {
        User::in_files(self).ok()?.into_iter().find(|user| user.name == name)
    }
}

/// Returns the entries of a database from these sources; those of the file if the others do not answer.
fn listed<T>(
    machine: &Machine,
    sources: Sources,
    database: &str,
    parse: impl Fn(&str) -> Vec<T>,
) -> Listing<T> {
    let mut listing = Listing::default();
    if sources == Sources::All {
        match entries(machine, database, None) {
            Ok(Some(text)) => return Listing { found: parse(&text), failure: None },
            Ok(None) => {}
            Err(error) => listing.fail(error),
        }
    }
    listing.add(text_of(machine, database).map(|text| parse(&text)));
    listing
}

/// Returns the text of a file of accounts; empty if it does not exist.
fn text_of(machine: &Machine, database: &str) -> Result<String, Error> {
    let path = format!("etc/{database}");
    Ok(if_present(&path, machine.text(&path))?)
}

/// Returns the entries of all sources (getent(1)); only for this machine itself. `None` if the name was not found, or
/// if this C library has no sources other than the files.
fn entries(machine: &Machine, database: &str, name: Option<&str>) -> Result<Option<String>, Error> {
    if !machine.is_this() || name.is_some_and(|name| name.is_empty() || name.contains([':', '\n', '\0'])) {
        return Ok(None);
    }
    let words = [Some("--"), Some(database), name].into_iter().flatten();
    let ended = match program::of_system("getent", words, LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        ended => {
            ended.map_err(|error| Error::program("getent", format!("cannot list {database}: {error}")))?
        }
    };
    match ended.code {
        0 => Ok(Some(ended.stdout)),
        NOT_FOUND => Ok(None),
        code => Err(Error::program("getent", format!("cannot list {database}: exit status {code}"))),
    }
}

/// Exit code of getent(1) for a name that no source knows.
const NOT_FOUND: i32 = 2;

/// Time limit for queries to directories.
const LIMIT: Duration = Duration::from_secs(5);

/// Password data, for users who may read `/etc/shadow`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Password {
    hash: String,
    /// Day of the last change, since 1970.
    changed: Option<i64>,
    /// Minimum number of days before a change.
    least: Option<i64>,
    /// Maximum number of days before a change is required.
    most: Option<i64>,
    /// Day on which the account expires, since 1970.
    end: Option<i64>,
}

impl Password {
    /// Returns the password data of a user.
    pub fn of(machine: &Machine, user: &str) -> Option<Self> {
        let text = machine.text("etc/shadow").ok()?;
        let mut fields = text.lines().find_map(|line| line.strip_prefix(user)?.strip_prefix(':'))?.split(':');
        let hash = fields.next()?.to_owned();
        let mut number = || fields.next()?.parse().ok();
        let (changed, least, most, _warning, _inactive) = (number(), number(), number(), number(), number());
        Some(Self { hash, changed, least, most, end: number() })
    }

    /// Returns whether the password cannot be used to sign in.
    pub fn is_locked(&self) -> bool {
        self.hash.starts_with(['!', '*'])
    }

    /// Returns whether no password is required.
    pub fn is_empty(&self) -> bool {
        self.hash.is_empty()
    }

    /// Returns whether the password expires.
    pub fn expires(&self) -> bool {
        self.most.is_some_and(|days| (0..99_999).contains(&days))
    }

    /// Returns the day of the last change, since 1970.
    pub fn changed(&self) -> Option<i64> {
        self.changed
    }

    /// Returns the day since 1970 after which the password must be changed; `None` if it does not expire.
    pub fn expiry(&self) -> Option<i64> {
        self.changed?.checked_add(self.most.filter(|_| self.expires())?)
    }

    /// Returns the day since 1970 on which the account expires; `None` if it does not.
    pub fn account_expiry(&self) -> Option<i64> {
        self.end
    }

    /// Returns whether the password may be changed on this day since 1970.
    pub fn can_change(&self, today: i64) -> bool {
        match (self.changed, self.least) {
            (Some(changed), Some(least)) => changed.saturating_add(least) <= today,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_locked_kept_and_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("etc")).expect("a folder");
        let shadow =
            "alice:$y$x:20000:7:90:7:::\nbob:!$y$x:20000:0:99999:7:::\ncarol::20000::::::\nali:*:1:::::::\n";
        std::fs::write(folder.path().join("etc/shadow"), shadow).expect("a file");
        let machine = Machine::at(folder.path());
        let of = |user: &str| Password::of(&machine, user).expect("a line");
        let alice = of("alice");
        assert!(
            !alice.is_locked() && alice.expires() && !alice.can_change(20_006) && alice.can_change(20_007)
        );
        assert!(of("bob").is_locked() && !of("bob").expires());
        assert!(of("carol").is_empty() && of("carol").can_change(0));
        assert!(of("ali").is_locked(), "not the first one whose name begins so");
        assert_eq!(Password::of(&machine, "dave"), None);
    }
}
