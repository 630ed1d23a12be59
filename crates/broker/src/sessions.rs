//! Who has signed in, as far as the broker itself has seen the proof.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use auth::Identity;
use limits::{Capacity, KeyedLimit, Permit};
use rustix::rand::{GetRandomFlags, getrandom};
use sddl::Token;

use crate::message::{Denial, Denied, SessionId, SignedIn};

/// Everyone who has signed in through one gateway.
#[derive(Default)]
pub(crate) struct Sessions {
    all: Mutex<HashMap<SessionId, Session>>,
    /// Sessions by account, so that one account cannot take those of the others.
    limit: KeyedLimit<String>,
}

struct Session {
    proven: Arc<Proven>,
    _counted: Permit<String>,
}

/// Somebody whose proof the broker has judged.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) identity: Identity,
    pub(crate) token: Token,
    /// Where it came from, as far as the gateway can be believed.
    pub(crate) from: IpAddr,
    /// When the account was last known to let in.
    pub(crate) judged: Instant,
}

impl Sessions {
    /// Keeps a proof. Returns `None` if the account or all accounts have too many sessions for this maximum number of
    /// open connections, or if there is no randomness.
    pub(crate) fn begin(
        &self,
        identity: Identity,
        token: Token,
        from: IpAddr,
        connections: usize,
    ) -> Option<SignedIn> {
        let mut octets = [0; 16];
        // Below 256 octets it is all or nothing (getrandom(2)).
        let filled = getrandom(&mut octets, GetRandomFlags::empty());
        if filled != Ok(octets.len()) {
            return None;
        }
        let account = identity.account().name.clone();
        let counted = self.limit.acquire(account, capacity(connections)).inspect_err(|error| {
            let account = identity.account().name.as_str();
            tracing::debug!(account, %error, "Too many sessions");
        });
        let counted = counted.ok()?;
        let session = SessionId(octets);
        let mechanism = identity.mechanism().cloned();
        let signed_in =
            SignedIn { session, account: identity.account().name.clone(), mechanism, token: token.clone() };
        let proven = Arc::new(Proven { identity, token, from, judged: Instant::now() });
        self.locked().insert(session, Session { proven, _counted: counted });
        Some(signed_in)
    }

    /// Whose session it is.
    pub(crate) fn find(&self, session: SessionId) -> Result<Arc<Proven>, Denied> {
        let found = self.locked().get(&session).map(|session| Arc::clone(&session.proven));
        found.ok_or_else(|| Denied::new(Denial::Access, "nobody has this session: sign in again"))
    }

    /// Notes that the account of a session still lets in, with what access is decided with now.
    pub(crate) fn renew(&self, session: SessionId, before: &Proven, token: Token) -> Arc<Proven> {
        let (identity, from) = (before.identity.clone(), before.from);
        let renewed = Arc::new(Proven { identity, token, from, judged: Instant::now() });
        if let Some(session) = self.locked().get_mut(&session) {
            session.proven = Arc::clone(&renewed);
        }
        renewed
    }

    pub(crate) fn end(&self, session: SessionId) {
        self.locked().remove(&session);
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns how many sessions there may be for a maximum number of open connections.
///
/// A connection has two sessions while one of them is renewed, and some sessions are remembered for a while. One account
/// has at most half of them all, which is enough for every connection.
fn capacity(connections: usize) -> Capacity {
    let total = connections.saturating_mul(4).max(LEAST_CAPACITY);
    Capacity { total, per_key: total / 2 }
}

/// Number of sessions that there may be however few connections the settings allow.
const LEAST_CAPACITY: usize = 4_096;
