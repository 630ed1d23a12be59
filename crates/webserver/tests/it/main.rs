//! Tests with real web servers, which run as the user of the test on ephemeral ports of the loopback device.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test that panics has failed.

mod apache_fixture;
mod apache_only;
mod caddy;
mod caddy_fixture;
mod conformance;
mod crash;
mod failures;
mod fixture;
mod nginx_edits;
mod nginx_features;
mod php_fpm;
