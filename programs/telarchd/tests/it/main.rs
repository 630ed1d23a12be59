//! Tests of the program from the administrator's view: configuration files, signals and sockets.
//!
//! All services listen on loopback or in a temporary folder; each test has its own process.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod abandoned_commands;
mod audit;
mod certificates;
mod check;
mod client_certificates;
mod compromised_gateway;
mod control_groups;
mod event_collector;
mod event_log;
mod event_push;
mod fairness;
mod file_transfer;
mod hostile;
mod http_connection;
mod instances;
mod kerberos;
mod listeners;
mod local;
mod local_flood;
mod memory;
mod message;
mod metrics_export;
mod ntlm;
mod open_files;
mod ordinary_user;
mod pam_module;
mod policies;
mod recorded_sessions;
mod records;
mod renewal;
mod run_as;
mod run_as_attacks;
mod separated;
mod service_manager;
mod service_process;
mod session;
mod sign_in_attacks;
mod stopped_host;
mod subscriptions;
mod tampering;
mod test_user;
mod withdrawal;

use std::time::Duration;

/// Timeout of operations that must succeed.
const PATIENCE: Duration = Duration::from_secs(60);
