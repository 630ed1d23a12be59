//! Sessions of users whose proof of identity the broker has verified.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use auth::Identity;
use limits::{Capacity, KeyedLimit, Permit};
use locks::Mutex;
use rustix::rand::{GetRandomFlags, getrandom};
use sddl::Token;

use crate::message::{DenialKind, Denied, SessionId, SignedIn};

/// All sessions of one gateway.
#[derive(Default)]
pub(crate) struct Sessions {
    all: Mutex<HashMap<SessionId, Session>>,
    /// Counts sessions per account, so that one account cannot exhaust the limit of all.
    limit: KeyedLimit<String>,
}

struct Session {
    user: Arc<VerifiedUser>,
    _counted: Permit<String>,
}

/// A user whose proof of identity the broker has verified.
#[derive(Debug)]
pub(crate) struct VerifiedUser {
    pub(crate) identity: Identity,
    pub(crate) token: Token,
    /// Source address as claimed by the gateway.
    pub(crate) source: IpAddr,
    /// Time of the last verification of the account.
    pub(crate) verified_at: Instant,
}

impl Sessions {
    /// Stores a new session. Returns `None` if the account or all accounts together have too many sessions for this
    /// maximum number of open connections, or if the kernel provides no random bytes.
    pub(crate) fn begin(
        &self,
        identity: Identity,
        token: Token,
        source: IpAddr,
        connections: usize,
    ) -> Option<SignedIn> {
        let mut octets = [0; 16];
        // The kernel returns requests below 256 bytes whole or not at all (getrandom(2)).
        let filled = getrandom(&mut octets, GetRandomFlags::empty());
        if filled != Ok(octets.len()) {
            return None;
        }
        let account = identity.account().name.clone();
        let counted = self.limit.acquire(account, capacity(connections)).inspect_err(|error| {
            let account = identity.account().name.as_str();
            tracing::debug!(account, %error, "Session refused: too many sessions");
        });
        let counted = counted.ok()?;
        let session = SessionId(octets);
        let mechanism = identity.mechanism().cloned();
        let signed_in =
            SignedIn { session, account: identity.account().name.clone(), mechanism, token: token.clone() };
        let user = Arc::new(VerifiedUser { identity, token, source, verified_at: Instant::now() });
        self.all.lock().insert(session, Session { user, _counted: counted });
        Some(signed_in)
    }

    /// Returns the user of a session.
    pub(crate) fn find(&self, session: SessionId) -> Result<Arc<VerifiedUser>, Denied> {
        let found = self.all.lock().get(&session).map(|session| Arc::clone(&session.user));
        found.ok_or_else(|| Denied::new(DenialKind::Access, "unknown session; sign in again"))
    }

    /// Records that the account of a session was verified again, with its current access token.
    pub(crate) fn renew(
        &self,
        session: SessionId,
        previous: &VerifiedUser,
        token: Token,
    ) -> Arc<VerifiedUser> {
        let (identity, source) = (previous.identity.clone(), previous.source);
        let renewed = Arc::new(VerifiedUser { identity, token, source, verified_at: Instant::now() });
        if let Some(session) = self.all.lock().get_mut(&session) {
            session.user = Arc::clone(&renewed);
        }
        renewed
    }

    pub(crate) fn end(&self, session: SessionId) {
        self.all.lock().remove(&session);
    }
}

/// Returns the limits on sessions for a maximum number of open connections.
///
/// A connection has two sessions during a renewal, and some sessions stay in the gateway's cache. One account may use
/// half of the total, which is enough for every connection.
fn capacity(connections: usize) -> Capacity {
    let total = connections.saturating_mul(4).max(MIN_CAPACITY);
    Capacity { total, per_key: total / 2 }
}

/// Minimum of the limit on sessions, for settings that allow few connections.
const MIN_CAPACITY: usize = 4_096;
