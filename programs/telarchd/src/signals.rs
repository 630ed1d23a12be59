//! The signals that the service obeys.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for the wish to end, or to read everything again.
///
/// Having handlers also matters to remote commands: `exec` turns a handled signal back to its default, while
/// one that was ignored when this process started, as a shell does for background jobs, stays ignored and
/// Ctrl-C would do nothing.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
}

/// What somebody wants of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// That it ends; with the name of the signal.
    End(&'static str),
    /// That it reads its files again: `SIGHUP`, which ends a service that has none.
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

    pub(crate) async fn received(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::End("SIGTERM"),
            _ = self.interrupt.recv() => Wish::End("SIGINT"),
            _ = self.quit.recv() => Wish::End("SIGQUIT"),
            _ = self.hang_up.recv() => Wish::Reload,
        }
    }
}
