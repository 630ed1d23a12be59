//! Engine of a WS-Management service (MS-WSMV, DSP0226).
//!
//! A [`Listener`] accepts connections. One task serves each connection: it reads HTTP, authenticates the caller,
//! parses the message and passes it to the [`Plugin`] of the requested resource. `Service::answer` in `answer.rs`
//! shows this path on one page.
//!
//! The program supplies everything it decides: the settings, the authenticator, the SIDs of accounts, and the
//! plug-ins; see [`ServiceParts`].
//!
//! Modules form layers. From the bottom: `audit`, `metrics`, `caller`, `resource` and `endpoint`; `access` and `plugin`;
//! `authentication`, `enumeration` and `subscription`; `service`; `answer`; `connection`; `listener` and
//! `local_socket`; `metrics_endpoint`.

mod access;
mod answer;
mod audit;
mod authentication;
mod balancer;
mod caller;
mod catalog;
mod certificate;
mod client_certificate;
mod connection;
mod connection_table;
mod endpoint;
mod enumeration;
mod event_endpoint;
mod health;
mod identify;
mod listener;
mod local_socket;
mod metrics;
mod metrics_endpoint;
mod notify;
mod plugin;
mod quota;
mod request_limits;
mod resource;
mod route;
mod service;
mod shutdown;
mod subscription;

pub use access::AccessGranted;
pub use audit::AUDIT;
pub use caller::{Caller, CallerLocation, Principals, SessionHandle};
pub use catalog::Catalog;
pub use certificate::{
    Certificate, CertificateError, CertificateKeeper, CertificateProblem, Certificates, is_host_name,
};
pub use client_certificate::ClientCertificates;
pub use endpoint::Transport;
pub use event_endpoint::{EventAnswer, EventEndpoint, EventMessage, PathAccess, SourceProof};
pub use listener::{
    Finding, ListenError, Listener, ListenerReport, ListenerStatus, Listeners, PortConflict, Report,
    Severity, check_listeners, check_port, filters_admit_this_machine,
};
pub use local_socket::{ForwardedConnections, LocalSocket, LocalSocketError, SocketAccess};
pub use metrics_endpoint::{serve_metrics, serve_snapshots};
pub use notify::{ServiceManager, watchdog};
pub use plugin::{
    Answer, BoxFuture, Call, Content, Delivered, EndReason, Item, Items, OpenObjects, Operation, Plugin,
};
pub use resource::{Resource, ResourceKind};
pub use service::{Product, Service, ServiceParts};
pub use shutdown::Shutdown;
