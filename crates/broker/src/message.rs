//! Messages between gateway and broker.

mod broker_message;
mod certificate;
mod gateway_request;
mod size_limit;
pub(crate) mod values;

use auth::Oid;
use auth::certificate_mapping::MappingChangeError;
use sddl::Token;
use zeroize::Zeroizing;

pub use self::broker_message::BrokerMessage;
pub use self::gateway_request::{CertificateRequest, GatewayRequest};
pub(crate) use self::size_limit::{PREFIX_LENGTH, is_within_limit};
use self::values::{oid, put_oid};
pub use self::values::{read_token, write_token};
use crate::wire::{Malformed, Reader, Writer};

/// Bearer token of a session: 128 random bits that the broker issues after verifying a proof of identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub(crate) [u8; 16]);

impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// A successful sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Token of the new session.
    pub session: SessionId,
    /// Name of the account.
    pub account: String,
    /// Authentication mechanism, if the scheme offers several.
    pub mechanism: Option<Oid>,
    /// Access token of the user.
    pub token: Token,
}

/// Identity that a client claimed, for audit records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimedIdentity {
    /// Mechanism, if it was already selected.
    pub mechanism: Option<Oid>,
    /// User name sent by the client.
    pub name: Option<String>,
}

/// Form in which the gateway receives a security context.
pub enum ContextForm {
    /// Exported state, with which the gateway seals messages itself.
    Exported(Zeroizing<Vec<u8>>),
    /// The context stays in the broker, which seals messages on request.
    Remote {
        /// Handle of the context.
        handle: u64,
        /// Whether the context provides confidentiality.
        can_seal: bool,
        /// Maximum message size in bytes; `None` for no limit.
        max_message: Option<u64>,
    },
}

impl std::fmt::Debug for ContextForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Exported(_) => "Exported(…)",
            Self::Remote { .. } => "Remote",
        })
    }
}

/// Refusal of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denied {
    /// Kind of the reason.
    pub kind: DenialKind,
    /// Description for the user.
    pub reason: String,
}

/// Reason why the configuration file was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// The user may not change it, or the change failed.
    Denied(Denied),
    /// The file no longer holds the text that the change is based on. Holds the current text.
    Outdated(String),
}

/// Reason why a request about certificate mappings failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappingRequestError {
    /// The user may not read or change mappings, or reading failed.
    Denied(Denied),
    /// The change is invalid, or the mapping file is.
    Change(MappingChangeError),
}

/// Kind of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialKind {
    /// Access denied: the session is unknown, or its user lacks the right.
    Access,
    /// The operation failed.
    Failed,
}

impl Denied {
    /// Creates a refusal.
    #[must_use]
    pub fn new(kind: DenialKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }
}

impl SignedIn {
    fn write<'w>(&self, w: &'w mut Writer) -> &'w mut Writer {
        let w = w.fixed(&self.session.0).text(&self.account);
        write_token(w.optional(self.mechanism.as_ref(), put_oid), &self.token)
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (session, account) = (SessionId(r.fixed()?), r.text()?.to_owned());
        Ok(Self { session, account, mechanism: r.optional(oid)?, token: read_token(r)? })
    }
}
