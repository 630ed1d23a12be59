//! What remote commands find around them: home, shell and environment of the user of this process.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use broker::Variables;
use plugin_shell::ShellEnvironment;

/// As `sshd` would set it up, except that the search path is that of this process.
pub(crate) fn of_this_user() -> ShellEnvironment {
    set_up(None, &Variables::default())
}

/// As `sshd` would set it up for an account, with the variables that the modules of PAM have set in the session; those
/// that this program sets itself cannot be replaced by them.
pub(crate) fn of_session(account: &str, variables: &Variables) -> ShellEnvironment {
    let mut surroundings = set_up(Some(account), variables);
    for (name, value) in variables.iter() {
        let is_there = surroundings.environment.iter().any(|(other, _)| other == name);
        if !is_there {
            let value = variables.get(name).unwrap_or(value);
            surroundings.environment.push((name.into(), value.into()));
        }
    }
    surroundings
}

fn set_up(account: Option<&str>, variables: &Variables) -> ShellEnvironment {
    let entry = Entry::of(rustix::process::getuid().as_raw(), account);
    let from_environment = |name: &str| {
        let own = || env::var_os(name);
        variables.get(name).map(OsString::from).or_else(own).filter(|value| !value.is_empty())
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
    // Without a language programs fall back to ASCII, and clients expect UTF-8.
    environment.push(("LANG".into(), from_environment("LANG").unwrap_or_else(|| "C.UTF-8".into())));
    for name in ["LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"] {
        environment.extend(from_environment(name).map(|value| (name.into(), value)));
    }
    ShellEnvironment { login_shell, home, environment }
}

const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One user of the system's list.
struct Entry {
    name: String,
    home: PathBuf,
    shell: PathBuf,
}

impl Entry {
    /// Looks a user up by number (passwd(5)): of several the one that has the name of the account, or else the first.
    fn of(uid: u32, account: Option<&str>) -> Option<Self> {
        let list = fs::read_to_string("/etc/passwd").ok()?;
        let mut entries = Self::all_of(uid, &list);
        let is_named = |entry: &Self| account.is_some_and(|account| entry.name == account);
        let named = entries.iter().position(is_named).unwrap_or(0);
        (!entries.is_empty()).then(|| entries.swap_remove(named))
    }

    fn all_of(uid: u32, list: &str) -> Vec<Self> {
        let entries = list.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, number, _, _, home, shell] = fields.as_slice() else { return None };
            let is_asked_for = number.parse() == Ok(uid) && !shell.is_empty();
            is_asked_for.then(|| Self {
                name: (*name).to_owned(),
                home: PathBuf::from(home),
                shell: PathBuf::from(shell),
            })
        });
        entries.collect()
    }
}
