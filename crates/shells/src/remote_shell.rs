//! Interface of a shell of any kind.

use std::any::Any;

use sddl::Sid;
use service::BoxFuture;
use wsman::shell::{CommandListing, ShellState};

use crate::lifetime::Lifetime;
use crate::process_monitor::MonitoredShell;
use crate::processes::Snapshot;
use crate::shell_processes::ShellProcesses;

/// An open shell of any kind.
pub trait RemoteShell: Any + Send + Sync {
    /// Returns the identifier.
    fn id(&self) -> &str;

    /// Returns the SID of the owner.
    fn owner(&self) -> Sid;

    /// Returns the resource URI.
    fn resource(&self) -> &str;

    /// Returns the description in the response to Create.
    fn state(&self) -> ShellState;

    /// Returns the line of a running command for listings.
    fn running_command(&self) -> Option<String>;

    /// Returns a listing of all commands that are not released.
    fn command_states(&self) -> Vec<CommandListing>;

    /// Returns the process groups of the shell. None of their leaders was reaped yet.
    fn groups(&self) -> Vec<u32>;

    /// Returns limits and count of the processes.
    fn processes(&self) -> &ShellProcesses;

    /// Returns lifetime and activity.
    fn lifetime(&self) -> &Lifetime;

    /// Ends all processes and fails all pending operations.
    fn close(&self) -> BoxFuture<'_, ()>;
}

impl dyn RemoteShell {
    /// Returns the description for Get and Enumerate, which includes running command and processes.
    #[must_use]
    pub fn state_in(&self, snapshot: &Snapshot) -> ShellState {
        let command_line = self.running_command();
        let processes = self.processes().number_in(&self.groups(), snapshot);
        let child_processes = u32::try_from(processes).unwrap_or(u32::MAX);
        let child_processes = (command_line.is_some() || processes > 0).then_some(child_processes);
        ShellState { command_line, child_processes, ..self.state() }
    }
}

impl<S: RemoteShell> MonitoredShell for S {
    fn needs_snapshot(&self) -> bool {
        self.processes().needs_snapshot()
    }

    fn count(&self, snapshot: &Snapshot) -> bool {
        self.processes().count(self.id(), &self.groups(), snapshot)
    }
}
