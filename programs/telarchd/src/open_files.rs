//! Limit of open files of this process (getrlimit(2), `RLIMIT_NOFILE`): one per connection, and three pipes per
//! command.

mod restored;

use std::process::Command;
use std::sync::OnceLock;

use config::Config;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shells::Shells;

/// Original and current soft limit; `None` for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenFiles {
    found: Option<u64>,
    now: Option<u64>,
}

impl OpenFiles {
    /// Raises the soft limit to the hard limit. It is usually low only for programs that use select(2).
    pub(crate) fn raise() -> Self {
        let Rlimit { current: found, maximum } = getrlimit(Resource::Nofile);
        match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            Ok(()) => {
                let _ = FOUND.set(found);
                Self { found, now: maximum }
            }
            Err(error) => {
                tracing::debug!(%error, "Cannot raise the limit of open files");
                Self { found, now: found }
            }
        }
    }

    /// Returns the current limit; `None` for no limit.
    pub(crate) fn limit(self) -> Option<u64> {
        self.now
    }

    /// Restores the original limit in a child process of the service, which raises its own limit if necessary and then
    /// knows the limit for its commands.
    pub(crate) fn restore_in(command: &mut Command) {
        if let Some(found) = FOUND.get() {
            restored::begin_with(command, *found);
        }
    }

    /// Logs a warning if the limit is too low for the connections and requests that the settings allow.
    pub(crate) fn warn_if_too_few(self, config: &Config) {
        let needed = needed(config.connections.max_open.get(), config.service.max_connections.get());
        if let Some(limit) = self.now.filter(|limit| *limit < needed) {
            tracing::warn!(
                limit,
                needed,
                "Limit of open files is too low for Connections/MaxOpen and Service/MaxConnections; raise LimitNOFILE in the systemd unit (ulimit -Hn) or lower these settings"
            );
        }
    }

    /// Starts commands with the original limit.
    pub(crate) fn restore_for_commands(self, shells: Shells) -> Shells {
        match self.found {
            Some(found) => shells.with_open_files(found),
            None => shells,
        }
    }
}

/// Soft limit before this process raised it.
static FOUND: OnceLock<Option<u64>> = OnceLock::new();

/// Returns the number of open files for a number of connections and requests, each of which may be a command.
fn needed(connections: u32, requests: u32) -> u64 {
    /// Listeners, files and runtime.
    const OTHERS: u64 = 100;
    u64::from(connections) + u64::from(requests) * 3 + OTHERS
}
