//! Message of an event source, independent of the process that received it.

use std::net::IpAddr;
use std::sync::Arc;

use sddl::Token;
use service::{EventMessage, SourceProof, Transport};

/// Message of an event source.
#[derive(Debug)]
pub(crate) struct SourceMessage {
    pub(crate) proof: Proof,
    pub(crate) address: IpAddr,
    pub(crate) transport: Transport,
    /// URL of the listener.
    pub(crate) base: String,
    /// Path behind the URL of the listener.
    pub(crate) path: String,
    pub(crate) content_encoding: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Proof of a source's identity.
#[derive(Debug)]
pub(crate) enum Proof {
    /// An authenticated account with its SIDs.
    Account { name: String, token: Box<Token> },
    /// Certificates of a TLS handshake; the client has the key of the first one.
    Certificate(Arc<[Vec<u8>]>),
    /// A secret in the path.
    Path,
}

impl From<EventMessage> for SourceMessage {
    fn from(message: EventMessage) -> Self {
        let EventMessage { proof, address, transport, base, path, content_encoding, body } = message;
        let proof = match proof {
            SourceProof::Account(caller) => Proof::Account {
                name: caller.identity().account().name.clone(),
                token: Box::new(caller.token().clone()),
            },
            SourceProof::Certificate(chain) => Proof::Certificate(chain),
            SourceProof::Path => Proof::Path,
        };
        Self { proof, address, transport, base, path, content_encoding, body }
    }
}
