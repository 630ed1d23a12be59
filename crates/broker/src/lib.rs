//! The privileged process of the service, and the protocol that the other processes use to call it.
//!
//! When the service runs as root it consists of several processes. The **gateway** reads the network and has no
//! privileges. The **broker** verifies credentials and starts the **hosts**, each of which runs plug-ins as one user.
//!
//! - [`Broker`] serves one gateway over a [`Link`] and performs privileged operations through [`PrivilegedOperations`].
//! - [`Gateway`] is the gateway's end of that link, and an [`Authenticator`](auth::Authenticator) for the service.
//! - [`wire`] and [`Frame`] are the codec of all messages between these processes.
//!
//! The broker trusts nothing that the gateway says: it verifies every proof of identity itself and answers with a
//! [`SessionId`] of 128 random bits, which the gateway presents with later requests. A message that violates the codec
//! terminates the gateway.
//!
//! This crate parses no XML, opens no network listener and contains no asynchronous code.

mod collector_command;
mod gateway;
mod host_messages;
mod host_session;
mod link;
mod local_connections;
mod message;
pub mod quick_config;
mod rate_limit;
mod scheme_number;
mod server;
mod sessions;
mod variables;
pub mod wire;
mod workers;

pub use collector_command::{CollectorCommand, CollectorFile, CollectorFiles};
pub use gateway::{BrokerEvent, Gateway, LocalClient, LocalGuard, Session};
pub use host_messages::{HardwareReply, HostCommand, HostReport, RunAsEndpoint};
pub use host_session::{GroupAnswer, GroupRequest, HostSession};
pub use link::{FRAME_MAGIC, Frame, Link, MAX_MESSAGE_LENGTH, frame_head, message_length, verify_owner};
pub use local_connections::{LocalConnection, LocalConnections};
pub use message::{
    BrokerMessage, CertificateRequest, ClaimedIdentity, ContextForm, DenialKind, Denied, GatewayRequest,
    MappingRequestError, SessionId, SettingsError, SignedIn, read_token, write_token,
};
pub use rate_limit::{RateDecision, RateLimit};
pub use server::{Broker, Notice, PrivilegedOperations};
pub use variables::Variables;
