//! Programs of the system that tests start, and ports for them.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

/// Where a program is; those for administrators are not in everybody's search path.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/lib/mit/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|path| Path::is_file(path))
}

/// A port that nobody has at this moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
