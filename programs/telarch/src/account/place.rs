//! Where the accounts are when nobody says so.

use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use super::arguments::Action;
use crate::failure::Failure;

/// The usual file; its folder is made for the first account.
pub(super) fn usual(action: &Action) -> Result<PathBuf, Failure> {
    let is_root = rustix::process::geteuid().is_root();
    let folder = if is_root { PathBuf::from("/etc/telarch") } else { of_this_user()? };
    if matches!(action, Action::Add { .. }) {
        // What the service of the machine keeps there besides is for everyone to read.
        let mode = if is_root { 0o755 } else { 0o700 };
        let made = DirBuilder::new().recursive(true).mode(mode).create(&folder);
        made.map_err(|error| Failure::Failed(format!("cannot make {}: {error}", folder.display())))?;
    }
    Ok(folder.join("accounts"))
}

/// Where the settings of programs are kept (XDG Base Directory Specification).
fn of_this_user() -> Result<PathBuf, Failure> {
    // A relative path is to be ignored.
    let named = |variable| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let settings = named("XDG_CONFIG_HOME").or_else(|| named("HOME").map(|home| home.join(".config")));
    settings.map(|settings| settings.join("telarch")).ok_or_else(|| {
        Failure::failed(
            "neither XDG_CONFIG_HOME nor HOME says where your settings are",
            "name a file with --file",
        )
    })
}
