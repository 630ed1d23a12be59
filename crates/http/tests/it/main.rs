//! Tests of the public API of the codec, one module per topic.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test that panics has failed.

mod chunked;
mod request;
mod response;
mod write;
