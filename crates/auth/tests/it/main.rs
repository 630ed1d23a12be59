//! Public behaviour of the crate: tokens are parsed or rejected without harm, and unauthenticated clients are rejected.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod credssp;
mod fake_mechanism;
mod generator;
mod negotiate;
mod ntlm;
mod sealed_bodies;
mod secrecy;
mod spnego;
mod spnego_attacks;
mod tokens;
