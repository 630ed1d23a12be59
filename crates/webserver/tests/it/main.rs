//! Tests with real web servers, which run as the user of the test on ephemeral ports of the loopback device.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test that panics has failed.

mod apache_fixture;
mod apache_only;
mod caddy;
mod conformance;
mod crash;
mod failures;
mod features;
mod fixture;
mod lifecycle;
