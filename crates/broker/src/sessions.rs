//! Who has signed in, as far as the broker itself has seen the proof.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use auth::Identity;
use rustix::rand::{GetRandomFlags, getrandom};
use sddl::Token;

use crate::message::{Denial, Denied, SessionId, SignedIn};

/// Everyone who has signed in through one gateway.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<SessionId, Arc<Proven>>>);

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
    /// Keeps a proof; none if there are too many, or there is no randomness.
    pub(crate) fn begin(&self, identity: Identity, token: Token, from: IpAddr) -> Option<SignedIn> {
        let mut octets = [0; 16];
        // Below 256 octets it is all or nothing (getrandom(2)).
        let filled = getrandom(&mut octets, GetRandomFlags::empty());
        let mut all = self.locked();
        if filled != Ok(octets.len()) || all.len() >= MOST {
            return None;
        }
        let session = SessionId(octets);
        let mechanism = identity.mechanism().cloned();
        let signed_in =
            SignedIn { session, account: identity.account().name.clone(), mechanism, token: token.clone() };
        all.insert(session, Arc::new(Proven { identity, token, from, judged: Instant::now() }));
        Some(signed_in)
    }

    /// Whose session it is.
    pub(crate) fn find(&self, session: SessionId) -> Result<Arc<Proven>, Denied> {
        let found = self.locked().get(&session).cloned();
        found.ok_or_else(|| Denied::new(Denial::Access, "nobody has this session: sign in again"))
    }

    /// Notes that the account of a session still lets in, with what access is decided with now.
    pub(crate) fn renew(&self, session: SessionId, before: &Proven, token: Token) -> Arc<Proven> {
        let (identity, from) = (before.identity.clone(), before.from);
        let renewed = Arc::new(Proven { identity, token, from, judged: Instant::now() });
        if let Some(proven) = self.locked().get_mut(&session) {
            *proven = Arc::clone(&renewed);
        }
        renewed
    }

    pub(crate) fn end(&self, session: SessionId) {
        self.locked().remove(&session);
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Proven>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// More than a gateway has connections, together with those that are remembered for a while.
const MOST: usize = 4_096;
