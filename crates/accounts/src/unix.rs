//! Users and groups of this machine, from `/etc/passwd` and `/etc/group` (passwd(5), group(5)).

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use auth::{Account, AuthError, LocalUsers};

/// The two files that list users and groups.
///
/// Users of LDAP, SSSD or winbind are not found here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixUsers {
    passwd: PathBuf,
    group: PathBuf,
}

/// A user and its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixUser {
    /// Login name.
    pub name: String,
    /// UID.
    pub uid: u32,
    /// Groups of the user: the primary group first, then the others in the order of the file.
    ///
    /// Each group occurs once. If two group names share a GID, both occur.
    pub groups: Vec<UnixGroup>,
}

/// A group of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixGroup {
    /// GID.
    pub gid: u32,
    /// Group name; `None` if no group of the file has this GID.
    pub name: Option<String>,
}

impl UnixUsers {
    /// Reads the files of this machine in `/etc`.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self::in_directory(Path::new("/etc"))
    }

    /// Reads the files `passwd` and `group` of another directory.
    #[must_use]
    pub fn in_directory(folder: &Path) -> Self {
        Self { passwd: folder.join("passwd"), group: folder.join("group") }
    }

    /// Looks up a user by name, case-sensitively.
    ///
    /// # Errors
    /// I/O errors of reading the files.
    pub fn find(&self, name: &str) -> io::Result<Option<UnixUser>> {
        self.find_by(|entry| entry.name == name)
    }

    /// Looks up a user by UID; if several share it, the first.
    ///
    /// # Errors
    /// I/O errors of reading the files.
    pub fn find_uid(&self, uid: u32) -> io::Result<Option<UnixUser>> {
        self.find_by(|entry| entry.uid == uid)
    }

    /// Returns the name of the first user whose UID matches.
    pub(crate) fn find_uid_where(&self, is_wanted: impl Fn(u32) -> bool) -> io::Result<Option<String>> {
        let text = read(&self.passwd)?;
        let found = text.lines().filter_map(Entry::parse).find(|entry| is_wanted(entry.uid));
        Ok(found.map(|entry| entry.name.to_owned()))
    }

    /// Returns name and GID of the first group that matches.
    pub(crate) fn find_group(
        &self,
        is_wanted: impl Fn(&str, u32) -> bool,
    ) -> io::Result<Option<(String, u32)>> {
        let text = read(&self.group)?;
        let found = text.lines().filter_map(Group::parse).find(|group| is_wanted(group.name, group.gid));
        Ok(found.map(|group| (group.name.to_owned(), group.gid)))
    }

    /// Returns the names of all users with UID 0.
    ///
    /// # Errors
    /// I/O errors of reading the files.
    pub fn superusers(&self) -> io::Result<Vec<String>> {
        let text = read(&self.passwd)?;
        let entries = text.lines().filter_map(Entry::parse);
        Ok(entries.filter(|entry| entry.uid == 0).map(|entry| entry.name.to_owned()).collect())
    }

    fn find_by(&self, is_wanted: impl Fn(&Entry<'_>) -> bool) -> io::Result<Option<UnixUser>> {
        let passwd = read(&self.passwd)?;
        let Some(entry) = passwd.lines().filter_map(Entry::parse).find(is_wanted) else { return Ok(None) };
        let group = read(&self.group)?;
        let listed = group.lines().filter_map(Group::parse);
        let primary = listed.clone().find(|group| group.gid == entry.gid).map(|group| group.name.to_owned());
        let mut groups = vec![UnixGroup { gid: entry.gid, name: primary }];
        for group in listed.filter(|group| group.members.split(',').any(|member| member == entry.name)) {
            let group = UnixGroup { gid: group.gid, name: Some(group.name.to_owned()) };
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        Ok(Some(UnixUser { name: entry.name.to_owned(), uid: entry.uid, groups }))
    }
}

impl LocalUsers for UnixUsers {
    fn account(&self, uid: u32) -> Result<Account, AuthError> {
        let user = self.find_uid(uid).map_err(|error| {
            tracing::error!(%error, "Cannot read the users of this machine");
            AuthError::Unavailable
        })?;
        user.map(|user| Account { name: user.name }).ok_or(AuthError::NotAllowed)
    }
}

/// A line of `passwd`.
struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
        is_name(name).then_some(Self { name, uid, gid })
    }
}

/// A line of `group`.
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl<'a> Group<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _, gid, members) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let gid = gid.parse().ok()?;
        is_name(name).then_some(Self { name, gid, members: members.trim_end() })
    }
}

/// Returns `false` for lines that are not users or groups: `+` and `-` begin NIS entries (nsswitch.conf(5)), `#` begins
/// comments, and the replacement character marks bytes that are not UTF-8.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(['+', '-', '#']) && !text.contains(char::REPLACEMENT_CHARACTER)
}

/// Reads a file of at most 16 MiB. Invalid UTF-8 is replaced, so that it matches no name.
fn read(path: &Path) -> io::Result<String> {
    const MAX: u64 = 16 << 20;
    let mut octets = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX + 1).read_to_end(&mut octets))
        .map_err(|error| with_path(&error, path))?;
    if u64::try_from(octets.len()).is_ok_and(|octets| octets > MAX) {
        return Err(with_path(&io::Error::new(io::ErrorKind::FileTooLarge, "file exceeds 16 MiB"), path));
    }
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

fn with_path(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_user_is_found_with_its_groups() {
        let folder = tempfile::tempdir().unwrap();
        let passwd = "root:x:0:0::/root:/bin/sh\n+nis::::::\n-bad:x:7:7::/:\nbroken\nalice:x:1000:1000::/:\n\
                      toor:x:0:0::/root:/bin/sh\nalice:x:0:0:second:/:\nlost:x:1001:4242::/:\nminus:x:-1:0::/:\n";
        let group = "root:x:0:\nalice:x:1000:alice\nwinrm-admins:x:990:bob,alice\nother:x:991:alicea,Alice\n\
                     twin:x:990:alice\ncr:x:992:alice\r\n";
        fs::write(folder.path().join("passwd"), [passwd.as_bytes(), b"\xFF:x:1:1::/:\n"].concat()).unwrap();
        fs::write(folder.path().join("group"), group).unwrap();
        let users = UnixUsers::in_directory(folder.path());

        let alice = users.find("alice").unwrap().unwrap();
        assert_eq!(alice.uid, 1000);
        let expected = [(1000, "alice"), (990, "winrm-admins"), (990, "twin"), (992, "cr")]
            .map(|(gid, name)| UnixGroup { gid, name: Some(name.to_owned()) });
        assert_eq!(alice.groups, expected);
        let lost = users.find("lost").unwrap().unwrap();
        assert_eq!(lost.groups, [UnixGroup { gid: 4242, name: None }]);
        for missing in ["Alice", "", "+nis", "-bad", "bad", "broken", "minus", "\u{FFFD}"] {
            assert_eq!(users.find(missing).unwrap(), None, "{missing:?}");
        }
        assert_eq!(users.find_uid(1001).unwrap().unwrap().name, "lost");
        assert_eq!(users.superusers().unwrap(), ["root", "toor", "alice"]);
        assert_eq!(users.account(0).map(|account| account.name).as_deref(), Ok("root"));
        assert_eq!(users.account(7), Err(AuthError::NotAllowed));
        fs::remove_file(folder.path().join("passwd")).unwrap();
        assert_eq!(users.account(0), Err(AuthError::Unavailable));
    }
}
