//! What the API promises without a service.

#![allow(clippy::unwrap_used)]

mod failures;
mod numbers;
mod sessions;
