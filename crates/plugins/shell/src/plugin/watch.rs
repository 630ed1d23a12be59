//! Looks after what the shells run, several times a second and only while there is something to look after.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::shell::Shell;
use crate::processes::{Mark, Snapshot};

/// Counts the processes of shells that may only have so many, and ends what closed shells left behind.
///
/// All shells share one look at the processes of the machine, so that many shells cost no more than one.
#[derive(Default)]
pub(super) struct Watch {
    duties: Mutex<Duties>,
    /// There is more to do than a moment ago.
    more: Notify,
}

#[derive(Default)]
struct Duties {
    shells: Vec<Weak<Shell>>,
    left_behind: Vec<LeftBehind>,
    /// A task does them.
    is_running: bool,
    last: Option<Instant>,
    /// How long the last look took.
    took: Duration,
}

/// A shell that was closed.
struct LeftBehind {
    mark: Mark,
    looks: u32,
}

/// What one look is for.
struct Look {
    shells: Vec<Arc<Shell>>,
    marks: Vec<Mark>,
}

impl Watch {
    /// Counts the processes of a shell for as long as it has any.
    pub(super) fn count(self: &Arc<Self>, shell: &Arc<Shell>) {
        {
            let mut duties = self.locked();
            if duties.shells.iter().any(|known| known.as_ptr() == Arc::as_ptr(shell)) {
                return;
            }
            duties.shells.push(Arc::downgrade(shell));
        }
        self.begin();
    }

    /// Ends what a closed shell left behind, a moment from now.
    pub(super) fn clean_up(self: &Arc<Self>, mark: &Mark) {
        self.locked().left_behind.push(LeftBehind { mark: mark.clone(), looks: 0 });
        self.more.notify_one();
        self.begin();
    }

    /// Returns when nothing of closed shells is left, or it does not go.
    pub(super) async fn finish(&self) {
        while !self.locked().left_behind.is_empty() {
            self.look().await;
        }
    }

    fn begin(self: &Arc<Self>) {
        let was_running = std::mem::replace(&mut self.locked().is_running, true);
        if !was_running {
            let watch = Arc::clone(self);
            tokio::spawn(async move { while watch.next_look().await {} });
        }
    }

    /// Waits for the time of the next look and takes it; false if there is nothing to look after any more.
    async fn next_look(&self) -> bool {
        loop {
            let due = {
                let mut duties = self.locked();
                if duties.shells.is_empty() && duties.left_behind.is_empty() {
                    duties.is_running = false;
                    return false;
                }
                let now = Instant::now();
                // A command that was just started has nothing to be counted yet.
                let interval = interval(duties.took);
                if duties.left_behind.is_empty() {
                    now + interval
                } else {
                    duties.last.map_or(now, |last| last + interval)
                }
            };
            tokio::select! {
                () = sleep_until(due) => break,
                () = self.more.notified() => {}
            }
        }
        self.look().await;
        true
    }

    async fn look(&self) {
        let began = std::time::Instant::now();
        let Look { shells, marks } = self.duties();
        let needed = !marks.is_empty() || shells.iter().any(|shell| shell.needs_snapshot());
        let snapshot = if needed { snapshot().await } else { Snapshot::default() };
        let mut ended = Vec::new();
        for mark in marks {
            let left = snapshot.members(&[], Some(&mark));
            if left.is_empty() {
                ended.push(mark);
            }
            for process in left {
                process.kill();
            }
        }
        let idle: Vec<_> = shells.iter().filter(|shell| !shell.count(&snapshot)).map(Arc::as_ptr).collect();

        let mut duties = self.locked();
        duties.last = Some(Instant::now());
        duties.took = began.elapsed();
        duties.shells.retain(|shell| shell.strong_count() > 0 && !idle.contains(&shell.as_ptr()));
        duties.left_behind.retain_mut(|left| {
            left.looks += 1;
            if left.looks > MOST_LOOKS {
                tracing::warn!(
                    "Processes of a closed shell do not end, or start new ones faster than they are ended"
                );
            }
            left.looks <= MOST_LOOKS && !ended.contains(&left.mark)
        });
    }

    fn duties(&self) -> Look {
        let duties = self.locked();
        Look {
            shells: duties.shells.iter().filter_map(Weak::upgrade).collect(),
            marks: duties.left_behind.iter().map(|left| left.mark.clone()).collect(),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Duties> {
        self.duties.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at the processes of the machine without holding up anybody else.
pub(super) async fn snapshot() -> Snapshot {
    // It fails only when the runtime ends, and the processes with it.
    tokio::task::spawn_blocking(Snapshot::take).await.unwrap_or_default()
}

/// The time between two looks, of which a look takes at most a twentieth on machines with so many processes that it takes
/// long.
fn interval(took: Duration) -> Duration {
    (took * 20).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL)
}

const SHORTEST_INTERVAL: Duration = Duration::from_millis(200);
const LONGEST_INTERVAL: Duration = Duration::from_millis(900);
/// How often what was killed is looked for again.
const MOST_LOOKS: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_counted_more_than_once_a_second_and_a_look_takes_a_twentieth_of_the_time_at_most() {
        let milliseconds = Duration::from_millis;
        for (took, expected) in [(0, 200), (10, 200), (20, 400), (1_000, 900)] {
            assert_eq!(interval(milliseconds(took)), milliseconds(expected), "{took}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_looked_at_when_there_is_nothing_to_look_after() {
        let watch = Arc::new(Watch::default());
        assert!(!watch.next_look().await);
        assert!(!watch.locked().is_running);
        // A shell that has left something behind which is gone.
        watch.clean_up(&Mark::new("gone".to_owned()));
        watch.finish().await;
        while watch.locked().is_running {
            tokio::time::sleep(SHORTEST_INTERVAL).await;
        }
    }
}
