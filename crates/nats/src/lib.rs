//! Client protocol of NATS without I/O, as far as a publisher to JetStream needs it.
//!
//! For outputs of events: a connection reads [`ServerMessage`]s, answers [`Info`] with a [`Login`], and publishes
//! messages with an identifier, by which JetStream removes duplicates. The acknowledgement of JetStream is a
//! [`PublishAck`] in a message to the reply subject.
//!
//! | Module | Purpose | Specification |
//! |---|---|---|
//! | [`ServerMessage`] | INFO, MSG, HMSG, PING, PONG, +OK, -ERR | NATS client protocol |
//! | [`Login`] | CONNECT with password, token, nkey or JWT | NATS client protocol; nkeys |
//! | [`publish`] | HPUB, SUB | NATS client protocol; ADR-4 (headers) |
//! | [`PublishAck`] | answers of JetStream | JetStream wire API |
//! | [`SubjectTemplate`] | subjects with placeholders | subject-based messaging |
//!
//! Not part of this crate: sockets, TLS, consumers, and the management of streams.

#![forbid(unsafe_code)]
#![deny(clippy::as_conversions, clippy::expect_used, clippy::panic)]

mod acknowledgement;
mod error;
mod login;
mod message;
mod nkey;
pub mod publish;
mod subject;

pub use acknowledgement::PublishAck;
pub use error::NatsError;
pub use login::{Login, LoginSettings};
pub use message::{Info, MAX_LINE, MAX_PAYLOAD, Message, ServerMessage};
pub use subject::{SubjectTemplate, SubjectValues};
