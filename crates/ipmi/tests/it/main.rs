//! What the crate promises, against a controller that we did not write.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod bad_network;
mod event_log;
mod sessions;
