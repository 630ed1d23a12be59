//! Oracles: functions that check properties of a parser with any input, and panic if one does not hold.
//!
//! There is a module for each crate of the product.
//! The fuzz targets call each oracle with generated input, the tests with the stored corpus and mutations of it.
//! The most common property: a parsed value can be written, and parses to the same value again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // An oracle that panics has found an error.

pub mod accounts;
pub mod apache;
pub mod auth;
pub mod broker;
pub mod caddy;
pub mod cim;
pub mod config;
pub mod consumers;
pub mod copy;
pub mod eventlog;
pub mod hardware;
pub mod http;
pub mod ipmi;
pub mod ipmi_proto;
pub mod kerberos;
pub mod linux;
pub mod management;
pub mod metrics;
pub mod nats;
pub mod nginx;
pub mod plugin_hosted;
pub mod plugin_shell;
pub mod plugin_wmi;
pub mod provider_linux;
pub mod proxyprotocol;
pub mod psrp;
pub mod repository;
pub mod sddl;
pub mod winevent;
pub mod winevent_delivery;
pub mod wmi;
pub mod wording;
pub mod wsman;
pub mod xml;
