//! Integration tests: exact output, rejected messages, parsing of what was written, and recorded
//! traffic.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod fault;
mod fixtures;
mod generator;
mod golden;
mod headers;
mod roundtrip;
mod shape;
mod streams;
