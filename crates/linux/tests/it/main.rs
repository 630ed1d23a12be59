//! Tests of the readers.
#![allow(clippy::unwrap_used)]

mod corpus;
