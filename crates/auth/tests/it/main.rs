//! The crate's public promises: what a peer sends to sign in is read, or refused without harm, and nobody is let in
//! who has not proven who they are.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod corpus;
mod credssp;
mod generator;
mod negotiate;
mod ntlm;
mod sealed_bodies;
mod secrecy;
mod spnego;
mod spnego_attacks;
mod token_corpus;
mod tokens;
mod toy;
