//! Users of this machine with a password in the shadow file (passwd(5), shadow(5)).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use auth::Secret;
use auth::account_file::{AccountName, HashError, LinuxPassword, PasswordHash, UnixTime};
use zeroize::Zeroizing;

/// The files with the users of a machine and their passwords. Reading them requires root.
///
/// Users of LDAP, SSSD or winbind are not found here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinuxUsers {
    passwd: PathBuf,
    shadow: PathBuf,
}

/// A user with an entry in both files.
pub struct LinuxUser {
    name: String,
    uid: u32,
    gid: u32,
    /// Second field of the shadow file.
    password: Zeroizing<String>,
    aging: Aging,
}

/// Days of an entry of the shadow file, counted from 1970; `None` for empty fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Aging {
    changed: Option<u64>,
    /// Maximum age of the password in days.
    most: Option<u64>,
    /// Day of expiry of the account.
    expires: Option<u64>,
}

/// Whether the NT hash of a Linux user's password may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NtHashState {
    /// The hash belongs to the current password.
    Current,
    /// The password was changed or locked after the hash was stored, or the user was created again.
    Outdated,
    /// The account or its password has expired, or the password must be changed first.
    Expired,
    /// The machine no longer has the user, or the user has no entry in the shadow file.
    NoUser,
}

impl LinuxUsers {
    /// Reads the files of this machine in `/etc`.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self::in_directory(Path::new("/etc"))
    }

    /// Reads the files `passwd` and `shadow` of another directory.
    #[must_use]
    pub fn in_directory(folder: &Path) -> Self {
        Self { passwd: folder.join("passwd"), shadow: folder.join("shadow") }
    }

    /// Looks up a user by name, case-sensitively; `None` if one of the files has no entry.
    ///
    /// # Errors
    /// I/O errors of reading the files.
    pub fn find(&self, name: &str) -> io::Result<Option<LinuxUser>> {
        // Both files are read in any case, so that timing does not reveal which names exist.
        let (passwd, shadow) = (read(&self.passwd)?, read(&self.shadow)?);
        let numbers = passwd.lines().filter_map(|line| fields_of(line, name)).find_map(|fields| {
            let [_, uid, gid, ..] = fields.as_slice() else { return None };
            Some((uid.parse().ok()?, gid.parse().ok()?))
        });
        let entry = shadow.lines().find_map(|line| fields_of(line, name));
        let (Some((uid, gid)), Some(entry)) = (numbers, entry) else { return Ok(None) };
        let Some((password, days)) = entry.split_first() else { return Ok(None) };
        let password = Zeroizing::new((*password).to_owned());
        Ok(Some(LinuxUser { name: name.to_owned(), uid, gid, password, aging: Aging::parse(days) }))
    }

    /// Returns the names of all users.
    ///
    /// # Errors
    /// I/O errors of reading the file.
    pub fn names(&self) -> io::Result<BTreeSet<String>> {
        let text = read(&self.passwd)?;
        Ok(text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect())
    }

    /// Returns whether the NT hash of this password may be used now.
    ///
    /// # Errors
    /// I/O errors of reading the files.
    pub fn state_of(
        &self,
        name: &AccountName,
        password: LinuxPassword,
        now: SystemTime,
    ) -> io::Result<NtHashState> {
        let user = self.find(name.as_str())?;
        Ok(user.map_or(NtHashState::NoUser, |user| user.state_of(password, now)))
    }
}

impl LinuxUser {
    /// Login name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// UID.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// GID of the primary group.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// Identification of the current password.
    #[must_use]
    pub fn password(&self) -> LinuxPassword {
        LinuxPassword::new(&self.name, self.uid, &self.password)
    }

    /// Returns whether this is the password of the user. The password of a locked user is always wrong.
    ///
    /// # Errors
    /// [`HashError`] if the algorithm of the hash is not supported.
    pub fn verify_password(&self, password: &Secret) -> Result<bool, HashError> {
        if self.is_locked() {
            return Ok(false);
        }
        Ok(PasswordHash::parse(&self.password)?.verify(password))
    }

    /// Time of the last password change, with the precision of a day; `None` if it is unknown.
    #[must_use]
    pub fn password_changed(&self) -> Option<UnixTime> {
        self.aging.changed.map(|day| UnixTime::new(day.saturating_mul(DAY)))
    }

    /// Returns whether no password can be right: the user is locked, or never had a password.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.password.starts_with(['!', '*'])
    }

    /// First day on which the account has expired; `None` if it does not expire.
    #[must_use]
    pub fn expires(&self) -> Option<UnixTime> {
        self.aging.expires.map(|day| UnixTime::new(day.saturating_mul(DAY)))
    }

    /// First day on which the password must be changed; `None` if it does not expire.
    #[must_use]
    pub fn password_expires(&self) -> Option<UnixTime> {
        /// Ages of ten years and more, such as the usual 99999 days, mean no limit.
        const LONGEST_AGE: u64 = 3_650;
        match (self.aging.changed, self.aging.most) {
            (Some(0), _) => Some(UnixTime::new(0)),
            (Some(changed), Some(most)) if most < LONGEST_AGE => {
                Some(UnixTime::new(changed.saturating_add(most).saturating_add(1).saturating_mul(DAY)))
            }
            _ => None,
        }
    }

    /// Returns whether the NT hash of a password of this user may be used now.
    #[must_use]
    pub fn state_of(&self, password: LinuxPassword, now: SystemTime) -> NtHashState {
        if password != self.password() {
            return NtHashState::Outdated;
        }
        let today = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() / DAY);
        if self.aging.has_expired(today) { NtHashState::Expired } else { NtHashState::Current }
    }
}

