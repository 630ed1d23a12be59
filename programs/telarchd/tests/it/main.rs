//! Tests of the program from the administrator's view: configuration files, signals and sockets.
//!
//! All services listen on loopback or in a temporary folder; each test has its own process.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod abandoned_commands;
mod audit;
mod certificates;
mod check;
mod client_certificates;
mod control_groups;
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
mod records;
mod renewal;
mod running;
mod separated;
mod service_manager;
mod session;
mod sign_in_attacks;
mod stopped_host;
mod subscriptions;
mod taken_over;
mod tampering;
mod withdrawal;

use std::time::Duration;

/// Timeout of operations that must succeed.
const PATIENCE: Duration = Duration::from_secs(30);
