//! WMI provider for the hardware of machines, through their management controllers (BMC): `root/hardware`
//! with the classes of Microsoft's IPMI provider, `Microsoft_IPMI` of `root/wmi`, and `MSFT_PCSVDevice` of
//! `root/microsoft/windows/hardwaremanagement`.
//!
//! A [`HostFile`] holds the controllers accessed over the network, by name, with encrypted passwords.
//! [`Hardware`] is the WMI provider. It has one shared session with each controller, which is closed when
//! idle and when the service ends.
//! [`EventLogFollower`] returns new records of the event logs.
//! Several controllers are queried in parallel, and one that does not respond does not affect the rows of
//! others.
//!
//! ```no_run
//! # fn example(state: &std::path::Path, runtime: tokio::runtime::Handle) -> Result<(), Box<dyn std::error::Error>> {
//! use telarch_hardware::{Hardware, HostFile, OwnController};
//!
//! let hardware = Hardware::new("node7", HostFile::of_state(state), OwnController::Used, runtime);
//! let schema = cim::Schema::of(cim::Namespace::parse("root/hardware")?);
//! # Ok(())
//! # }
//! ```
//!
//! Not part of this crate: access control, which the service decides by the descriptor of the namespace.

mod boot_source;
mod controller;
mod controllers;
mod error;
mod event_log;
mod health;
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub))]
mod hosts;
mod methods;
mod names;
mod provider;
mod query;
mod results;
mod rows;
mod scale;
mod source;
mod unit;

pub use controllers::OwnController;
pub use error::HardwareError;
pub use event_log::EventLogFollower;
pub use hosts::{Added, Address, Host, HostFile, HostFileError, HostName, Secrets};
pub use provider::Hardware;
pub use source::{ControllerAccess, ControllerSource, driver};

/// Lines of the file of controllers, for `fuzz/oracles`.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    pub use crate::hosts::entry::{parse as parse_entries, show as show_entries};
}
