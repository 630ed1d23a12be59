//! Interface between the service and a collector of events (MS-WSMV 3.1.4.6 to 3.1.4.10).
//!
//! Event sources send their messages to paths below the URL prefix of a listener, not to a resource. Their bodies may
//! be compressed and may contain text that is not legal XML, and a source may have a certificate of an authority that
//! is trusted for events only. The collector therefore receives the body as sent, after authentication and unsealing.

use std::net::IpAddr;
use std::sync::Arc;

use limits::Permit;
use metrics::CollectorStatistics;
use xml::Encoding;

use crate::caller::Caller;
use crate::client_certificate::ClientCertificates;
use crate::endpoint::Transport;
use crate::plugin::BoxFuture;

/// A collector of events.
pub trait EventEndpoint: Send + Sync {
    /// Returns whether a path belongs to the collector. `path` begins behind the URL prefix of the listener, with a
    /// slash.
    fn has_path(&self, path: &str) -> bool;

    /// Returns the access that a path itself grants. It is asked for before the body of a request is received.
    fn path_access<'a>(&'a self, path: &'a str) -> BoxFuture<'a, PathAccess>;

    /// Returns how HTTPS clients present certificates.
    fn client_certificates(&self) -> ClientCertificates;

    /// Responds to one message.
    ///
    /// The future is dropped if the client closes the connection.
    fn answer(&self, message: EventMessage) -> BoxFuture<'_, EventAnswer>;

    /// Returns the numbers of the collector for the metrics, as far as they are known.
    fn statistics(&self) -> CollectorStatistics {
        CollectorStatistics::default()
    }
}

/// Access that the path of a request grants.
#[derive(Debug)]
pub enum PathAccess {
    /// The path contains no secret. The source must authenticate.
    Authenticated,
    /// The path contains a secret that the collector has sent to one source, which needs no other authentication. The
    /// permit counts the request until it is answered.
    Granted(Permit<String>),
    /// The secret is not valid, or has too many requests at the same time. The response is this one.
    Refused(EventAnswer),
}

/// Message of an event source.
#[derive(Debug)]
pub struct EventMessage {
    /// Proof of the source's identity.
    pub proof: SourceProof,
    /// Address of the source.
    pub address: IpAddr,
    /// Transport of the connection.
    pub transport: Transport,
    /// URL of the listener by which the source reaches the service, without a slash at the end, such as
    /// `https://wec.example:5986/wsman`.
    pub base: String,
    /// Path of the request behind the URL prefix of the listener.
    pub path: String,
    /// Value of `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// Body as the source sent it, before compression is removed.
    pub body: Vec<u8>,
}

/// Proof of the identity of an event source.
#[derive(Clone, Debug)]
pub enum SourceProof {
    /// A scheme other than client certificates has proven an account.
    Account(Arc<Caller>),
    /// The TLS handshake has proven possession of the key of the first certificate. Nothing else was verified.
    Certificate(Arc<[Vec<u8>]>),
    /// The path contains a secret, see [`PathAccess::Granted`].
    Path,
}

/// Response to an event source.
#[derive(Debug)]
pub struct EventAnswer {
    /// HTTP status.
    pub status: u16,
    /// Envelope of the response; empty for a response without a body.
    pub envelope: String,
    /// Encoding of the envelope.
    pub encoding: Encoding,
}
