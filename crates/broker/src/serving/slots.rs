//! Requests of the gateway that are being answered: their number and their size are bounded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts requests in work and their octets.
#[derive(Clone, Default)]
pub(super) struct RequestSlots(Arc<Mutex<InWork>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct InWork {
    requests: usize,
    octets: usize,
}

/// One request in work. Dropping it gives the slot back, also when a panic unwinds.
pub(super) struct RequestSlot {
    slots: RequestSlots,
    octets: usize,
}

impl RequestSlots {
    /// Takes a slot for a request of a size, unless as many as `most` requests, or too many octets, are in work.
    pub(super) fn take(&self, most: usize, octets: usize) -> Option<RequestSlot> {
        let mut now = self.lock();
        let total = now.octets.saturating_add(octets);
        if now.requests >= most || total > MOST_OCTETS {
            return None;
        }
        *now = InWork { requests: now.requests + 1, octets: total };
        drop(now);
        Some(RequestSlot { slots: self.clone(), octets })
    }

    fn lock(&self) -> MutexGuard<'_, InWork> {
        // The counts are whole even if a panic unwound through the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RequestSlot {
    fn drop(&mut self) {
        let mut now = self.slots.lock();
        now.requests = now.requests.saturating_sub(1);
        now.octets = now.octets.saturating_sub(self.octets);
    }
}

/// Maximum size of all requests in work: room for 256 tokens of the usual size and for some changes of settings.
const MOST_OCTETS: usize = 32 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_back_also_after_a_panic() {
        let slots = RequestSlots::default();
        let one = slots.take(2, 10).unwrap();
        let other = slots.clone();
        let panicked = std::thread::spawn(move || {
            let _slot = other.take(2, MOST_OCTETS - 10).unwrap();
            assert!(other.take(9, 1).is_none(), "too many octets");
            assert!(other.take(2, 0).is_none(), "too many requests");
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.join().is_err());
        assert_eq!(*slots.lock(), InWork { requests: 1, octets: 10 });
        drop(one);
        assert_eq!(*slots.lock(), InWork::default());
    }
}
