//! Where the files of the service are when nobody says so.

use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use crate::Failure;

/// What becomes of a folder that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    Leave,
    Make,
}

/// The folder with the settings and the accounts of this user's service; root's is that of the machine.
pub fn folder(if_missing: IfMissing) -> Result<PathBuf, Failure> {
    let is_root = rustix::process::geteuid().is_root();
    let folder = if is_root { PathBuf::from("/etc/telarch") } else { of_this_user()? };
    if if_missing == IfMissing::Make {
        // Every user's clients read the settings of the machine.
        let mode = if is_root { 0o755 } else { 0o700 };
        let made = DirBuilder::new().recursive(true).mode(mode).create(&folder);
        made.map_err(|error| Failure::Failed(format!("cannot make {}: {error}", folder.display())))?;
    }
    Ok(folder)
}

/// The directory of what this user's service makes itself.
pub fn state() -> Result<PathBuf, Failure> {
    let paths = config::Paths::of_this_process().ok_or_else(|| {
        Failure::failed(
            "neither XDG_STATE_HOME nor HOME says where the service keeps its state",
            "name the directory with --state",
        )
    })?;
    Ok(paths.state)
}

/// The file of the repository of this user's service; root's is that of the machine.
pub fn repository(if_missing: IfMissing) -> Result<PathBuf, Failure> {
    let paths = config::Paths::of_this_process().ok_or_else(|| {
        Failure::failed(
            "neither XDG_STATE_HOME nor HOME says where the service keeps its state",
            "name the file with --repository",
        )
    })?;
    if if_missing == IfMissing::Make {
        // The processes of users read the repository of the machine; what is secret beside it has modes of its own.
        let mode = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
        let made = DirBuilder::new().recursive(true).mode(mode).create(&paths.state);
        made.map_err(|error| Failure::Failed(format!("cannot make {}: {error}", paths.state.display())))?;
    }
    Ok(paths.repository)
}

/// The directory of what is kept of records of sensors, and can be read again; none if nobody says where.
pub fn records_of_sensors() -> Option<PathBuf> {
    below("XDG_CACHE_HOME", ".cache").map(|caches| caches.join("telarch/ipmi"))
}

/// Where the settings of programs are kept.
fn of_this_user() -> Result<PathBuf, Failure> {
    below("XDG_CONFIG_HOME", ".config").map(|settings| settings.join("telarch")).ok_or_else(|| {
        Failure::failed(
            "neither XDG_CONFIG_HOME nor HOME says where your settings are",
            "name a file with --file",
        )
    })
}

/// A directory that a variable names, or its usual place below the home (XDG Base Directory Specification).
fn below(variable: &str, usual: &str) -> Option<PathBuf> {
    // A relative path is to be ignored.
    let named = |variable| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    named(variable).or_else(|| named("HOME").map(|home| home.join(usual)))
}
