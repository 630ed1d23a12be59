//! Tests of the public interface.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // A test that panics has failed.

mod events;
mod fixtures;
mod lxml;
mod pull;
mod query;
mod random;
mod recorded;
mod sldc;
mod subscription;
