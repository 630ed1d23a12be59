//! Row queue between the thread that produces rows and the consumer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cim::{Instance, Name, Status};
use locks::{Condvar, Mutex};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::omission::{OMISSIONS_AHEAD, Omission, OmissionLog};
use crate::{Error, ProviderError};

/// Rows of a query. Dropping it stops the search.
#[derive(Debug)]
pub struct Rows {
    queue: Arc<Queue>,
    /// Rows that were taken from the queue together, because each access to it may wait for the producer.
    taken: VecDeque<Result<Instance, Error>>,
    patience: Duration,
    /// Queried class, for errors.
    class: Name,
}

impl Rows {
    /// Runs `search` on a separate thread and returns its rows. At most `ahead`, but at least two, wait to be returned:
    /// half of them in the queue, the other half already taken from it.
    pub(crate) fn spawn(
        search: impl FnOnce(&RowSender) + Send + 'static,
        ahead: usize,
        patience: Duration,
        class: Name,
        log: Arc<OmissionLog>,
    ) -> Self {
        let queue = Arc::new(Queue { most: ahead.div_ceil(2).max(1), ..Queue::default() });
        let sender = RowSender { queue: Arc::clone(&queue), log };
        // The queue signals the end together with the last row, so the consumer is not woken twice.
        drop(tokio::task::spawn_blocking(move || {
            search(&sender);
            sender.end(End::Complete);
        }));
        Self { queue, taken: VecDeque::new(), patience, class }
    }

    /// Returns the next row, or `None` at the end. After an error there are no further rows.
    ///
    /// Cancel-safe: no row is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Result<Instance, Error>> {
        let next = match self.taken.pop_front() {
            Some(row) => Next::Row(row),
            None => match self.queue.take(self.queue.most.div_ceil(2), &mut self.taken) {
                Some(next) => next,
                None => match timeout(self.patience, self.queue.wait(&mut self.taken)).await {
                    Ok(next) => next,
                    Err(_) => Next::Row(Err(Error::TimedOut(self.class.clone()))),
                },
            },
        };
        let row = match next {
            Next::Row(row) => row,
            Next::End(End::Complete) => return None,
            // The search ended without signalling that it was complete.
            Next::End(End::Panicked) => {
                let panicked = ProviderError::failed(Status::ProviderFailure, "the provider panicked");
                Err(panicked.of(&self.class))
            }
        };
        if row.is_err() {
            // Rows found before the error are dropped.
            self.queue.close();
        }
        Some(row)
    }

    /// Returns the classes whose rows are missing so far, because their source failed. They are complete after the last
    /// row; each is returned once.
    pub fn take_omissions(&mut self) -> Vec<Omission> {
        std::mem::take(&mut self.queue.state.lock().omissions)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Sender of rows for a search. Dropping it before the search has signalled its end means that the search
/// panicked.
#[derive(Debug)]
pub(crate) struct RowSender {
    queue: Arc<Queue>,
    log: Arc<OmissionLog>,
}

impl RowSender {
    /// Sends a row; blocks while the queue is full. Returns `false` once the consumer has stopped reading.
    pub(crate) fn send(&self, row: Result<Instance, Error>) -> bool {
        self.queue.put(row)
    }

    /// Reports classes whose rows are missing.
    pub(crate) fn omit(&self, omissions: Vec<Omission>) {
        omissions.iter().for_each(|omission| self.log.record(omission));
        let mut state = self.queue.state.lock();
        let room = OMISSIONS_AHEAD.saturating_sub(state.omissions.len());
        state.omissions.extend(omissions.into_iter().take(room));
    }

    /// Returns whether the consumer has stopped reading.
    pub(crate) fn is_closed(&self) -> bool {
        self.queue.state.lock().is_closed
    }

    fn end(&self, end: End) {
        let mut state = self.queue.state.lock();
        if state.end.is_none() {
            state.end = Some(end);
            drop(state);
            self.queue.found.notify_one();
        }
    }
}

impl Drop for RowSender {
    fn drop(&mut self) {
        self.end(End::Panicked);
    }
}

/// Queue of rows.
///
/// Waking a thread takes longer than finding a row, so neither side wakes the other for a single row. The
/// consumer is woken when the queue is half full, or checks by itself after [`A_MOMENT`]. It takes all rows at once,
/// and then wakes the producer if that is blocked on the full queue.
#[derive(Debug, Default)]
struct Queue {
    /// Maximum number of queued rows.
    most: usize,
    state: Mutex<State>,
    /// Signalled when as many rows are queued as the consumer waits for, or the search has ended.
    found: Notify,
    /// Signalled when there is space again.
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rows: VecDeque<Result<Instance, Error>>,
    /// Number of rows that the consumer waits for.
    awaited: Option<usize>,
    /// Whether the producer waits for space.
    is_full: bool,
    /// End of the search; `None` while it runs.
    end: Option<End>,
    /// Whether the consumer has stopped reading.
    is_closed: bool,
    /// Classes whose rows are missing.
    omissions: Vec<Omission>,
}

/// Result of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Panicked,
}

/// Next item for the consumer.
#[derive(Debug)]
enum Next {
    Row(Result<Instance, Error>),
    End(End),
}

