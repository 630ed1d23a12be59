//! Runs the oracles over the stored corpora of the fuzz targets and over mutations of them, so that an input that once
//! failed is tried again without a fuzzer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A test that panics has failed.

mod accounts;
mod apache;
mod auth;
mod broker;
mod caddy;
mod cim;
mod config;
mod consumers;
mod copy;
mod corpus;
mod eventlog;
mod hardware;
mod http;
mod ipmi;
mod ipmi_proto;
mod kerberos;
mod linux;
mod management;
mod metrics;
mod nats;
mod nginx;
mod plugin_hosted;
mod plugin_shell;
mod plugin_wmi;
mod provider_linux;
mod proxyprotocol;
mod psrp;
mod random;
mod repository;
mod sddl;
mod winevent;
mod winevent_delivery;
mod wmi;
mod wording;
mod wsman;
mod xml;
