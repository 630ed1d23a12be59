//! Tests of the public interface.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test that panics has failed.

mod clixml;
mod hostile;
mod pools;
mod psrpcore;
mod recordings;
