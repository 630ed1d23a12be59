//! Tests of the public promises of the crate, with recorded sessions of other programs and with arbitrary
//! bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod linear;
mod pair;
mod serial;
