//! What the crate promises, against a controller that we did not write, and against ours with clients that we did not write.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod bad_network;
mod console;
mod corpus;
mod crowd;
mod event_log;
mod lan15;
mod lying;
mod other_clients;
mod records;
mod sessions;
