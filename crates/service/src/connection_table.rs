//! Who is connected: a bounded number, of whom those who have not signed in give way to newcomers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

/// Every connection, and every request being answered.
///
/// Connections cost a socket each, so their number is fixed; whoever opens many without signing in displaces
/// mostly itself. What `MaxConnections` limits is requests being answered at the same time, as in Windows.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    strangers: Mutex<Strangers>,
    connections: watch::Sender<usize>,
    requests: AtomicUsize,
}

/// Connections on which nobody has signed in, the oldest first.
#[derive(Debug, Default)]
struct Strangers {
    waiting: BTreeMap<u64, Arc<Notify>>,
    next: u64,
}

/// One connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    number: u64,
    leave: Arc<Notify>,
}

/// One request being answered, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat<'c>(&'c Crowd);

impl Crowd {
    /// How many connections there may be: MaxConnections is at most 512, and some may be idle.
    pub(crate) const MOST: usize = 640;

    /// Takes a connection in; if there are too many, the oldest stranger has to leave for it.
    ///
    /// `None` means that all of them have signed in.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Place> {
        let mut strangers = self.strangers();
        if *self.connections.borrow() >= Self::MOST {
            let (_, oldest) = strangers.waiting.pop_first()?;
            oldest.notify_one();
        }
        let number = strangers.next;
        strangers.next += 1;
        let leave = Arc::new(Notify::new());
        strangers.waiting.insert(number, Arc::clone(&leave));
        self.connections.send_modify(|count| *count += 1);
        Some(Place { crowd: Arc::clone(self), number, leave })
    }

    /// Counts a request, unless `most` are being answered already.
    pub(crate) fn seat(&self, most: u32) -> Option<Seat<'_>> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let taken = self.requests.fetch_add(1, Ordering::AcqRel);
        let seat = Seat(self);
        (taken < most).then_some(seat)
    }

    /// Waits until nobody is connected.
    pub(crate) async fn gone(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.connections.subscribe().wait_for(|count| *count == 0).await;
    }

    fn strangers(&self) -> MutexGuard<'_, Strangers> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Somebody has signed in here: the connection has to give way to nobody.
    pub(crate) fn is_known(&self) {
        self.crowd.strangers().waiting.remove(&self.number);
    }

    /// Waits until the connection has to give way to a newcomer.
    pub(crate) async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.is_known();
        self.crowd.connections.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_stranger_gives_way_and_nobody_who_signed_in_does() {
        let crowd = Arc::new(Crowd::default());
        let mut places: Vec<_> = std::iter::from_fn(|| crowd.admit()).take(Crowd::MOST).collect();
        let known = places.remove(0);
        known.is_known();
        let newcomer = crowd.admit();
        assert!(newcomer.is_some());
        let second = places.remove(0);
        second.asked_to_leave().await;
        for place in places.iter().chain([&second]) {
            place.is_known();
        }
        newcomer.iter().for_each(Place::is_known);
        assert!(crowd.admit().is_none(), "someone who signed in was displaced");
    }

    #[test]
    fn no_more_requests_are_answered_than_may_be_and_ended_ones_do_not_count() {
        let crowd = Crowd::default();
        let first = crowd.seat(1);
        assert!(first.is_some());
        assert!(crowd.seat(1).is_none());
        drop(first);
        assert!(crowd.seat(1).is_some());
    }
}
