//! A password that a user has given to PAM, and the decision whether its NT hash is stored.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::SystemTime;

use account_store::{LinuxNtHashes, LinuxUser, LinuxUsers, NotStored, Stored};
use auth::Secret;

use crate::options::{LogLevel, Options, Root};

/// Directory with the files `passwd`, `shadow`, `group` and `login.defs`.
#[derive(Clone, Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) etc: &'a Path,
}

/// A message for the system log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) severity: Severity,
    pub(crate) text: String,
}

/// Severity of a message (syslog(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    Notice,
    Debug,
}

/// Reason why a user is left out.
#[derive(Debug, thiserror::Error)]
enum LeftOut {
    #[error("not a user of this machine with an entry in the shadow file")]
    NotLocal,
    #[error("UID 0 without the argument allow_root")]
    Root,
    #[error("UID {uid} is below {least}")]
    SystemAccount { uid: u32, least: u32 },
    #[error("not a member of group {0}")]
    NotInGroup(String),
    #[error("cannot read {0}")]
    Unreadable(#[from] io::Error),
    #[error(transparent)]
    NotStored(#[from] NotStored),
}

impl Machine<'_> {
    /// Stores the NT hash of a user whose password this may be. Returns a message for the log, if any.
    pub(crate) fn store(
        &self,
        options: &Options,
        user: &str,
        password: &Secret,
        now: SystemTime,
    ) -> Option<Message> {
        let (severity, text) = match self.try_store(options, user, password, now) {
            Ok(Stored::AlreadyCurrent) => return None,
            Ok(Stored::Changed) => (Severity::Notice, "stored the NT hash for sign-in with NTLM".to_owned()),
            Err(reason) => (reason.severity(), format!("no NT hash stored: {reason}")),
        };
        let is_logged = severity != Severity::Debug || options.log == LogLevel::Debug;
        // The errors of the account store have advice on further lines.
        let text = format!("user {}: {}", shown(user), text.replace('\n', ";"));
        is_logged.then_some(Message { severity, text })
    }

    fn try_store(
        &self,
        options: &Options,
        user: &str,
        password: &Secret,
        now: SystemTime,
    ) -> Result<Stored, LeftOut> {
        let users = LinuxUsers::in_directory(self.etc);
        let user = users.find(user)?.ok_or(LeftOut::NotLocal)?;
        self.require_wanted(options, &user)?;
        let hashes = LinuxNtHashes::new(&options.accounts, &options.state, users);
        Ok(hashes.store(&user, password, now)?)
    }

    /// Checks whether the hash of a user may be stored.
    fn require_wanted(&self, options: &Options, user: &LinuxUser) -> Result<(), LeftOut> {
        match user.uid() {
            0 if options.root == Root::Excluded => return Err(LeftOut::Root),
            0 => {}
            uid => {
                let least = options.min_uid.unwrap_or_else(|| self.min_uid());
                if uid < least {
                    return Err(LeftOut::SystemAccount { uid, least });
                }
            }
        }
        options.group.as_ref().map_or(Ok(()), |group| self.require_member(user, group))
    }

    /// Returns the smallest UID of ordinary users (login.defs(5)).
    fn min_uid(&self) -> u32 {
        let text = read(&self.etc.join("login.defs")).unwrap_or_default();
        let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut found = words.filter_map(|words| match words.as_slice() {
            ["UID_MIN", number, ..] => number.parse().ok(),
            _ => None,
        });
        found.next_back().unwrap_or(DEFAULT_MIN_UID)
    }

    /// Checks whether a user belongs to a group of this machine (group(5)).
    fn require_member(&self, user: &LinuxUser, group: &str) -> Result<(), LeftOut> {
        let text = read(&self.etc.join("group"))?;
        let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let is_member = lines.any(|fields| match fields.as_slice() {
            [name, _, gid, members] if *name == group => {
                gid.parse() == Ok(user.gid()) || members.split(',').any(|member| member == user.name())
            }
            _ => false,
        });
        if is_member { Ok(()) } else { Err(LeftOut::NotInGroup(group.to_owned())) }
    }
}

impl LeftOut {
    /// Reasons that follow from the configuration or the user are no errors.
    fn severity(&self) -> Severity {
        match self {
            Self::NotLocal | Self::Root | Self::SystemAccount { .. } | Self::NotInGroup(_) => Severity::Debug,
            Self::NotStored(
                NotStored::NoService { .. }
                | NotStored::WrongPassword
                | NotStored::OwnAccount(_)
                | NotStored::Disabled,
            ) => Severity::Debug,
            Self::NotStored(_) | Self::Unreadable(_) => Severity::Error,
        }
    }
}

/// Returns a name without control characters, shortened.
fn shown(user: &str) -> String {
    user.chars().take(MAX_SHOWN).map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_SIZE).read_to_string(&mut text)?;
    Ok(text)
}

