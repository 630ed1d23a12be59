//! Integration tests against a service whose responses each test defines.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, unreachable_pub)]

mod connections;
mod enumeration;
mod framing;
mod local;
mod powershell_peer;
mod probe;
mod proxy;
mod refusing;
mod runspace;
mod send;
mod service;
mod shell;
mod sign_in;
mod subscription;
mod time;
mod tls;
mod transfer;
