//! The unprivileged process, which reads the network.

use std::error::Error;
use std::net::TcpListener;
use std::time::Duration;

use broker::Link;
use management_web::{Certificate, WebProcess, WebProcessStart};

/// First argument of the process.
pub(super) const WEB_PROCESS: &str = "--management-web-process";

/// Serves until the privileged process closes its socket.
pub(super) fn run(uid: u32, gid: u32) -> Result<(), Box<dyn Error>> {
    confinement::close_all();
    let link = Link::from_inherited(confinement::stdin_socket()?)?;
    crate::startup::begin_log();
    // Signals of a terminal are handled by the privileged process.
    rustix::process::setsid()?;
    std::env::set_current_dir("/")?;
    let Some(mut frame) = link.receive()? else { return Ok(()) };
    let start = WebProcessStart::decode(&frame.message)?;
    let listener: TcpListener = frame.descriptors.pop().ok_or("the listener is missing")?.into();
    drop(frame);
    confinement::require_one_thread()?;
    confinement::set_groups(&[])?;
    confinement::become_user(uid, gid)?;
    confinement::confine()?;

    let certificate = Certificate::from_pem(&start.certificate)?;
    let process = WebProcess::new(&start, link)?;
    drop(start);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        process.serve(listener, &certificate).await
    })?;
    runtime.shutdown_timeout(Duration::from_millis(500));
    Ok(())
}
