//! The engine of a WS-Management service.
//!
//! A [`Listener`] takes connections; each is served by one task that reads HTTP, lets someone in, parses
//! the message and hands it to the [`Plugin`] whose resource it is about.
//! `Service::answer`, in `answer.rs`, is that way on one page.
//!
//! Everything a program decides is an argument: the settings, who knows the passwords, which SIDs an account
//! has, and which plug-ins there are.

mod access;
mod answer;
mod audit;
mod authentication;
mod catalog;
mod certificate;
mod client_certificate;
mod connection;
mod connection_table;
mod enumeration;
mod health;
mod identify;
mod listener;
mod local_socket;
mod notify;
mod plugin;
mod quota;
mod random;
mod service;
mod subscription;

pub use access::{Caller, Principals, Proof, Whence};
pub use audit::AUDIT;
pub use catalog::Catalog;
pub use certificate::{Certificate, CertificateError, CertificateKeeper, Certificates, Unfit};
pub use listener::{
    Finding, ListenError, Listener, ListenerReport, Listeners, Listening, PortConflict, Report, Severity,
    Transport, check_port, examine,
};
pub use local_socket::{Audience, HandedOver, LocalSocket, LocalSocketError};
pub use notify::{ServiceManager, watchdog};
pub use plugin::{Answer, BoxFuture, Call, Content, Delivered, Item, Items, Plugin, Resource, ResourceKind};
pub use random::fresh_uuid;
pub use service::{Product, Service, ServiceParts, Shutdown};
