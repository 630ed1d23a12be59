//! The unprivileged process, which reads the network.

use std::error::Error;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use broker::Link;
use management_web::{Certificate, WebProcess, WebProcessStart};

/// First argument of the process.
pub(super) const WEB_PROCESS: &str = "--management-web-process";

/// Runs the web process or a process of a terminal if the command line is that of one; returns `None` for every other command line.
///
/// Must be called before the program opens or starts anything.
#[must_use]
pub fn hidden() -> Option<ExitCode> {
    if let Some(code) = management_terminal::hidden(crate::startup::begin_log) {
        return Some(code);
    }
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map_while(|argument| argument.into_string().ok()).take(4).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [WEB_PROCESS, uid, gid] = *arguments.as_slice() else { return None };
    let ran = uid.parse().map_err(Into::into).and_then(|uid| run(uid, gid.parse()?));
    Some(match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "telarch: {error}");
            ExitCode::FAILURE
        }
    })
}

/// Serves until the privileged process closes its socket.
fn run(uid: u32, gid: u32) -> Result<(), Box<dyn Error>> {
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
