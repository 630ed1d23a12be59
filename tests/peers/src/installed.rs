//! Programs of the system that tests start, and ports for them.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

/// Returns the path of a program. Administrative programs are not in the search path of ordinary users.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/lib/mit/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|path| Path::is_file(path))
}

/// Returns a port that is free at this moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
