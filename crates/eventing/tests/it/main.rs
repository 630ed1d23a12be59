//! The collector with servers of other projects.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)] // A test that panics has failed.

mod collector_process;
mod jetstream;
mod nats_server;
mod shared_store;
