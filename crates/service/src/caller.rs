//! The authenticated sender of a request.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use auth::{Account, Identity, Scheme};
use sddl::{Sid, Token};

use crate::audit;

/// An authenticated client: its identity, access token and address.
pub struct Caller {
    identity: Identity,
    token: Token,
    address: IpAddr,
    location: CallerLocation,
    session: Option<SessionHandle>,
}

/// Location of the client program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerLocation {
    /// On this machine, identified by the kernel.
    ThisMachine,
    /// On the network, even if the address is one of this machine.
    Network,
}

/// Opaque value that the program attaches to a successful sign-in, for example a session of the broker.
///
/// It is dropped with the last [`Caller`] of that sign-in. The service does not interpret it.
pub type SessionHandle = Arc<dyn Any + Send + Sync>;

/// Maps accounts to SIDs and access tokens.
pub trait Principals: Send + Sync {
    /// Returns the token of an account, or `None` if the account no longer exists.
    fn token(&self, account: &Account) -> Option<Token>;

    /// Returns the token of an authenticated identity.
    ///
    /// Some schemes add SIDs to those of the account: INTERACTIVE for a program of this machine, and the SIDs of
    /// NTLM and certificate authentication.
    fn token_of(&self, identity: &Identity) -> Option<Token> {
        self.token(identity.account())
    }

    /// Returns the value to keep as long as a [`Caller`] of this sign-in exists, if any.
    fn session_handle(&self, identity: &Identity) -> Option<SessionHandle> {
        let _ = identity;
        None
    }

    /// Returns the SID of a user or group of this machine, for security descriptors that contain names.
    fn sid_of(&self, _name: &str) -> Option<Sid> {
        None
    }

    /// Returns the name of the user or group of this machine with this SID.
    fn name_of(&self, _sid: Sid) -> Option<String> {
        None
    }
}

impl Caller {
    /// Creates the caller of an [`Identity`], which only authentication can create.
    #[must_use]
    pub fn new(identity: Identity, token: Token, address: IpAddr) -> Self {
        let location = match identity.scheme() {
            Scheme::Local => CallerLocation::ThisMachine,
            _ => CallerLocation::Network,
        };
        Self { identity, token, address, location, session: None }
    }

    /// Sets the location, in a process whose callers another process has authenticated.
    #[must_use]
    pub fn with_location(self, location: CallerLocation) -> Self {
        Self { location, ..self }
    }

    /// Sets the value that the program keeps for this sign-in.
    #[must_use]
    pub fn with_session(self, session: Option<SessionHandle>) -> Self {
        Self { session, ..self }
    }

    /// Returns the value that the program keeps for this sign-in.
    #[must_use]
    pub fn session(&self) -> Option<&SessionHandle> {
        self.session.as_ref()
    }

    /// Returns the authenticated identity.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the user's SID, which owns everything the caller creates.
    #[must_use]
    pub fn sid(&self) -> Sid {
        self.token.user()
    }

    /// Returns the access token: the user with all groups.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Returns whether the request came from this machine or over the network.
    #[must_use]
    pub fn location(&self) -> CallerLocation {
        self.location
    }

    /// Returns the address of the client.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns the fields that identify the caller in audit records.
    pub(crate) fn audit_subject(&self) -> audit::Subject<'_> {
        audit::Subject { identity: &self.identity, sid: self.sid(), address: self.address }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity, token, address, .. } = self;
        f.debug_struct("Caller")
            .field("identity", identity)
            .field("token", token)
            .field("address", address)
            .finish_non_exhaustive()
    }
}
