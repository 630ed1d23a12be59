//! Programs installed on this machine.

use std::path::{Path, PathBuf};

/// Finds a program next to this one, in `PATH`, or in the system directories.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|own| own.parent().map(Path::to_owned));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    let folders = beside.into_iter().chain(std::env::split_paths(&path)).chain(system);
    folders.filter(|folder| folder.is_absolute()).map(|folder| folder.join(name)).find(|path| path.is_file())
}
