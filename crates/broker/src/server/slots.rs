//! Limits on the number and total size of the gateway's pending requests.

use std::sync::Arc;

use locks::Mutex;

/// Counts pending requests and their bytes.
#[derive(Clone, Default)]
pub(super) struct RequestSlots(Arc<Mutex<InWork>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct InWork {
    requests: usize,
    octets: usize,
}

/// A pending request. Dropping it frees the slot, also while a panic unwinds.
pub(super) struct RequestSlot {
    slots: RequestSlots,
    octets: usize,
}

impl RequestSlots {
    /// Reserves a slot; `None` if `most` requests are pending, or the total size would exceed the limit.
    pub(super) fn take(&self, most: usize, octets: usize) -> Option<RequestSlot> {
        let mut now = self.0.lock();
        let total = now.octets.saturating_add(octets);
        if now.requests >= most || total > MAX_OCTETS {
            return None;
        }
        *now = InWork { requests: now.requests + 1, octets: total };
        drop(now);
        Some(RequestSlot { slots: self.clone(), octets })
    }
}

impl Drop for RequestSlot {
    fn drop(&mut self) {
        let mut now = self.slots.0.lock();
        now.requests = now.requests.saturating_sub(1);
        now.octets = now.octets.saturating_sub(self.octets);
    }
}

/// Maximum total size of pending requests in bytes: room for 256 typical tokens and several changes of settings.
const MAX_OCTETS: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_freed_when_dropped_and_after_a_panic() {
        let slots = RequestSlots::default();
        let one = slots.take(2, 10).unwrap();
        let other = slots.clone();
        let panicked = std::thread::spawn(move || {
            let _slot = other.take(2, MAX_OCTETS - 10).unwrap();
            assert!(other.take(9, 1).is_none(), "too many octets");
            assert!(other.take(2, 0).is_none(), "too many requests");
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.join().is_err());
        assert_eq!(*slots.0.lock(), InWork { requests: 1, octets: 10 });
        drop(one);
        assert_eq!(*slots.0.lock(), InWork::default());
    }
}
