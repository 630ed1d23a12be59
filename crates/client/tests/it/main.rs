//! The crate's public promises, kept against a service that answers what each test wants.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, unreachable_pub)]

mod connections;
mod enumeration;
mod framing;
mod greeting;
mod local;
mod proxy;
mod refusing;
mod send;
mod service;
mod shell;
mod sign_in;
mod subscription;
mod time;
mod tls;
mod transfer;
