//! Signals of the service.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for signals to stop or reload.
///
/// The handlers also affect remote commands: `exec` resets a handled signal to its default. A signal that was ignored
/// when this process started, as a shell does for background jobs, would stay ignored, and Ctrl-C would have no effect.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
}

/// Action requested by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalRequest {
    /// Stop the service. Holds the name of the signal.
    End(&'static str),
    /// Reload all files (`SIGHUP`); an ephemeral service stops instead.
    Reload,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    pub(crate) async fn next(&mut self) -> SignalRequest {
        tokio::select! {
            _ = self.terminate.recv() => SignalRequest::End("SIGTERM"),
            _ = self.interrupt.recv() => SignalRequest::End("SIGINT"),
            _ = self.quit.recv() => SignalRequest::End("SIGQUIT"),
            _ = self.hang_up.recv() => SignalRequest::Reload,
        }
    }
}
