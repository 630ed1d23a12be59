//! Tests of the public promises of the crate, against a foreign controller, and of our own controller with
//! foreign clients.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod bad_network;
mod console;
mod controller_group;
mod event_log;
mod lan15;
mod lying;
mod other_clients;
mod records;
mod sessions;
