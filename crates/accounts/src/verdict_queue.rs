//! Queue of threads that wait to verify a password.

use std::sync::Arc;

use limits::{Claim, FairQueue, QueueLimits, Slot};
use locks::{Condvar, Mutex};

/// Key by which attempts of one account are counted.
pub(crate) type AccountKey = Arc<str>;

/// Limits how many attempts are verified at the same time, and orders the waiting ones fairly.
///
/// [`FairQueue`] defines the order. An attempt that is displaced by others is refused at once; its thread stops
/// waiting.
#[derive(Debug)]
pub(crate) struct VerdictQueue(Mutex<FairQueue<AccountKey, Arc<Waiter>>>);

/// Permit for verifying one attempt; dropping it releases the slot.
#[derive(Debug)]
pub(crate) struct VerdictSlot<'a> {
    queue: &'a VerdictQueue,
    slot: Option<Slot<AccountKey>>,
}

/// A waiting thread.
#[derive(Debug, Default)]
struct Waiter {
    decision: Mutex<Option<Decision>>,
    decided: Condvar,
}

#[derive(Debug)]
enum Decision {
    Start(Slot<AccountKey>),
    Refuse,
}

impl VerdictQueue {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self(Mutex::new(FairQueue::new(limits)))
    }

    /// Waits for a slot. Returns `None` if the queue is full and this attempt is displaced.
    pub(crate) fn enter(&self, claim: Claim<AccountKey>) -> Option<VerdictSlot<'_>> {
        let waiter = Arc::new(Waiter::default());
        let mut queue = self.0.lock();
        if let Some(refused) = queue.push(claim, Arc::clone(&waiter)) {
            refused.decide(Decision::Refuse);
        }
        start(&mut queue);
        drop(queue);
        match waiter.wait() {
            Decision::Start(slot) => Some(VerdictSlot { queue: self, slot: Some(slot) }),
            Decision::Refuse => None,
        }
    }

    #[cfg(test)]
    fn counts(&self) -> (usize, usize) {
        let queue = self.0.lock();
        (queue.running(), queue.waiting())
    }
}

impl Drop for VerdictSlot<'_> {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        let mut queue = self.queue.0.lock();
        queue.finish(slot);
        start(&mut queue);
    }
}

/// Starts waiting attempts while slots are free.
fn start(queue: &mut FairQueue<AccountKey, Arc<Waiter>>) {
    while let Some((slot, waiter)) = queue.start_next() {
        waiter.decide(Decision::Start(slot));
    }
}

impl Waiter {
    fn decide(&self, decision: Decision) {
        *self.decision.lock() = Some(decision);
        self.decided.notify_one();
    }

    fn wait(&self) -> Decision {
        let mut decision = self.decision.lock();
        loop {
            match decision.take() {
                Some(decided) => return decided,
                None => decision = self.decided.wait(decision),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use limits::{Origin, Priority};

    use super::*;

    fn claim(last: u8, priority: Priority) -> Claim<AccountKey> {
        Claim { origin: Origin::of([192, 0, 2, last].into()), account: None, priority }
    }

    #[test]
    fn concurrent_verdicts_are_limited() {
        let queue = VerdictQueue::new(QueueLimits { running: 4, waiting: 40 });
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for thread in 0..20_u8 {
                let (queue, now, most) = (&queue, &now, &most);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let _slot =
                            queue.enter(claim(thread % 4, Priority::Unknown)).expect("the queue is not full");
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((2..=3).contains(&most.into_inner()), "one slot is reserved for sources that have signed in");
        assert_eq!(queue.counts(), (0, 0));
    }

    #[test]
    fn a_displaced_attempt_is_refused_while_others_wait() {
        let queue = VerdictQueue::new(QueueLimits { running: 1, waiting: 2 });
        let first = queue.enter(claim(1, Priority::Unknown)).unwrap();
        thread::scope(|scope| {
            let (sender, refused) = mpsc::channel();
            for _ in 0..2 {
                let (queue, sender) = (&queue, sender.clone());
                scope.spawn(move || {
                    let slot = queue.enter(claim(1, Priority::Unknown));
                    if slot.is_none() {
                        sender.send(()).unwrap();
                    }
                });
            }
            while queue.counts() != (1, 2) {
                thread::yield_now();
            }
            let newcomer = scope.spawn(|| queue.enter(claim(2, Priority::Unknown)).is_some());
            refused.recv().unwrap();
            assert_eq!(queue.counts(), (1, 2));
            drop(first);
            assert!(newcomer.join().unwrap());
        });
        assert_eq!(queue.counts(), (0, 0));
    }
}
