//! Tests of the parser beside the real nginx.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test that panics has failed.

mod closure;
mod debian;
mod edit;
mod verdict;
