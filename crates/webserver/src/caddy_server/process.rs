//! The process that owns the admin endpoint.

use std::fs;
use std::os::unix::net::UnixStream;

use super::admin::CaddyAdmin;

/// Returns the PID of the Caddy with an admin endpoint. Sockets of other users are visible to root only; if there is one
/// process with the name `caddy`, it is that one.
pub(super) fn main_process(admin: &CaddyAdmin) -> Option<u32> {
    let address = match admin {
        CaddyAdmin::Unix(path) => {
            let stream = UnixStream::connect(path).ok()?;
            let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
            return u32::try_from(peer.pid.as_raw_nonzero().get()).ok();
        }
        CaddyAdmin::Loopback(address) => address,
    };
    let candidates = candidates();
    let socket = socket(address.port());
    let owner = candidates.iter().find(|pid| socket.as_ref().is_some_and(|socket| has_socket(**pid, socket)));
    match (owner, candidates.as_slice()) {
        (Some(pid), _) | (None, [pid]) => Some(*pid),
        _ => None,
    }
}

/// Returns the processes with the name `caddy`.
fn candidates() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "caddy")
    })
    .collect()
}

/// Returns the link of the listening TCP socket with a port.
fn socket(port: u16) -> Option<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().find_map(|table| {
        let text = fs::read_to_string(table).ok()?;
        text.lines().find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // State 0A is LISTEN.
            let [_, local, _, "0A", ..] = fields.as_slice() else { return None };
            let (_, found) = local.rsplit_once(':')?;
            (u16::from_str_radix(found, 16) == Ok(port))
                .then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
        })
    })
}

fn has_socket(pid: u32, socket: &str) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    entries.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|link| link.to_str() == Some(socket)))
}
