//! CIM operations on the IIS of a Windows machine over WS-Management.
//!
//! [`WindowsIis`] implements [`webserver::WebAdministration`] with a session of the client. Its methods block the calling
//! thread, which must not run tasks of a tokio runtime.

mod connection;
mod instance;

pub use connection::WindowsIis;
