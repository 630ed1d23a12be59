//! The crate's public promises: what a client sends to sign in is read, or refused without harm.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod corpus;
mod generator;
mod ntlm;
mod secrecy;
