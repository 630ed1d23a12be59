//! A bound on how many attempts are judged at the same time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use limits::Origin;

/// How many may sit, and how many may wait for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeatLimits {
    /// At the same time, from anywhere.
    pub(crate) seats: usize,
    /// At the same time, from one source.
    pub(crate) seats_of_one: usize,
    /// Waiting, from anywhere.
    pub(crate) waiting: usize,
    /// Waiting, from one source.
    pub(crate) waiting_of_one: usize,
}

/// Seats that threads wait for. Who finds the queue full is sent away instead of making it longer.
#[derive(Debug)]
pub(crate) struct Seats {
    limits: SeatLimits,
    room: Mutex<Room>,
    freed: Condvar,
}

/// Held while something is judged.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    seats: &'a Seats,
    origin: Origin,
}

/// INVARIANT: a source is here only while it has a seat or waits, so that there are no more of them than
/// threads.
#[derive(Debug, Default)]
struct Room {
    all: Party,
    parties: HashMap<Origin, Party>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Party {
    seated: usize,
    waiting: usize,
}

impl Seats {
    pub(crate) fn new(limits: SeatLimits) -> Self {
        Self { limits, room: Mutex::default(), freed: Condvar::new() }
    }

    /// Waits for a seat; none if too many wait already.
    pub(crate) fn take(&self, origin: Origin) -> Option<Seat<'_>> {
        let mut room = self.lock();
        if !self.has_seat(&room, origin) {
            let party = room.party(origin);
            if room.all.waiting >= self.limits.waiting || party.waiting >= self.limits.waiting_of_one {
                return None;
            }
            room.change(origin, |party| party.waiting += 1);
            while !self.has_seat(&room, origin) {
                room = self.freed.wait(room).unwrap_or_else(PoisonError::into_inner);
            }
            room.change(origin, |party| party.waiting -= 1);
        }
        room.change(origin, |party| party.seated += 1);
        Some(Seat { seats: self, origin })
    }

    fn has_seat(&self, room: &Room, origin: Origin) -> bool {
        room.all.seated < self.limits.seats && room.party(origin).seated < self.limits.seats_of_one
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        // Nothing that could panic happens under the lock.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn party(&self, origin: Origin) -> Party {
        self.parties.get(&origin).copied().unwrap_or_default()
    }

    fn change(&mut self, origin: Origin, change: impl Fn(&mut Party)) {
        change(&mut self.all);
        let mut entry = match self.parties.entry(origin) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => entry.insert_entry(Party::default()),
        };
        change(entry.get_mut());
        if matches!(entry.get(), Party { seated: 0, waiting: 0 }) {
            entry.remove();
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.seats.lock().change(self.origin, |party| party.seated -= 1);
        self.seats.freed.notify_all();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const LIMITS: SeatLimits = SeatLimits { seats: 3, seats_of_one: 2, waiting: 40, waiting_of_one: 20 };

    fn origin(last: u8) -> Origin {
        Origin::of([192, 0, 2, last].into())
    }

    #[test]
    fn no_more_than_allowed_sit_at_the_same_time() {
        let seats = Seats::new(LIMITS);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for thread in 0..20_u8 {
                let (seats, now, most) = (&seats, &now, &most);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let _seat = seats.take(origin(thread % 4)).expect("a place in the queue");
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((2..=3).contains(&most.into_inner()));
        assert!(seats.lock().parties.is_empty(), "who has left is remembered");
        assert_eq!(seats.lock().all.seated, 0);
    }

    #[test]
    fn one_source_leaves_a_seat_for_others_and_a_full_queue_sends_away() {
        let seats = Seats::new(SeatLimits { waiting: 1, waiting_of_one: 1, ..LIMITS });
        let first = seats.take(origin(1)).unwrap();
        let _second = seats.take(origin(1)).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| seats.take(origin(1)).is_some());
            while seats.lock().all.waiting == 0 {
                thread::yield_now();
            }
            assert!(seats.take(origin(1)).is_none(), "the queue of one source is longer than allowed");
            let other = seats.take(origin(2));
            assert!(other.is_some(), "one source took the seats of others");
            assert!(seats.take(origin(3)).is_none(), "the queue is longer than allowed");
            drop(first);
            drop(other);
            assert!(waiting.join().unwrap());
        });
    }
}
