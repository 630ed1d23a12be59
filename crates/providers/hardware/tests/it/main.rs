//! Tests of the promises of the provider, against foreign controllers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod house;
mod logs;
mod machines;
mod power;
mod satellites;
mod sensors;
mod sessions;
mod view;
