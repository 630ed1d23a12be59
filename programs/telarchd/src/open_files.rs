//! How many files this process may have open (getrlimit(2), `RLIMIT_NOFILE`): every connection is one, and every
//! command has three pipes.

mod restored;

use std::process::Command;
use std::sync::OnceLock;

use config::Config;
use plugin_shell::ShellPlugin;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit as it was found and as it is now; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenFiles {
    found: Option<u64>,
    now: Option<u64>,
}

impl OpenFiles {
    /// Raises the soft limit as far as it goes; usually it is low only for the sake of programs that use `select`.
    pub(crate) fn raise() -> Self {
        let Rlimit { current: found, maximum } = getrlimit(Resource::Nofile);
        match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            Ok(()) => {
                let _ = FOUND.set(found);
                Self { found, now: maximum }
            }
            Err(error) => {
                tracing::debug!(%error, "The limit of open files stays as it was");
                Self { found, now: found }
            }
        }
    }

    /// Returns the limit as it is now; `None` is no limit.
    pub(crate) fn limit(self) -> Option<u64> {
        self.now
    }

    /// Has a process of the service that is started begin with the limit that was found: it raises its own if it needs
    /// to, and knows then what to give to commands.
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
                "Connections/MaxOpen and Service/MaxConnections need more open files than the limit allows: raise LimitNOFILE of the unit (ulimit -Hn), or lower these settings"
            );
        }
    }

    /// Gives every command the limit that was found.
    pub(crate) fn spare_commands(self, shell: ShellPlugin) -> ShellPlugin {
        match self.found {
            Some(found) => shell.with_open_files(found),
            None => shell,
        }
    }
}

/// The soft limit before this process raised it.
static FOUND: OnceLock<Option<u64>> = OnceLock::new();

/// Returns the number of open files for so many connections and requests: each request may be a command with three pipes.
fn needed(connections: u32, requests: u32) -> u64 {
    /// Listeners, files and the runtime.
    const OTHERS: u64 = 100;
    u64::from(connections) + u64::from(requests) * 3 + OTHERS
}
