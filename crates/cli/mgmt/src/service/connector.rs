//! The unprivileged process that connects to other machines.

use std::error::Error;
use std::io;
use std::os::fd::OwnedFd;

use broker::Link;
use management_web::{ConnectorProcess, serve_connections};

/// First argument of the process.
pub(super) const CONNECTOR: &str = "--management-connector";

/// Returns the connector, whose process runs as a user and is started at the first use.
pub(super) fn process((uid, gid): (u32, u32)) -> ConnectorProcess {
    ConnectorProcess::new(move || start(uid, gid))
}

fn start(uid: u32, gid: u32) -> io::Result<Link> {
    let (link, theirs) = Link::pair()?;
    link.set_send_timeout(super::SEND_TIME)?;
    let mut command = confinement::this_program("telarch: connections to machines", &[]);
    command.arg(CONNECTOR).arg(uid.to_string()).arg(gid.to_string());
    let mut child = command.stdin(OwnedFd::from(theirs)).spawn()?;
    // The process ends when its socket is closed.
    std::thread::Builder::new().name("connector".to_owned()).spawn(move || child.wait())?;
    Ok(link)
}

/// Connects to machines until the privileged process closes its socket.
pub(super) fn run(uid: u32, gid: u32) -> Result<(), Box<dyn Error>> {
    let link = super::begin_process()?;
    super::drop_privileges(uid, gid)?;
    confinement::confine_sender()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = serve_connections(link, runtime.handle());
    runtime.shutdown_background();
    Ok(served?)
}
