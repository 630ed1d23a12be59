//! Environment of remote commands: home directory, shell and variables of the user of this process.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use broker::Variables;
use shells::ShellEnvironment;

/// Returns an environment as set up by `sshd`, but with the search path of this process.
pub(crate) fn of_this_user() -> ShellEnvironment {
    set_up(None, &Variables::default())
}

/// Returns an environment as set up by `sshd` for an account, with the variables of the PAM session. These cannot
/// replace the variables that this program sets.
pub(crate) fn of_session(account: &str, variables: &Variables) -> ShellEnvironment {
    let mut shell_environment = set_up(Some(account), variables);
    for (name, value) in variables.iter() {
        let is_there = shell_environment.environment.iter().any(|(other, _)| other == name);
        if !is_there {
            let value = variables.get(name).unwrap_or(value);
            shell_environment.environment.push((name.into(), value.into()));
        }
    }
    shell_environment
}

fn set_up(account: Option<&str>, variables: &Variables) -> ShellEnvironment {
    let entry = Entry::of(rustix::process::getuid().as_raw(), account);
    let from_environment = |name: &str| {
        let value = variables.get(name).map(OsString::from).or_else(|| env::var_os(name));
        value.filter(|value| !value.is_empty())
    };
    let home = entry
        .as_ref()
        .map(|entry| entry.home.clone())
        .or_else(|| from_environment("HOME").map(PathBuf::from))
        .filter(|home| home.is_dir())
        .unwrap_or_else(|| PathBuf::from("/"));
    let login_shell = entry
        .as_ref()
        .map(|entry| entry.shell.clone())
        .or_else(|| from_environment("SHELL").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("/bin/sh"));
    let user = entry
        .map(|entry| OsString::from(entry.name))
        .or_else(|| from_environment("USER"))
        .unwrap_or_else(|| "nobody".into());
    let path = from_environment("PATH").unwrap_or_else(|| USUAL_PATH.into());
    let mut environment: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), path),
        ("HOME".into(), home.clone().into()),
        ("USER".into(), user.clone()),
        ("LOGNAME".into(), user),
        ("SHELL".into(), login_shell.clone().into()),
    ];
    // Without a locale programs fall back to ASCII, but clients expect UTF-8.
    environment.push(("LANG".into(), from_environment("LANG").unwrap_or_else(|| "C.UTF-8".into())));
    for name in ["LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"] {
        environment.extend(from_environment(name).map(|value| (name.into(), value)));
    }
    ShellEnvironment { login_shell, home, environment }
}

const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Entry of the user database.
struct Entry {
    name: String,
    home: PathBuf,
    shell: PathBuf,
}

impl Entry {
    /// Finds a user by ID (passwd(5)). Of several entries it returns the one with the account's name, or else the
    /// first.
    fn of(uid: u32, account: Option<&str>) -> Option<Self> {
        let list = fs::read_to_string("/etc/passwd").ok()?;
        let mut entries = Self::all_of(uid, &list);
        let named = entries.iter().position(|entry| account.is_some_and(|account| entry.name == account));
        let named = named.unwrap_or(0);
        (!entries.is_empty()).then(|| entries.swap_remove(named))
    }

    fn all_of(uid: u32, list: &str) -> Vec<Self> {
        let entries = list.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, number, _, _, home, shell] = fields.as_slice() else { return None };
            let is_match = number.parse() == Ok(uid) && !shell.is_empty();
            is_match.then(|| Self {
                name: (*name).to_owned(),
                home: PathBuf::from(home),
                shell: PathBuf::from(shell),
            })
        });
        entries.collect()
    }
}
