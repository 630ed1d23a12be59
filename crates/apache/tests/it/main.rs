//! Tests of the parser beside the real Apache.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test that panics has failed.

mod closure;
mod edit;
mod verdict;
