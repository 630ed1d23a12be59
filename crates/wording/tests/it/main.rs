//! Integration tests of text parsing and output.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod endpoint;
mod failure;
mod format;
mod locator;
