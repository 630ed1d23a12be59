//! What the crate promises: sessions that other programs recorded, and octets that mean nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod corpus;
mod linear;
mod pair;
mod serial;
