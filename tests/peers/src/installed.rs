//! Programs of the system that tests start.

use std::path::{Path, PathBuf};

/// Returns the path of a program. Administrative programs are not in the search path of ordinary users.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/lib/mit/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|path| Path::is_file(path))
}
