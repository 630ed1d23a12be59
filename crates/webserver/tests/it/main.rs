//! Tests with a real nginx, which runs as the user of the test on ephemeral ports of the loopback device.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test that panics has failed.

mod crash;
mod failures;
mod features;
mod fixture;
mod lifecycle;
