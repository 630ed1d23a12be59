//! What is between two questions.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use auth::{Account, Handshake, Holder, SecurityContext};

/// Sign-ins that are under way, what seals messages, and holders of certificates, each by a number of its own.
#[derive(Default)]
pub(super) struct Kept {
    last: u64,
    handshakes: HashMap<u64, (Handshake, Instant)>,
    contexts: HashMap<u64, Box<dyn SecurityContext>>,
    holders: HashMap<u64, (IpAddr, SharedHolder)>,
}

/// To judge one may take long, and the others must not wait for it.
pub(super) type SharedHolder = Arc<Mutex<Held>>;

/// A holder, and where it is.
pub(super) struct Held {
    pub(super) holder: Box<dyn Holder>,
    pub(super) from: IpAddr,
    /// Whose account it had the last time.
    pub(super) account: Option<Account>,
}

impl Kept {
    fn next(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    pub(super) fn keep_handshake(&mut self, handshake: Handshake, until: Instant) -> Option<u64> {
        if self.handshakes.len() >= MOST_KEPT {
            let now = Instant::now();
            self.handshakes.retain(|_, (_, until)| *until > now);
        }
        if self.handshakes.len() >= MOST_KEPT {
            return None;
        }
        let number = self.next();
        self.handshakes.insert(number, (handshake, until));
        Some(number)
    }

    pub(super) fn take_handshake(&mut self, number: u64) -> Option<(Handshake, Instant)> {
        self.handshakes.remove(&number).filter(|(_, until)| *until > Instant::now())
    }

    pub(super) fn keep_context(&mut self, context: Box<dyn SecurityContext>) -> Option<u64> {
        if self.contexts.len() >= MOST_KEPT {
            return None;
        }
        let number = self.next();
        self.contexts.insert(number, context);
        Some(number)
    }

    pub(super) fn context(&mut self, number: u64) -> Option<&mut Box<dyn SecurityContext>> {
        self.contexts.get_mut(&number)
    }

    /// Keeps somebody who has proven to have the key of a certificate.
    pub(super) fn keep_holder(&mut self, held: Held) -> Option<u64> {
        if self.holders.len() >= MOST_KEPT {
            return None;
        }
        let number = self.next();
        self.holders.insert(number, (held.from, Arc::new(Mutex::new(held))));
        Some(number)
    }

    pub(super) fn holder(&self, number: u64) -> Option<SharedHolder> {
        self.holders.get(&number).map(|(_, holder)| Arc::clone(holder))
    }

    /// Returns the source address of a sign-in that is under way, or of the holder of a certificate.
    pub(super) fn address(&self, number: u64) -> Option<IpAddr> {
        let handshake = self.handshakes.get(&number).map(|(handshake, _)| handshake.address());
        handshake.or_else(|| self.holders.get(&number).map(|(from, _)| *from))
    }

    /// Whatever has the number: a sign-in, what seals messages, or a holder.
    pub(super) fn forget(&mut self, number: u64) {
        self.handshakes.remove(&number);
        self.contexts.remove(&number);
        self.holders.remove(&number);
    }
}

/// A gateway has no more connections than these.
const MOST_KEPT: usize = 1_024;
