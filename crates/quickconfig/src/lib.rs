//! Makes a Linux machine ready to be managed: the service at boot, the firewall, and what takes both back.
//!
//! For whoever has the rights to do it: a process of root that is asked over the broker, the service of a user, or
//! `winrm quickconfig` on a machine whose service does not run yet. What is asked for is a [`Wish`] out of a closed
//! list, and never a command line; [`Machine::grant`] does it and says what came of it.
//!
//! Each step looks first whether there is anything to do, and what it did it writes into a journal, so that exactly
//! that can be taken back. No firewall is ever started, and no rule of anybody else is touched.
//!
//! Left out on purpose: listeners and certificates, which are settings; the service changes them itself and has them
//! noted here. And texts: what a step is called on the wire, the plug-in of the configuration knows.

mod bus;
mod error;
mod firewall;
mod journal;
mod machine;
mod program;
mod systemd;
mod wish;

pub use error::Error;
pub use machine::Machine;
pub use systemd::UNIT;
pub use wish::{
    Answer, Certificate, Firewall, FirewallKind, MAX_OPENINGS, Network, Noted, Opening, Outcome, Recorded,
    ServiceAfter, Source, Survey, Transport, Unit, Wish, Zone,
};
