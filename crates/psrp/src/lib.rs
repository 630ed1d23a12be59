//! PowerShell remoting (MS-PSRP) for both ends, without a transport.
//!
//! A client opens a *runspace pool* on a server and runs *pipelines* in it. [`ClientPool`] and [`ServerPool`] are
//! the two ends: received bytes go in, [`Event`]s and [`Outgoing`] bytes come out. They send no packets, have no
//! clock and draw no keys or identifiers; only the padding of an encrypted session key is drawn by the
//! cryptography library.
//!
//! Below them are the layers of the protocol, each usable alone:
//! - [`Fragment`], [`Fragmenter`] and [`Defragmenter`] divide messages into fragments and join them,
//! - [`Message`] is a message with its data as bytes, and [`Header`] only its first 40 bytes,
//! - [`Body`] is the data as a typed record,
//! - [`clixml`] reads and writes objects as XML,
//! - [`out_of_proc`] frames fragments as lines, for a PowerShell process on this machine,
//! - [`xpress`] compresses and decompresses what the transport carries.
//!
//! Everything that a peer sends is limited: messages and fragments by [`FragmentLimits`], CLIXML by
//! [`clixml::Limits`], and pipelines by [`PoolLimits`].
//!
//! ```
//! use telarch_psrp::{Body, ClientOptions, ClientPool, CreatePipeline, Guid, ServerOptions, ServerPool, SessionKey};
//! use telarch_psrp::clixml::{Value, Version};
//!
//! let mut client = ClientPool::new(Guid::from_bytes([1; 16]), ClientOptions::default());
//! let mut server = ServerPool::new(ServerOptions {
//!     protocol: Version::new(2, 3),
//!     session_key: SessionKey::from_bytes([7; 32]), // Drawn at random by a real server.
//!     private_data: Value::NULL,
//!     limits: Default::default(),
//! });
//! client.open()?;
//! while let Some(sent) = client.take(32_768) {
//!     server.receive(&sent.fragments)?;
//! }
//! while let Some(sent) = server.take(32_768) {
//!     client.receive(&sent.fragments)?;
//! }
//! let pipeline = Guid::from_bytes([2; 16]);
//! client.create_pipeline(pipeline, CreatePipeline::script("Get-Date"))?;
//! let sent = client.take(32_768).unwrap_or_else(|| unreachable!());
//! let events = server.receive(&sent.fragments)?;
//! assert!(matches!(&events[0].body, Body::CreatePipeline(_)));
//! # Ok::<(), telarch_psrp::PsrpError>(())
//! ```
//!
//! Deliberately not supported: conversion of objects into Rust types.
#![deny(clippy::as_conversions, clippy::expect_used)]

mod base64_engine;
mod channel;
mod client;
pub mod clixml;
mod error;
mod error_record;
mod fields;
mod fragment;
mod guid;
mod host;
mod message;
mod negotiation;
pub mod out_of_proc;
mod record;
mod server;
mod session_key;
mod state;
pub mod xpress;

pub use channel::{Event, Outgoing, PoolLimits, Stream};
pub use client::{ClientOptions, ClientPool, RunspaceRequest};
pub use error::PsrpError;
pub use error_record::{ErrorCategory, ErrorRecord};
pub use fragment::{Defragmenter, FRAGMENT_HEADER, Fragment, FragmentLimits, Fragmenter};
pub use guid::Guid;
pub use host::{HostCall, HostMethod, HostResponse, NO_RESPONSE};
pub use message::{Header, MESSAGE_HEADER, Message, MessageType, Role};
pub use record::{
    Argument, Availability, Body, Command, CommandMetadataQuery, ConsoleState, Coordinates, CreatePipeline,
    HostInfo, InformationRecord, InformationalRecord, InitRunspacePool, Merge, PipelineStateRecord,
    PoolStateRecord, ProgressRecord, RunspaceCount, SessionCapability, Size, StreamMerges, UserEvent,
};
pub use server::{ServerOptions, ServerPool};
pub use session_key::{ExchangeKey, SessionKey, TextProtection};
pub use state::{PipelineState, PoolState};
