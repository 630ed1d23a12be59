//! Tests of the public promises of the crate: which documents are accepted, which are refused, and that
//! nothing is read beyond a bound.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod reading;
mod refusing;
