//! The crate's public promises: what is written letter for letter, what is refused and how, that what is
//! written reads back, and that recorded traffic is understood.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod corpus;
mod fault;
mod fixtures;
mod generator;
mod golden;
mod headers;
mod roundtrip;
mod shape;
mod streams;
