//! The hardware of machines, through their management controllers (BMC): `root/hardware` with the classes of
//! Microsoft's IPMI provider, `Microsoft_IPMI` of `root/wmi`, and `MSFT_PCSVDevice` of
//! `root/microsoft/windows/hardwaremanagement`.
//!
//! A [`HostFile`] has the controllers that are asked over the network, by names, each with its password sealed.
//! [`Hardware`] is the provider of WMI that asks them: one session with each, whoever asks, closed when nobody has
//! asked for a while and when the service ends.
//! [`EventLogs`] are their event logs as a resource to which clients subscribe.
//! Several controllers are asked at the same time, and one that does not answer costs nobody else a row.
//!
//! ```no_run
//! # fn example(state: &std::path::Path, runtime: tokio::runtime::Handle) -> Result<(), Box<dyn std::error::Error>> {
//! use telarch_hardware::{Hardware, HostFile, OwnController};
//!
//! let hardware = Hardware::new("node7", HostFile::of_state(state), OwnController::Asked, runtime);
//! let schema = cim::Schema::of(cim::Namespace::parse("root/hardware")?);
//! # Ok(())
//! # }
//! ```
//!
//! Left out on purpose: who may ask, which the service decides by the namespace's descriptor.

mod boot_source;
mod controller;
mod controllers;
mod error;
mod health;
mod hosts;
mod keeper;
mod methods;
mod names;
pub mod oracle;
mod provider;
mod question;
mod results;
mod rows;
mod scale;
mod sel;
mod unit;

pub use controllers::OwnController;
pub use error::HardwareError;
pub use hosts::{Added, Address, Host, HostFile, HostFileError, HostName, Secrets};
pub use keeper::{Handed, HardwareKeeper, driver};
pub use provider::Hardware;
pub use sel::EventLogs;