/// `UID_MIN` where `/etc/login.defs` does not set it.
const DEFAULT_MIN_UID: u32 = 1_000;
/// Maximum number of bytes read of a file.
const MAX_SIZE: u64 = 16 << 20;
/// Maximum number of characters of a user name in a message.
const MAX_SHOWN: usize = 64;

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// SHA-512 hash of `Hello world!`, made by `openssl passwd -6`.
    const HELLO: &str = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";

    fn place() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let etc = folder.path();
        let users = [("root", 0), ("daemon", 1), ("low", 600), ("ann", 1000)];
        let passwd: String =
            users.iter().map(|(name, uid)| format!("{name}:x:{uid}:100::/:/bin/sh\n")).collect();
        let shadow: String =
            users.iter().map(|(name, _)| format!("{name}:{HELLO}:19999:0:99999:7:::\n")).collect();
        fs::write(etc.join("passwd"), passwd).unwrap();
        fs::write(etc.join("shadow"), shadow).unwrap();
        fs::write(etc.join("group"), "staff:x:50:ann,low\nusers:x:100:\n").unwrap();
        fs::create_dir(etc.join("state")).unwrap();
        folder
    }

    /// Returns the message about a sign-in, and whether the account file has the user then.
    fn sign_in(place: &TempDir, user: &str, more: &[&str]) -> (String, bool) {
        let etc = place.path();
        let files = [
            format!("accounts={}", etc.join("accounts").display()),
            format!("state={}", etc.join("state").display()),
        ];
        let more = more.iter().map(|argument| (*argument).to_owned());
        let options = Options::parse(&files.into_iter().chain(more).collect::<Vec<_>>()).unwrap();
        let password = Secret::new("Hello world!".to_owned());
        let message = Machine { etc }.store(&options, user, &password, SystemTime::now());
        let accounts = fs::read_to_string(etc.join("accounts")).unwrap_or_default();
        let is_stored = accounts.lines().any(|line| line.starts_with(&format!("{user}:")));
        (message.map(|message| message.text).unwrap_or_default(), is_stored)
    }

    #[test]
    fn only_ordinary_users_are_stored_by_default() {
        let place = place();
        for (user, is_stored) in
            [("root", false), ("daemon", false), ("low", false), ("ann", true), ("eve", false)]
        {
            assert_eq!(sign_in(&place, user, &[]).1, is_stored, "{user}");
        }
        fs::write(place.path().join("login.defs"), "#UID_MIN 7\nUID_MIN\t\t  500\nUID_MAX 60000\n").unwrap();
        assert!(sign_in(&place, "low", &[]).1);
        assert!(sign_in(&place, "daemon", &["min_uid=1"]).1);
        assert!(!sign_in(&place, "root", &["min_uid=0"]).1);
        assert!(sign_in(&place, "root", &["allow_root"]).1);
    }

    #[test]
    fn a_group_restricts_who_is_stored() {
        let place = place();
        assert!(!sign_in(&place, "low", &["min_uid=1", "group=none"]).1);
        assert!(sign_in(&place, "low", &["min_uid=1", "group=staff"]).1);
        assert!(!sign_in(&place, "daemon", &["min_uid=1", "group=staff"]).1);
        assert!(sign_in(&place, "daemon", &["min_uid=1", "group=users"]).1);
    }

    #[test]
    fn changes_and_errors_are_logged_and_the_rest_only_for_debugging() {
        let place = place();
        assert_eq!(sign_in(&place, "root", &[]).0, "");
        assert_eq!(
            sign_in(&place, "root", &["debug"]).0,
            "user root: no NT hash stored: UID 0 without the argument allow_root"
        );
        assert_eq!(sign_in(&place, "ann", &[]).0, "user ann: stored the NT hash for sign-in with NTLM");
        assert_eq!(sign_in(&place, "ann", &["debug"]).0, "");
        assert!(sign_in(&place, "e\nve", &["debug"]).0.starts_with("user e?ve: no NT hash stored: "));
        fs::write(place.path().join("accounts"), "half a reco").unwrap();
        let (message, _) = sign_in(&place, "ann", &[]);
        assert!(message.starts_with("user ann: no NT hash stored: cannot store the NT hash: "), "{message}");
        assert!(!message.contains('\n'));
    }
}