impl std::fmt::Debug for LinuxUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinuxUser").field("name", &self.name).field("uid", &self.uid).finish_non_exhaustive()
    }
}

impl Aging {
    /// Parses the fields after the password. Fields that are empty or negative do not apply.
    fn parse(fields: &[&str]) -> Self {
        Self { changed: number(fields, 0), most: number(fields, 2), expires: number(fields, 5) }
    }

    /// Returns whether pam_unix would refuse the account, or demand a new password first (shadow(5)).
    fn has_expired(self, today: u64) -> bool {
        let is_account_expired = self.expires.is_some_and(|day| today >= day);
        let must_change = self.changed == Some(0);
        let is_password_expired = match (self.changed, self.most) {
            // A change in the future is a wrong clock, not a new password.
            (Some(changed), Some(most)) => today.saturating_sub(changed) > most,
            _ => false,
        };
        is_account_expired || must_change || is_password_expired
    }
}

/// Returns the fields of a line after the name, if the line is about this user.
fn fields_of<'a>(line: &'a str, name: &str) -> Option<Vec<&'a str>> {
    let mut fields = line.split(':');
    // Lines of NIS begin with + or - and are not users of this machine.
    let is_user = fields.next() == Some(name) && !name.is_empty() && !name.starts_with(['+', '-', '#']);
    is_user.then(|| fields.collect())
}

fn number(fields: &[&str], at: usize) -> Option<u64> {
    fields.get(at).and_then(|field| field.parse().ok())
}

/// Reads a file, without what is beyond the limit.
fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    // Full capacity from the start, so that growing leaves no copy of the hashes in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size.min(MAX_SIZE).saturating_add(1)));
    file.take(u64::try_from(MAX_SIZE).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Maximum size of a file in bytes; 100,000 users fit.
const MAX_SIZE: usize = 16 << 20;
/// Seconds of a day.
const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    /// Day of the tests.
    const TODAY: u64 = 20_000;
    /// SHA-512 hash of `Hello world!`, made by `openssl passwd -6`.
    const HELLO: &str = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";

    fn users(shadow: &str) -> (LinuxUsers, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let passwd =
            "root:x:0:0::/:\nann:x:1000:100::/home/ann:/bin/sh\nAnn:x:1001:100::/:\n+nis:x:5:5::/:\n";
        fs::write(folder.path().join("passwd"), passwd).unwrap();
        fs::write(folder.path().join("shadow"), shadow).unwrap();
        (LinuxUsers::in_directory(folder.path()), folder)
    }

    fn state(line: &str, of: LinuxPassword) -> NtHashState {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(TODAY * DAY + 7);
        users(line).0.state_of(&AccountName::parse("ann").unwrap(), of, now).unwrap()
    }

    #[test]
    fn a_user_has_entries_in_both_files() {
        let (users, _folder) =
            users("root:*:1::::::\nann:$y$x:19999:0:99999:7:::\nben:$y$z:1::::::\n+nis:$y$q:1::::::\n");
        let ann = users.find("ann").unwrap().unwrap();
        assert_eq!((ann.name(), ann.uid(), ann.gid()), ("ann", 1000, 100));
        assert_eq!(ann.password_changed(), Some(UnixTime::new(19_999 * DAY)));
        assert!(!format!("{ann:?}").contains("$y$"));
        for name in ["Ann", "ben", "", "+nis", "ann:x", "an"] {
            assert!(users.find(name).unwrap().is_none(), "{name}");
        }
        assert!(users.names().unwrap().contains("Ann"));
    }

    #[test]
    fn only_the_right_password_of_an_unlocked_user_is_accepted() {
        let check = |field: &str, password: &str| {
            let user = users(&format!("ann:{field}:1::::::\n")).0.find("ann").unwrap().unwrap();
            user.verify_password(&Secret::new(password.to_owned()))
        };
        assert_eq!(check(HELLO, "Hello world!"), Ok(true));
        assert_eq!(check(HELLO, "Hello world"), Ok(false));
        assert_eq!(check(&format!("!{HELLO}"), "Hello world!"), Ok(false));
        assert_eq!(check("*", ""), Ok(false));
        assert!(check("", "").is_err());
        assert!(check("$1$a$b", "x").is_err());
    }

    #[test]
    fn a_hash_is_usable_as_long_as_the_password_is() {
        let password = LinuxPassword::new("ann", 1000, "$y$x");
        for (rest, expected) in [
            ("19999:0:99999:7:::", NtHashState::Current),
            ("::::::", NtHashState::Current),
            ("20001:0:1::::", NtHashState::Current),
            ("19990:0:10::::", NtHashState::Current),
            ("19990:0:9::::", NtHashState::Expired),
            ("0:0:99999:7:::", NtHashState::Expired),
            ("19999:0:99999:7::20000:", NtHashState::Expired),
            ("19999:0:99999:7::20001:", NtHashState::Current),
        ] {
            assert_eq!(state(&format!("ann:$y$x:{rest}\n"), password), expected, "{rest}");
        }
        for field in ["$y$y", "!$y$x", "!", "*", ""] {
            assert_eq!(state(&format!("ann:{field}:1::::::\n"), password), NtHashState::Outdated, "{field}");
        }
        assert_eq!(state("ben:$y$x:1::::::\n", password), NtHashState::NoUser);
        let other_uid = LinuxPassword::new("ann", 1002, "$y$x");
        assert_eq!(state("ann:$y$x:1::::::\n", other_uid), NtHashState::Outdated);
    }
}
