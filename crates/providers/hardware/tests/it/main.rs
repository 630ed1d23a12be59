//! What the provider promises, against controllers that we did not write.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod corpus;
mod house;
mod logs;
mod machines;
mod power;
mod sensors;
mod sessions;
mod view;
