//! Processes, limits, quotas and lifetimes of remote shells of all kinds.
//!
//! A plug-in implements [`RemoteShell`] for its kind of shell and registers each new one in the [`Registry`], which
//! applies the quotas of a user and closes shells that expire. [`process_group::spawn`] starts a program in a process
//! group of its own; [`ShellProcesses`] limits and counts the processes of a shell and kills those that left their
//! group.

mod control_group;
mod environment;
pub mod fault;
mod lifetime;
mod limits;
pub mod process_group;
mod process_monitor;
mod processes;
mod registry;
mod remote_shell;
mod shell_processes;

pub use self::control_group::{ControlGroup, EnforcedLimits};
pub use self::environment::{ShellEnvironment, Shells};
pub use self::lifetime::{Lifetime, MAX_TIME, Operation};
pub use self::limits::{DelegatedGroups, Limits, ProcessLimiter, ShellGroup, ShellGroups};
pub use self::process_monitor::{MonitoredShell, ProcessMonitor, snapshot};
pub use self::processes::{Mark, Process, Snapshot};
pub use self::registry::{Registry, key};
pub use self::remote_shell::RemoteShell;
pub use self::shell_processes::ShellProcesses;
