//! Tests of the API that need no service.

#![allow(clippy::unwrap_used)]

mod failures;
mod numbers;
mod sessions;
