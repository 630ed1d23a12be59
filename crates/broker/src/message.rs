//! What the gateway asks, and what the broker tells it.

mod ask;
mod certificate;
mod longest;
mod tell;
mod values;

use auth::Oid;
use auth::certificate_mapping::MappingChangeError;
use sddl::Token;
use zeroize::Zeroizing;

pub use self::ask::{Ask, CertificateWish};
pub(crate) use self::longest::{BEGINNING, may_be_so_long};
pub use self::tell::Tell;
use self::values::{oid, put_oid};
pub(crate) use self::values::{read_token, write_token};
use crate::wire::{Malformed, Reader, Writer};

/// What a gateway shows to be served for somebody: 128 random bits that the broker gave after a proof.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub(crate) [u8; 16]);

impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// Somebody who has proven who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// What to show from now on.
    pub session: SessionId,
    /// The account.
    pub account: String,
    /// With what it was proven, where the scheme leaves a choice.
    pub mechanism: Option<Oid>,
    /// What access is decided with.
    pub token: Token,
}

/// Who somebody said to be, and with what it was to be proven, for the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The mechanism, once it was decided.
    pub mechanism: Option<Oid>,
    /// The name that the client gave.
    pub name: Option<String>,
}

/// How the gateway comes to what seals messages.
pub enum ContextForm {
    /// As octets to go on with.
    Exported(Zeroizing<Vec<u8>>),
    /// It stays with the broker.
    Kept {
        /// How it is asked for.
        number: u64,
        /// Whether it can seal.
        can_seal: bool,
        /// The most it seals at once.
        largest: Option<u64>,
    },
}

impl std::fmt::Debug for ContextForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Exported(_) => "Exported(…)",
            Self::Kept { .. } => "Kept",
        })
    }
}

/// Why the broker does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denied {
    /// What kind of reason it is.
    pub kind: Denial,
    /// A sentence for the one who asked.
    pub reason: String,
}

/// Why settings were not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unchanged {
    /// Somebody may not, or it went wrong.
    Denied(Denied),
    /// They are others than the change began with: these.
    Outdated(String),
}

/// Why mappings are not shown, or stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMapped {
    /// Somebody may not.
    Denied(Denied),
    /// Something is wrong with what is wanted, or with the mappings.
    Change(MappingChangeError),
}

/// What kinds of reasons there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The session may not, or there is none.
    Access,
    /// It went wrong.
    Failed,
}

impl Denied {
    /// A refusal.
    #[must_use]
    pub fn new(kind: Denial, reason: impl Into<String>) -> Self {
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
