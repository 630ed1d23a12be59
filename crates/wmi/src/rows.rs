//! Rows on their way from the thread that finds them to whoever has asked for them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cim::{Instance, Name, Status};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::{Error, ProviderError};

/// Rows, as they come. Dropping it ends the search for more.
#[derive(Debug)]
pub struct Rows {
    queue: Arc<Queue>,
    patience: Duration,
    /// The class that was asked for, for errors.
    class: Name,
}

impl Rows {
    /// The rows that `search` finds on a thread of its own, of which no more than `ahead` wait to be taken.
    pub(crate) fn found_by(
        search: impl FnOnce(&Finder) + Send + 'static,
        ahead: usize,
        patience: Duration,
        class: Name,
    ) -> Self {
        let queue = Arc::new(Queue { most: ahead.max(1), ..Queue::default() });
        let finder = Finder(Arc::clone(&queue));
        // The queue tells how it ends, together with the last row, so nobody is woken a second time for that.
        drop(tokio::task::spawn_blocking(move || {
            search(&finder);
            finder.end(End::Complete);
        }));
        Self { queue, patience, class }
    }

    /// The next row, or `None` at the end. After an error nothing follows.
    ///
    /// May be dropped and called again: no row is lost by that.
    pub async fn next(&mut self) -> Option<Result<Instance, Error>> {
        let next = match self.queue.take(self.queue.most.div_ceil(2)) {
            Some(next) => next,
            None => match timeout(self.patience, self.queue.wait()).await {
                Ok(next) => next,
                Err(_) => Next::Row(Err(Error::TimedOut(self.class.clone()))),
            },
        };
        let row = match next {
            Next::Row(row) => row,
            Next::End(End::Complete) => return None,
            // An end without error that is none.
            Next::End(End::Panicked) => {
                let panicked = ProviderError::failed(Status::ProviderFailure, "the provider panicked");
                Err(panicked.of(&self.class))
            }
        };
        if row.is_err() {
            // What was found before that is of no use behind an error.
            self.queue.close();
        }
        Some(row)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The end of a search at which rows are found. If it is dropped before it was told that these are all, the search
/// has panicked.
#[derive(Debug)]
pub(crate) struct Finder(Arc<Queue>);

impl Finder {
    /// Passes a row on; waits while too many are not yet taken. Says whether more are wanted.
    pub(crate) fn send(&self, row: Result<Instance, Error>) -> bool {
        self.0.put(row)
    }

    /// Whether nobody wants more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.state().is_closed
    }

    fn end(&self, end: End) {
        let mut state = self.0.state();
        if state.end.is_none() {
            state.end = Some(end);
            drop(state);
            self.0.found.notify_one();
        }
    }
}

impl Drop for Finder {
    fn drop(&mut self) {
        self.end(End::Panicked);
    }
}

/// What waits between the two.
///
/// Waking a thread takes longer than finding a row, so neither side wakes the other for a single one: whoever takes
/// rows is woken when half of what may wait is there, or looks by itself after [`A_MOMENT`]; whoever finds rows and
/// has no room for more is woken when half of them were taken.
#[derive(Debug, Default)]
struct Queue {
    /// How many rows may wait.
    most: usize,
    state: Mutex<State>,
    /// So many rows are there as somebody waits for, or all there will be.
    found: Notify,
    /// There is room again.
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rows: VecDeque<Result<Instance, Error>>,
    /// How many rows somebody waits for.
    awaited: Option<usize>,
    /// The search waits for room.
    is_full: bool,
    /// There will be no more.
    end: Option<End>,
    /// Nobody takes any more.
    is_closed: bool,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Panicked,
}

/// What comes next.
#[derive(Debug)]
enum Next {
    Row(Result<Instance, Error>),
    End(End),
}

impl Queue {
    fn put(&self, row: Result<Instance, Error>) -> bool {
        let mut state = self.state();
        while state.rows.len() >= self.most && !state.is_closed {
            state.is_full = true;
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
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

    /// What comes next; if that is not known yet, whoever puts rows in is told to notify when there are `enough`.
    fn take(&self, enough: usize) -> Option<Next> {
        let mut state = self.state();
        let row = state.rows.pop_front();
        if state.is_full && state.rows.len() <= self.most / 2 {
            state.is_full = false;
            self.room.notify_one();
        }
        let end = if state.is_closed { Some(End::Complete) } else { state.end };
        let next = row.map(Next::Row).or(end.map(Next::End));
        state.awaited = next.is_none().then_some(enough);
        next
    }

    /// What comes next, after [`Queue::take`] did not know.
    async fn wait(&self) -> Next {
        // Whether it was notified or not, what is there by then is taken.
        let _ = timeout(A_MOMENT, self.found.notified()).await;
        loop {
            if let Some(next) = self.take(1) {
                return next;
            }
            self.found.notified().await;
        }
    }

    /// Lets go of what was not taken, and of whoever waits for room.
    fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        let rows = std::mem::take(&mut state.rows);
        drop(state);
        self.room.notify_one();
        drop(rows);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // It is whole at any moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long rows may be there before they are looked for: little to a person, and enough to find many.
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
    async fn a_single_row_is_there_after_a_moment_and_many_at_once() {
        let queue = queue(4);
        assert!(queue.take(2).is_none() && queue.put(row()));
        assert!(timeout(Duration::ZERO, queue.found.notified()).await.is_err(), "one row has woken somebody");
        assert!(matches!(queue.wait().await, Next::Row(_)));
        assert!(queue.take(2).is_none() && queue.put(row()) && queue.put(row()));
        assert!(timeout(Duration::ZERO, queue.found.notified()).await.is_ok(), "two rows have woken nobody");
    }

    #[tokio::test]
    async fn a_row_that_comes_late_is_not_waited_with() {
        let queue = queue(64);
        assert!(queue.take(32).is_none());
        let (next, ()) = tokio::join!(queue.wait(), async {
            // Until it has ceased to hope for many.
            while queue.state().awaited != Some(1) {
                tokio::task::yield_now().await;
            }
            assert!(queue.put(row()));
        });
        assert!(matches!(next, Next::Row(_)));
    }

    #[test]
    fn whoever_waits_for_room_goes_on_when_half_was_taken_and_when_nobody_wants_more() {
        let queue = queue(4);
        std::thread::scope(|scope| {
            let putting = scope.spawn(|| (0..).take_while(|_| queue.put(row())).count());
            let until_full = || {
                while !queue.state().is_full {
                    std::thread::yield_now();
                }
            };
            until_full();
            assert!(queue.take(1).is_some() && queue.state().is_full, "it is woken for one");
            assert!(queue.take(1).is_some());
            until_full();
            assert_eq!(queue.state().rows.len(), 4);
            queue.close();
            assert_eq!(putting.join().ok(), Some(6));
        });
    }
}
