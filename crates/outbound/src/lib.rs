//! Connections and HTTP requests to servers that the administrator's settings name: outputs of forwarded events, and
//! receivers of metrics.
//!
//! Everything here blocks, with a time limit, and belongs on a thread of its own.

mod connection;
mod http_post;
mod tls_settings;

pub use connection::{Address, Connection};
pub use http_post::{HttpHeader, HttpResponse, HttpTarget};
pub use tls_settings::{is_loopback, tls_config};
