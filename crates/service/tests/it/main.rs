//! The service over real sockets: what it promises to peers that mean well, and to those that do not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod access;
mod arrival;
mod attacks;
mod authentication;
mod certificate;
mod connections;
mod enumeration;
mod faults;
mod framing;
mod half_closed;
mod limits;
mod malformed;
mod message;
mod plugin;
mod plugins;
mod probe;
mod running;
mod subscription;
mod tls;
mod wire;

use std::time::Duration;

/// Long enough for anything but a failure.
const PATIENCE: Duration = Duration::from_secs(30);
