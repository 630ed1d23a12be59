//! What people and scripts are told.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod corpus;
mod endpoint;
mod failure;
mod format;
mod locator;
