//! Bounded queue of events.

use std::collections::VecDeque;

use cim::Instance;
use locks::Mutex;
use tokio::sync::Notify;

use super::Occurrence;
use crate::omission::OMISSIONS_AHEAD;
use crate::{Error, Omission};

/// Queue between event sources and the consumer. Adding an event never blocks.
pub(super) struct Queue {
    most: usize,
    most_octets: usize,
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Occurrence>,
    /// Approximate size of the queued events in bytes.
    octets: usize,
    /// Omitted classes that the consumer does not know of.
    omissions: VecDeque<Omission>,
    end: Option<End>,
}

enum End {
    Over,
    Failed(Error),
}

impl Queue {
    /// Creates a queue with a maximum number of events and a maximum size in bytes; a single event of any
    /// size is always accepted.
    pub(super) fn new(most: usize, most_octets: usize) -> Self {
        Self { most: most.max(1), most_octets, waiting: Mutex::default(), more: Notify::new() }
    }

    /// Adds an event, or counts it as dropped if the queue is full.
    pub(super) fn push(&self, event: Instance) {
        let octets = event.octets();
        let mut waiting = self.waiting.lock();
        let is_room = waiting.octets.saturating_add(octets) <= self.most_octets || waiting.octets == 0;
        if waiting.events.len() < self.most && is_room {
            waiting.octets = waiting.octets.saturating_add(octets);
            waiting.events.push_back(Occurrence::Event(event));
        } else {
            waiting.drop_one();
        }
        drop(waiting);
        self.more.notify_one();
    }

    /// Counts an event that was dropped before it reached the queue.
    pub(super) fn push_dropped(&self) {
        self.waiting.lock().drop_one();
        self.more.notify_one();
    }

    /// Adds an omitted class.
    pub(super) fn push_omission(&self, omission: Omission) {
        let mut waiting = self.waiting.lock();
        if waiting.omissions.len() < OMISSIONS_AHEAD {
            waiting.omissions.push_back(omission);
        }
        drop(waiting);
        self.more.notify_one();
    }

    /// Ends the queue; the first reason is kept.
    pub(super) fn end(&self, error: Option<Error>) {
        let end = error.map_or(End::Over, End::Failed);
        self.waiting.lock().end.get_or_insert(end);
        self.more.notify_one();
    }

    pub(super) async fn next(&self) -> Option<Result<Occurrence, Error>> {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.more.notified().await;
        }
    }

    /// Returns the next item; the outer `None` means that there is nothing yet.
    #[allow(clippy::option_option)] // Outer: nothing yet. Inner: ended.
    fn take(&self) -> Option<Option<Result<Occurrence, Error>>> {
        let mut waiting = self.waiting.lock();
        if let Some(omission) = waiting.omissions.pop_front() {
            return Some(Some(Ok(Occurrence::Omitted(omission))));
        }
        if let Some(event) = waiting.events.pop_front() {
            if let Occurrence::Event(event) = &event {
                waiting.octets = waiting.octets.saturating_sub(event.octets());
            }
            return Some(Some(Ok(event)));
        }
        match waiting.end.take()? {
            End::Over => {
                waiting.end = Some(End::Over);
                Some(None)
            }
            End::Failed(error) => {
                waiting.end = Some(End::Over);
                Some(Some(Err(error)))
            }
        }
    }
}

impl Waiting {
    /// Counts a dropped event. The count takes the position of the dropped events and occupies at most one
    /// entry.
    fn drop_one(&mut self) {
        match self.events.back_mut() {
            Some(Occurrence::Dropped(count)) => *count = count.saturating_add(1),
            _ => self.events.push_back(Occurrence::Dropped(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use cim::{Namespace, Schema};

    use super::*;

    fn event() -> Instance {
        let class = Schema::of(Namespace::cimv2()).class("__TimerEvent").expect("a class of the system");
        Instance::new(class)
    }

    #[tokio::test]
    async fn dropped_events_are_counted_at_their_position() {
        let queue = Queue::new(2, 1 << 20);
        (0..5).for_each(|_| queue.push(event()));
        let next = async || queue.next().await.expect("not the end").expect("no error");
        assert_eq!(next().await, Occurrence::Event(event()));
        queue.push(event());
        assert_eq!(next().await, Occurrence::Event(event()));
        assert_eq!(next().await, Occurrence::Dropped(4));
        queue.push(event());
        assert_eq!(next().await, Occurrence::Event(event()));
    }

    #[tokio::test]
    async fn events_beyond_the_memory_limit_are_dropped() {
        let large = || event().with("TimerId", "x".repeat(1_000)).expect("a property");
        let queue = Queue::new(1_000, 2 * large().octets());
        (0..5).for_each(|_| queue.push(large()));
        let next = async || queue.next().await.expect("not the end").expect("no error");
        assert_eq!(next().await, Occurrence::Event(large()));
        queue.push(large());
        assert_eq!(next().await, Occurrence::Event(large()));
        assert_eq!(next().await, Occurrence::Dropped(3));
        assert_eq!(next().await, Occurrence::Event(large()));
        // A single event is never too large.
        let queue = Queue::new(1_000, 1);
        queue.push(large());
        queue.push(event());
        assert!(matches!(queue.next().await, Some(Ok(Occurrence::Event(_)))));
        assert!(matches!(queue.next().await, Some(Ok(Occurrence::Dropped(1)))));
    }

    #[tokio::test]
    async fn the_first_end_reason_is_returned_once_after_the_events() {
        let queue = Queue::new(2, 1 << 20);
        queue.push(event());
        queue.end(Some(Error::TooBusy(1)));
        queue.end(None);
        assert!(matches!(queue.next().await, Some(Ok(Occurrence::Event(_)))));
        assert!(matches!(queue.next().await, Some(Err(Error::TooBusy(1)))));
        assert!(queue.next().await.is_none());
        assert!(queue.next().await.is_none());
    }
}
