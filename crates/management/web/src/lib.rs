//! HTTPS server of the Web Management Service: the REST API below `/api/v1` and the console.
//!
//! A request is read completely by the [server](serve), within limits of size and time, and then answered by a function
//! without asynchronous code (`Console::answer`) on a blocking thread: address rules, host name, credentials, origin,
//! rights, handler, audit and request log. The table of routes ([`ROUTES`]) is the only place that names a path: the
//! router, the rights and the OpenAPI [description] are made from it.
//!
//! Not part of this crate: decisions about users and sites (`management`), and web servers (`webserver`).

mod access;
mod assets;
mod call;
mod caller;
mod certificate;
mod client_checks;
mod console;
mod dispatch;
mod ending;
mod event_stream;
mod handle_certificates;
mod handle_deploy;
mod handle_events;
mod handle_forwarded;
mod handle_machine;
mod handle_machine_iis;
mod handle_machine_wmi;
mod handle_machine_wsman;
mod handle_machines;
mod handle_management;
mod handle_session;
mod handle_terminal;
mod handle_web;
mod handle_wmi;
mod handle_wsman;
mod local_service;
mod log_stream;
mod machine_iis;
mod machines;
mod metrics;
mod openapi;
mod password;
mod problem;
mod reply;
mod response;
mod route;
mod route_search;
mod routes;
mod separate;
mod server;
mod site_access;
mod site_list;
mod terminals;
mod typed_body;
mod websocket;
mod wmi;
mod wsman_change;
mod wsman_file;
mod wsman_resource;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;

pub use self::access::Requirement;
pub use self::assets::{Asset, CONSOLE};
pub use self::certificate::{Certificate, CertificateError};
pub use self::console::{Console, ConsoleParts};
pub use self::machines::{Connector, MachineConnector};
pub use self::openapi::description;
pub use self::routes::{ROUTES, Route};
pub use self::separate::{
    ConnectorProcess, PrivilegedError, PrivilegedSignals, WebProcess, WebProcessStart, serve_connections,
    serve_operations,
};
pub use self::server::serve;
pub use self::wmi::LocalWmi;
