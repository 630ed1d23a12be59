//! Plug-ins in a process of their caller's user.
//!
//! [`HostedPlugin`] is what the service of the gateway has in its catalog; it sends each call to the host of its
//! caller, where [`Host`] gives it to the plug-in itself. Neither knows what a body means.
//!
//! A host that dies takes its shells along; calls under way end in a fault that says so, and the next call finds a
//! new host. What a host answers reaches only those who have the SID of its user.

mod host;
mod message;
pub mod oracle;
mod proxy;
mod stream;

pub use host::{Activity, Host};
pub use proxy::{HostedPlugin, Hosts, UserQuota};
