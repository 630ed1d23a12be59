//! Tests of the service over real sockets, with well-behaved and hostile clients.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod access;
mod attacks;
mod authentication;
mod certificate;
mod connections;
mod delivery;
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

/// Time limit that only a failing test reaches.
const TIMEOUT: Duration = Duration::from_secs(60);
