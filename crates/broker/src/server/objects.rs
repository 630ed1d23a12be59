//! Objects that the broker holds for the gateway between two requests.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use auth::{Account, Handshake, Holder, SecurityContext};
use locks::Mutex;

/// Handshakes, security contexts and certificate holders, each with a unique handle.
#[derive(Default)]
pub(super) struct ObjectTable {
    last_handle: u64,
    handshakes: HashMap<u64, (Handshake, Instant)>,
    contexts: HashMap<u64, Box<dyn SecurityContext>>,
    holders: HashMap<u64, (IpAddr, SharedHolder)>,
}

/// A holder behind its own lock, because resolving its account may take long.
pub(super) type SharedHolder = Arc<Mutex<HolderEntry>>;

/// A certificate holder and its source address.
pub(super) struct HolderEntry {
    pub(super) holder: Box<dyn Holder>,
    pub(super) source: IpAddr,
    /// Account of the most recent session.
    pub(super) account: Option<Account>,
}

impl ObjectTable {
    fn next(&mut self) -> u64 {
        self.last_handle = self.last_handle.wrapping_add(1);
        self.last_handle
    }

    pub(super) fn insert_handshake(&mut self, handshake: Handshake, until: Instant) -> Option<u64> {
        if self.handshakes.len() >= MAX_OBJECTS {
            let now = Instant::now();
            self.handshakes.retain(|_, (_, until)| *until > now);
        }
        if self.handshakes.len() >= MAX_OBJECTS {
            return None;
        }
        let handle = self.next();
        self.handshakes.insert(handle, (handshake, until));
        Some(handle)
    }

    pub(super) fn take_handshake(&mut self, handle: u64) -> Option<(Handshake, Instant)> {
        self.handshakes.remove(&handle).filter(|(_, until)| *until > Instant::now())
    }

    pub(super) fn insert_context(&mut self, context: Box<dyn SecurityContext>) -> Option<u64> {
        if self.contexts.len() >= MAX_OBJECTS {
            return None;
        }
        let handle = self.next();
        self.contexts.insert(handle, context);
        Some(handle)
    }

    pub(super) fn context(&mut self, handle: u64) -> Option<&mut Box<dyn SecurityContext>> {
        self.contexts.get_mut(&handle)
    }

    /// Stores the holder of a verified certificate. Returns `None` if there are too many.
    pub(super) fn insert_holder(&mut self, held: HolderEntry) -> Option<u64> {
        if self.holders.len() >= MAX_OBJECTS {
            return None;
        }
        let handle = self.next();
        self.holders.insert(handle, (held.source, Arc::new(Mutex::new(held))));
        Some(handle)
    }

    pub(super) fn holder(&self, handle: u64) -> Option<SharedHolder> {
        self.holders.get(&handle).map(|(_, holder)| Arc::clone(holder))
    }

    /// Returns the source address of a handshake or certificate holder.
    pub(super) fn address(&self, handle: u64) -> Option<IpAddr> {
        let handshake = self.handshakes.get(&handle).map(|(handshake, _)| handshake.address());
        handshake.or_else(|| self.holders.get(&handle).map(|(source, _)| *source))
    }

    /// Drops the object with this handle.
    pub(super) fn release(&mut self, handle: u64) {
        self.handshakes.remove(&handle);
        self.contexts.remove(&handle);
        self.holders.remove(&handle);
    }
}

/// Maximum number of objects of each kind, above the gateway's maximum number of connections.
const MAX_OBJECTS: usize = 1_024;
