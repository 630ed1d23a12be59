//! Default paths of the files of the service and its clients.

use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::Failure;

/// Treatment of a directory that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// Leave it missing.
    Leave,
    /// Create it.
    Create,
}

/// The directory of the settings and accounts: `/etc/telarch` for root, else that of the user's own service.
///
/// # Errors
/// Returns a failure if the environment names no home directory, or the directory cannot be created.
pub fn settings_directory(if_missing: IfMissing) -> Result<PathBuf, Failure> {
    let is_root = rustix::process::geteuid().is_root();
    let directory = if is_root { PathBuf::from("/etc/telarch") } else { user_settings()? };
    if if_missing == IfMissing::Create {
        // The clients of every user read the settings of the machine.
        create(&directory, if is_root { 0o755 } else { 0o700 })?;
    }
    Ok(directory)
}

/// The directory in which the service keeps its state.
///
/// # Errors
/// Returns a failure if the environment names no home directory.
pub fn state_directory() -> Result<PathBuf, Failure> {
    Ok(paths_of_this_process("--state")?.state)
}

/// The file of the WMI repository.
///
/// # Errors
/// Returns a failure if the environment names no home directory, or the directory of the file cannot be created.
pub fn repository(if_missing: IfMissing) -> Result<PathBuf, Failure> {
    let paths = paths_of_this_process("--repository")?;
    if if_missing == IfMissing::Create {
        // Processes of ordinary users read the repository of the machine; secret files beside it are protected by
        // their own modes.
        create(&paths.state, if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 })?;
    }
    Ok(paths.repository)
}

/// The directory of cached sensor records; `None` if the environment names no home directory.
#[must_use]
pub fn sensor_record_cache() -> Option<PathBuf> {
    xdg_directory("XDG_CACHE_HOME", ".cache").map(|caches| caches.join("telarch/ipmi"))
}

fn paths_of_this_process(option: &str) -> Result<config::Paths, Failure> {
    config::Paths::of_this_process().ok_or_else(|| {
        Failure::failed(
            "cannot locate the state of the service: neither XDG_STATE_HOME nor HOME is set",
            &format!("name the path with {option}"),
        )
    })
}

fn create(directory: &Path, mode: u32) -> Result<(), Failure> {
    let created = DirBuilder::new().recursive(true).mode(mode).create(directory);
    created.map_err(|error| Failure::Failed(format!("cannot create {}: {error}", directory.display())))
}

fn user_settings() -> Result<PathBuf, Failure> {
    let directory = xdg_directory("XDG_CONFIG_HOME", ".config").map(|settings| settings.join("telarch"));
    directory.ok_or_else(|| {
        Failure::failed(
            "cannot locate your settings: neither XDG_CONFIG_HOME nor HOME is set",
            "name a file with --file",
        )
    })
}

/// The directory that an environment variable names, or its default below the home directory (XDG Base Directory
/// Specification).
fn xdg_directory(variable: &str, default: &str) -> Option<PathBuf> {
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(default)))
}

/// The value of a variable; the specification requires that relative paths are ignored.
fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}
