//! Public behaviour of the crate: tokens are parsed or rejected without harm, and unauthenticated clients are rejected.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

// `test_context.rs` of the oracles names the crate in this way.
extern crate telarch_auth as auth;

mod credssp;
mod fake_mechanism;
mod generator;
mod negotiate;
mod ntlm;
mod sealed_bodies;
mod sealed_body_layout;
mod secrecy;
mod spnego;
mod spnego_attacks;
mod tokens;
