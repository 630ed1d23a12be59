//! The program as an administrator meets it: started with files, told with signals, asked over sockets.
//!
//! Everything listens on loopback or in a temporary folder; each test has a process of its own.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod audit;
mod certificates;
mod check;
mod client_certificates;
mod exchange;
mod fairness;
mod hostile;
mod instances;
mod kerberos;
mod listeners;
mod local;
mod local_flood;
mod memory;
mod message;
mod ntlm;
mod open_files;
mod ordinary_user;
mod person;
mod policies;
mod renewal;
mod running;
mod separated;
mod service_manager;
mod subscriptions;
mod taken_over;
mod tampering;
mod withdrawal;

use std::time::Duration;

/// Long enough for anything but a failure.
const PATIENCE: Duration = Duration::from_secs(30);
