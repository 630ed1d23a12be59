//! Environment and services shared by the shells of a process.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use config::Winrs;

use crate::limits::{DelegatedGroups, Limits, ProcessLimiter, ShellGroups};
use crate::process_monitor::ProcessMonitor;
use crate::processes::Mark;
use crate::registry::Registry;
use crate::shell_processes::ShellProcesses;

/// Login shell, home directory and environment of the commands. `Debug` hides the values of variables.
#[derive(Clone)]
pub struct ShellEnvironment {
    /// Login shell of the account, such as `/bin/bash`, which is called with `-c` and the command line, as by `sshd`.
    /// The setting `Shell/LoginShell` overrides it.
    pub login_shell: PathBuf,
    /// Default working directory of commands.
    pub home: PathBuf,
    /// Base environment, to which the client's variables are added.
    pub environment: Vec<(OsString, OsString)>,
}

/// Environment, limits and registry that shells of all kinds in a process share.
#[derive(Clone)]
pub struct Shells {
    registry: Arc<Registry>,
    surroundings: Arc<ShellEnvironment>,
    open_files: Option<u64>,
    user_limit: UserLimit,
    monitor: Arc<ProcessMonitor>,
    groups: Arc<dyn ShellGroups>,
}

/// Whether the kernel limits the processes of the user whose shells have no control group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum UserLimit {
    /// The user's other programs would count as well.
    #[default]
    None,
    /// [`Limits::user_tasks`].
    FromSettings,
}

impl Shells {
    /// Runs every shell as the user of this process.
    #[must_use]
    pub fn new(surroundings: ShellEnvironment) -> Self {
        Self {
            registry: Arc::default(),
            surroundings: Arc::new(surroundings),
            open_files: None,
            user_limit: UserLimit::None,
            monitor: Arc::default(),
            groups: Arc::new(DelegatedGroups),
        }
    }

    /// Sets the soft limit of open files (`RLIMIT_NOFILE`) of commands, which they may raise to the hard limit. Without
    /// it commands inherit the limit of this process.
    ///
    /// A service that raises its own limit passes the original one here: with a high limit, programs that close all
    /// possible descriptors are slow, and programs that use select(2) break.
    #[must_use]
    pub fn with_open_files(mut self, soft_limit: u64) -> Self {
        self.open_files = Some(soft_limit);
        self
    }

    /// Limits the processes and threads of the user (`RLIMIT_NPROC`) to [`Limits::user_tasks`] if shells have no control
    /// groups. All processes of the user on this machine count, so this is for a process that serves a user of a
    /// machine, not for a service of one user.
    #[must_use]
    pub fn with_user_limit(mut self) -> Self {
        self.user_limit = UserLimit::FromSettings;
        self
    }

    /// Sets the creator of the shells' control groups.
    #[must_use]
    pub fn with_groups(mut self, groups: Arc<dyn ShellGroups>) -> Self {
        self.groups = groups;
        self
    }

    /// Returns the registry.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Returns login shell, home directory and environment.
    #[must_use]
    pub fn environment(&self) -> &ShellEnvironment {
        &self.surroundings
    }

    /// Returns when no process of a closed shell is left, or after the maximum number of scans.
    pub async fn finish(&self) {
        self.monitor.finish().await;
    }

    /// Prepares the processes of a new shell, with a control group if possible.
    #[must_use]
    pub fn processes_of(&self, shell: &str, winrs: &Winrs) -> ShellProcesses {
        ShellProcesses::new(self.limiter(shell, winrs), Arc::clone(&self.monitor))
    }

    fn limiter(&self, shell: &str, winrs: &Winrs) -> ProcessLimiter {
        let user_tasks = match self.user_limit {
            UserLimit::None => None,
            UserLimit::FromSettings => Limits::user_tasks(winrs),
        };
        let limits = Limits { open_files: self.open_files, user_tasks, ..Limits::from_settings(winrs) };
        match self.groups.create(&limits) {
            Ok(Some(group)) => return ProcessLimiter::in_group(group, limits),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(
                    %error, shell,
                    "Cannot create a control group for a shell; its memory is limited per process"
                );
            }
        }
        ProcessLimiter::marked(limits, Mark::new(random::uuid().to_string()))
    }
}

impl fmt::Debug for ShellEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("ShellEnvironment")
            .field("login_shell", &self.login_shell)
            .field("home", &self.home)
            .field("environment", &names)
            .finish()
    }
}
