//! Plug-ins that run in a process of the caller's user.
//!
//! The gateway's catalog contains a [`HostedPlugin`], which forwards each call to the host of its caller. There,
//! [`Host`] passes it to the actual plug-in. Neither interprets message bodies.
//!
//! When a host dies, its shells end with it. Calls in progress end with an explanatory fault, and the next call starts
//! a new host. The answers of a host are sent only to callers with the SID of its user.

mod host;
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub))]
mod message;
mod proxy;
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub))]
mod stream;

pub use host::{Activity, Host};
pub use proxy::{HostedPlugin, Hosts, UserQuota};

/// Message codec, for `fuzz/oracles`.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    pub use crate::message::{FromHost, ToHost};
}
