//! Prepares a Linux machine for remote management: starts the service at boot, opens the firewall, and undoes
//! both.
//!
//! Used by processes with the necessary rights: a root process that serves requests of the broker, the
//! service of a user, or `winrm quickconfig` on a machine whose service is not running yet. A request is a
//! [`MachineRequest`] from a closed list, never a command line; [`Machine::execute`] executes it and returns the outcome.
//!
//! Each step first checks whether there is anything to do, and records its changes in a journal so that
//! exactly these can be undone. No firewall is ever started, and rules of others are never changed.
//!
//! Not part of this crate: listeners and certificates, which are settings that the service changes itself and
//! only records here; and the names of steps in messages, which belong to the configuration plug-in.

mod bus;
mod error;
mod firewall;
mod journal;
mod machine;
mod program;
mod request;
mod systemd;

pub use error::Error;
pub use machine::Machine;
pub use request::{
    Certificate, ChangeRecord, Firewall, FirewallKind, MAX_OPENINGS, MachineRequest, MachineResponse,
    Network, Opening, Outcome, ServiceAfter, SettingChange, Source, Survey, Transport, Unit, Zone,
};
pub use systemd::UNIT;
