//! The account whose shell runs in a terminal, and the environment of the shell.

use std::error::Error;

use broker::Variables;
use linux::Machine;
use linux::account::{Group, Sources, User};

/// Account whose shell runs in a terminal.
#[derive(Debug)]
pub(crate) struct ShellAccount {
    pub(crate) user: User,
    /// Groups of the account, the primary one first; `None` for those of this process.
    pub(crate) groups: Option<Vec<u32>>,
}

impl ShellAccount {
    /// Finds an account by name, with its groups.
    pub(crate) fn named(name: &str) -> Result<Self, Box<dyn Error>> {
        let machine = Machine::this();
        let user = User::named(&machine, name, Sources::All)?.filter(|user| user.name == name);
        let user = user.ok_or_else(|| format!("the account {name} does not exist"))?;
        if user.has_no_shell() {
            return Err(format!("the account {name} has no login shell: {}", user.shell).into());
        }
        let listed = Group::all(&machine, Sources::All).found;
        let members = listed.iter().filter(|group| group.members.iter().any(|member| member == name));
        let mut groups = vec![user.gid];
        groups.extend(members.map(|group| group.gid).filter(|gid| *gid != user.gid));
        groups.dedup();
        Ok(Self { user, groups: Some(groups) })
    }

    /// Returns the account of this process.
    pub(crate) fn current() -> Result<Self, Box<dyn Error>> {
        let uid = rustix::process::getuid().as_raw();
        let user = User::with_uid(&Machine::this(), uid)?;
        let user = user.ok_or_else(|| format!("the user with UID {uid} does not exist"))?;
        Ok(Self { user, groups: None })
    }

    /// Returns the path of the login shell (passwd(5): empty means `/bin/sh`).
    pub(crate) fn shell(&self) -> &str {
        if self.user.shell.is_empty() { "/bin/sh" } else { &self.user.shell }
    }

    /// Returns the environment of the shell, which inherits nothing else. Variables of the PAM session cannot replace
    /// those that identify the user.
    pub(crate) fn environment(&self, session: &Variables) -> Vec<(String, String)> {
        let user = &self.user;
        let mut variables: Vec<(String, String)> = [
            ("HOME", user.home.as_str()),
            ("USER", &user.name),
            ("LOGNAME", &user.name),
            ("SHELL", self.shell()),
            // Programs find the abilities of xterm.js under this name.
            ("TERM", "xterm-256color"),
            ("COLORTERM", "truecolor"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        let path = if user.uid == 0 { ROOT_PATH } else { USER_PATH };
        let usual = [("PATH", path), ("LANG", "C.UTF-8")];
        let usual = usual.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut others: Vec<(String, String)> =
            session.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if self.groups.is_none() {
            let inherited = INHERITED.iter().chain(&["LANG", "TZ"]);
            others.extend(inherited.filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))));
        }
        for (name, value) in others.into_iter().chain(usual) {
            if !variables.iter().any(|(other, _)| *other == name) {
                variables.push((name, value));
            }
        }
        variables
    }
}

/// Variables that the shell of the current user has from the service.
pub(crate) const INHERITED: &[&str] = &["PATH", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR"];

/// Search path of root, and of other users (login.defs(5)).
const ROOT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const USER_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games";