impl Queue {
    fn put(&self, row: Result<Instance, Error>) -> bool {
        let mut state = self.state.lock();
        while state.rows.len() >= self.most && !state.is_closed {
            state.is_full = true;
            state = self.room.wait(state);
        }
        if state.is_closed {
            return false;
        }
        state.rows.push_back(row);
        if state.awaited.is_some_and(|awaited| state.rows.len() >= awaited) {
            state.awaited = None;
            drop(state);
            self.found.notify_one();
        }
        true
    }

    /// Returns the next item if there is one, and moves the rows after it to `taken`, which must be empty. Otherwise it
    /// requests a notification once `enough` rows are queued.
    fn take(&self, enough: usize, taken: &mut VecDeque<Result<Instance, Error>>) -> Option<Next> {
        let mut state = self.state.lock();
        std::mem::swap(&mut state.rows, taken);
        let row = taken.pop_front();
        if state.is_full {
            state.is_full = false;
            self.room.notify_one();
        }
        let end = if state.is_closed { Some(End::Complete) } else { state.end };
        let next = row.map(Next::Row).or(end.map(Next::End));
        state.awaited = next.is_none().then_some(enough);
        next
    }

    /// Waits for the next item, after [`Queue::take`] returned `None`.
    async fn wait(&self, taken: &mut VecDeque<Result<Instance, Error>>) -> Next {
        // After the timeout or notification, all queued rows are taken.
        let _ = timeout(A_MOMENT, self.found.notified()).await;
        loop {
            if let Some(next) = self.take(1, taken) {
                return next;
            }
            self.found.notified().await;
        }
    }

    /// Drops queued rows, and unblocks the producer.
    fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let rows = std::mem::take(&mut state.rows);
        drop(state);
        self.room.notify_one();
        drop(rows);
    }
}

/// Time after which the consumer checks for rows by itself: short for people, and long enough to find many
/// rows.
const A_MOMENT: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(most: usize) -> Queue {
        Queue { most, ..Queue::default() }
    }

    fn row() -> Result<Instance, Error> {
        Err(Error::NotRows("any"))
    }

    #[tokio::test]
    async fn the_consumer_is_woken_for_several_rows_but_not_for_one() {
        let (queue, mut taken) = (queue(4), VecDeque::new());
        assert!(queue.take(2, &mut taken).is_none() && queue.put(row()));
        assert!(timeout(Duration::ZERO, queue.found.notified()).await.is_err(), "one row woke the consumer");
        assert!(matches!(queue.wait(&mut taken).await, Next::Row(_)));
        assert!(queue.take(2, &mut taken).is_none() && queue.put(row()) && queue.put(row()));
        assert!(
            timeout(Duration::ZERO, queue.found.notified()).await.is_ok(),
            "two rows did not wake the consumer"
        );
    }

    #[tokio::test]
    async fn a_late_row_is_delivered_immediately() {
        let (queue, mut taken) = (queue(64), VecDeque::new());
        assert!(queue.take(32, &mut taken).is_none());
        let (next, ()) = tokio::join!(queue.wait(&mut taken), async {
            // Until the queue expects only one row at a time.
            while queue.state.lock().awaited != Some(1) {
                tokio::task::yield_now().await;
            }
            assert!(queue.put(row()));
        });
        assert!(matches!(next, Next::Row(_)));
    }

    #[test]
    fn a_blocked_producer_continues_when_the_rows_are_taken_or_at_the_end() {
        let (queue, mut taken) = (queue(4), VecDeque::new());
        std::thread::scope(|scope| {
            let putting = scope.spawn(|| (0..).take_while(|_| queue.put(row())).count());
            let until_full = || {
                while !queue.state.lock().is_full {
                    std::thread::yield_now();
                }
            };
            until_full();
            assert!(matches!(queue.take(1, &mut taken), Some(Next::Row(_))));
            assert_eq!(taken.len(), 3);
            until_full();
            assert_eq!(queue.state.lock().rows.len(), 4);
            queue.close();
            assert_eq!(putting.join().ok(), Some(8));
        });
    }

    #[tokio::test]
    async fn rows_keep_their_order_and_all_arrive() {
        for ahead in [1, 2, 7, 64] {
            let search = |sender: &RowSender| {
                for number in 0..200_u32 {
                    let name = Name::parse(&format!("row_{number}")).unwrap();
                    assert!(sender.send(Err(Error::TimedOut(name))));
                }
            };
            let queue = Arc::new(Queue { most: ahead, ..Queue::default() });
            let sender = RowSender { queue: Arc::clone(&queue), log: Arc::default() };
            let producer = std::thread::spawn(move || {
                search(&sender);
                sender.end(End::Complete);
            });
            let mut taken = VecDeque::new();
            let mut numbers = Vec::new();
            loop {
                let next = match taken.pop_front() {
                    Some(row) => Next::Row(row),
                    None => queue.wait(&mut taken).await,
                };
                match next {
                    Next::Row(Err(Error::TimedOut(name))) => numbers.push(name.to_string()),
                    Next::Row(_) => unreachable!(),
                    Next::End(end) => break assert_eq!(end, End::Complete),
                }
            }
            producer.join().unwrap();
            let expected: Vec<String> = (0..200).map(|number| format!("row_{number}")).collect();
            assert_eq!(numbers, expected, "{ahead}");
        }
    }
}
