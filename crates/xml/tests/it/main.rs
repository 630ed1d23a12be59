//! The crate's public promises: what is read, what is refused, and that nothing is looked at past its bound.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod corpus;
mod reading;
mod refusing;
