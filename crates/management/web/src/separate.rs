//! The service as two processes.
//!
//! The **web process** has no privileges: it owns the listener, TLS, HTTP, address and origin checks and the files of the
//! console, and answers with [`WebProcess`]. The **privileged process** has users, sessions, rights, the web server, WMI
//! and logs, and reads nothing from the network. One socket pair connects them.
//!
//! The operations are those of the table of routes, by number. A request carries what the web process has parsed: parts of
//! the path, parameters, a session or key, and a body within the limit of the operation. The privileged process admits the
//! caller of each operation itself, by a session that it has issued or a key that it verifies.
//!
//! A third process, the **connector**, connects to other machines ([`ConnectorProcess`]): neither of the two may.

mod connector;
mod message;
mod privileged;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
mod web_process;

pub use self::connector::{ConnectorProcess, serve_connections};
pub use self::message::WebProcessStart;
pub use self::privileged::{PrivilegedError, PrivilegedSignals, serve_operations};
pub use self::web_process::WebProcess;
