//! Bounded queue of events for a consumer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cim::Instance;
use tokio::sync::mpsc;

/// Sending end of the queue.
pub(crate) struct Sender {
    events: mpsc::Sender<Instance>,
    octets: Arc<AtomicUsize>,
    max_octets: usize,
}

/// Receiving end of the queue.
pub(crate) struct Receiver {
    events: mpsc::Receiver<Instance>,
    octets: Arc<AtomicUsize>,
}

/// Error: the queue is full.
#[derive(Debug)]
pub(crate) struct QueueFull {
    pub(crate) event: Instance,
    /// Size of the queued events in bytes.
    pub(crate) octets: usize,
}

/// Creates a queue with a maximum number of events and a maximum size in bytes; a single event of any size is
/// always accepted.
pub(crate) fn queue(most: usize, max_octets: usize) -> (Sender, Receiver) {
    let (sender, events) = mpsc::channel(most);
    let octets = Arc::<AtomicUsize>::default();
    (Sender { events: sender, octets: Arc::clone(&octets), max_octets }, Receiver { events, octets })
}

impl Sender {
    /// Adds an event, without blocking.
    pub(crate) fn send(&self, event: Instance) -> Result<(), QueueFull> {
        let (own, octets) = (event.octets(), self.octets.load(Ordering::Relaxed));
        if octets > 0 && octets.saturating_add(own) > self.max_octets {
            return Err(QueueFull { event, octets });
        }
        // The receiver subtracts the size again.
        self.octets.fetch_add(own, Ordering::Relaxed);
        self.events.try_send(event).map_err(|error| {
            self.octets.fetch_sub(own, Ordering::Relaxed);
            QueueFull { event: error.into_inner(), octets }
        })
    }
}

impl Receiver {
    /// Returns the next event; `None` when all senders are gone.
    pub(crate) async fn next(&mut self) -> Option<Instance> {
        let event = self.events.recv().await?;
        self.octets.fetch_sub(event.octets(), Ordering::Relaxed);
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use cim::{Namespace, Schema};

    use super::*;

    fn event(length: usize) -> Instance {
        let class = Schema::of(Namespace::cimv2()).class("__TimerEvent").expect("a class of the system");
        Instance::new(class).with("TimerId", "x".repeat(length)).expect("a property")
    }

    #[tokio::test]
    async fn a_full_queue_returns_the_event_and_its_size() {
        let (sender, mut receiver) = queue(3, 2 * event(1_000).octets());
        sender.send(event(1_000)).expect("room");
        sender.send(event(999)).expect("room");
        let full = sender.send(event(1_000)).expect_err("too many bytes");
        assert_eq!((full.octets, full.event), (2 * event(1_000).octets() - 1, event(1_000)));
        assert_eq!(receiver.next().await, Some(event(1_000)));
        sender.send(event(1)).expect("room");
        sender.send(event(1)).expect("room");
        assert_eq!(
            sender.send(event(1)).expect_err("too many").octets,
            event(999).octets() + 2 * event(1).octets()
        );
        for length in [999, 1, 1] {
            assert_eq!(receiver.next().await, Some(event(length)));
        }
        sender.send(event(1_000_000)).expect("a single event is always accepted");
        assert!(sender.send(event(1)).is_err());
        drop(sender);
        assert_eq!((receiver.next().await, receiver.next().await), (Some(event(1_000_000)), None));
    }
}
