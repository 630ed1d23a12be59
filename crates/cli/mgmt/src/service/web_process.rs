//! The unprivileged process, which reads the network.

use std::error::Error;
use std::net::TcpListener;
use std::time::Duration;

use management_web::{Certificate, WebProcess, WebProcessStart};

/// First argument of the process.
pub(super) const WEB_PROCESS: &str = "--management-web-process";

/// Serves until the privileged process closes its socket.
pub(super) fn run(uid: u32, gid: u32) -> Result<(), Box<dyn Error>> {
    let link = super::begin_process()?;
    let Some(mut frame) = link.receive()? else { return Ok(()) };
    let start = WebProcessStart::decode(&frame.message)?;
    let listener: TcpListener = frame.descriptors.pop().ok_or("the listener is missing")?.into();
    drop(frame);
    super::drop_privileges(uid, gid)?;
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
