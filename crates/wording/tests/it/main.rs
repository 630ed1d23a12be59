//! What people and scripts are told.

#![allow(clippy::unwrap_used)]

mod failure;
mod format;
mod locator;
