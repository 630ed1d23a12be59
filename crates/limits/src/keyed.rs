//! A limit for all, and a limit for each key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

use locks::Mutex;

/// Numbers of permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Maximum number of permits that exist at the same time.
    pub total: usize,
    /// Maximum number of permits that one key holds at the same time.
    pub per_key: usize,
}

/// Counts permits by key, for example by UID, SID or [`Origin`](crate::Origin).
///
/// Clones share the counts. A key is stored only while it holds a permit, so memory is bounded by
/// [`Capacity::total`].
///
/// ```
/// use telarch_limits::{Capacity, KeyedLimit, Refusal};
///
/// let connections = KeyedLimit::new();
/// let capacity = Capacity { total: 100, per_key: 1 };
/// let first = connections.acquire(1000, capacity)?;
/// assert_eq!(connections.acquire(1000, capacity).err(), Some(Refusal::PerKey(1)));
/// drop(first);
/// assert!(connections.acquire(1000, capacity).is_ok());
/// # Ok::<(), Refusal>(())
/// ```
#[derive(Debug)]
pub struct KeyedLimit<K: Eq + Hash>(Arc<Mutex<Counts<K>>>);

/// Counted uses of one key. Dropping them gives them back.
#[derive(Debug)]
pub struct Permit<K: Eq + Hash> {
    key: K,
    amount: usize,
    limit: KeyedLimit<K>,
}

/// Reason why there is no permit. Holds the number of permits in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The key holds [`Capacity::per_key`] permits.
    #[error("{0} are in use by the same user or source, which is its limit")]
    PerKey(usize),
    /// [`Capacity::total`] permits exist.
    #[error("{0} are in use in total, which is the limit")]
    Total(usize),
}

/// INVARIANT: `total` is the sum of `held`, and no count in `held` is 0.
#[derive(Debug)]
struct Counts<K> {
    total: usize,
    held: HashMap<K, usize>,
}

impl<K: Eq + Hash + Clone> KeyedLimit<K> {
    /// Makes a limit without permits in use.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Counts { total: 0, held: HashMap::new() })))
    }

    /// Takes a permit for a key. The capacity is an argument because settings can change while permits are held.
    ///
    /// # Errors
    /// [`Refusal`] if the key or all keys together hold as many permits as allowed.
    pub fn acquire(&self, key: K, capacity: Capacity) -> Result<Permit<K>, Refusal> {
        self.acquire_many(key, 1, capacity)
    }

    /// Takes several permits for a key, for example one for each byte of a buffer; all or none.
    ///
    /// # Errors
    /// [`Refusal`] if the key or all keys together would hold more permits than allowed.
    pub fn acquire_many(&self, key: K, amount: usize, capacity: Capacity) -> Result<Permit<K>, Refusal> {
        self.acquire_if(key, amount, |held, total| {
            if held.saturating_add(amount) > capacity.per_key {
                return Err(Refusal::PerKey(held));
            }
            if total.saturating_add(amount) > capacity.total { Err(Refusal::Total(total)) } else { Ok(()) }
        })
    }

    /// Takes several permits out of `capacity` for a key that holds at most as many as are still free; all or none.
    ///
    /// One key reaches about half of the capacity that way, two keys a third each, and there is room for the next key
    /// as long as single amounts are small.
    ///
    /// # Errors
    /// [`Refusal::PerKey`] if the key holds more than are free, [`Refusal::Total`] if fewer are free than wanted.
    pub fn acquire_share(&self, key: K, amount: usize, capacity: usize) -> Result<Permit<K>, Refusal> {
        self.acquire_if(key, amount, |held, total| {
            let free = capacity.saturating_sub(total);
            if held > free {
                return Err(Refusal::PerKey(held));
            }
            if amount > free { Err(Refusal::Total(total)) } else { Ok(()) }
        })
    }

    fn acquire_if(
        &self,
        key: K,
        amount: usize,
        check: impl FnOnce(usize, usize) -> Result<(), Refusal>,
    ) -> Result<Permit<K>, Refusal> {
        let mut counts = self.0.lock();
        let Counts { total, held } = &mut *counts;
        match held.entry(key.clone()) {
            Entry::Occupied(mut entry) => {
                check(*entry.get(), *total)?;
                *entry.get_mut() = entry.get().saturating_add(amount);
            }
            Entry::Vacant(entry) => {
                check(0, *total)?;
                if amount > 0 {
                    entry.insert(amount);
                }
            }
        }
        *total = total.saturating_add(amount);
        drop(counts);
        Ok(Permit { key, amount, limit: self.clone() })
    }

    /// Returns the number of permits that a key holds.
    #[must_use]
    pub fn held(&self, key: &K) -> usize {
        self.0.lock().held.get(key).copied().unwrap_or(0)
    }

    /// Returns the number of permits that exist.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.lock().total
    }
}

impl<K: Eq + Hash> Permit<K> {
    /// Returns the key that holds this permit.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Eq + Hash> Clone for KeyedLimit<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Eq + Hash + Clone> Default for KeyedLimit<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut counts = self.limit.0.lock();
        let Counts { total, held } = &mut *counts;
        *total = total.saturating_sub(self.amount);
        match held.get_mut(&self.key) {
            Some(amount) if *amount > self.amount => *amount -= self.amount,
            Some(_) => _ = held.remove(&self.key),
            None => {}
        }
        if held.is_empty() && held.capacity() > KEPT_CAPACITY {
            held.shrink_to_fit();
        }
    }
}

/// Number of keys for which an empty limit keeps its memory. A flood of keys must not keep more, and a single client
/// that sends request after request should not allocate for each.
const KEPT_CAPACITY: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: Capacity = Capacity { total: 3, per_key: 2 };

    #[test]
    fn one_key_never_takes_the_share_of_another() {
        let limit = KeyedLimit::new();
        let permits = [limit.acquire("ada", CAPACITY).unwrap(), limit.acquire("ada", CAPACITY).unwrap()];
        assert_eq!(limit.acquire("ada", CAPACITY).unwrap_err(), Refusal::PerKey(2));
        let other = limit.acquire("ben", CAPACITY).unwrap();
        assert_eq!(limit.acquire("cleo", CAPACITY).unwrap_err(), Refusal::Total(3));
        assert_eq!((limit.held(&"ada"), limit.total(), *other.key()), (2, 3, "ben"));
        drop(permits);
        assert_eq!((limit.held(&"ada"), limit.total()), (0, 1));
    }

    #[test]
    fn a_key_that_holds_more_than_is_free_gets_no_larger_share() {
        let limit = KeyedLimit::new();
        let permits = [(); 3].map(|()| limit.acquire_share("eve", 16, 64).unwrap());
        assert_eq!(limit.acquire_share("eve", 1, 64).unwrap_err(), Refusal::PerKey(48));
        let other = limit.acquire_share("ada", 10, 64).unwrap();
        assert_eq!(limit.acquire_share("ben", 7, 64).unwrap_err(), Refusal::Total(58));
        assert_eq!((limit.held(&"eve"), limit.total()), (48, 58));
        drop((permits, other));
        assert!(limit.acquire_share("ben", 64, 64).is_ok());
        assert_eq!(limit.total(), 0);
    }

    #[test]
    fn several_permits_are_taken_together_or_not_at_all() {
        let limit = KeyedLimit::new();
        let permit = limit.acquire_many("ada", 2, CAPACITY).unwrap();
        assert_eq!(limit.acquire_many("ben", 2, CAPACITY).unwrap_err(), Refusal::Total(2));
        assert_eq!(limit.acquire_many("cleo", 3, CAPACITY).unwrap_err(), Refusal::PerKey(0));
        assert_eq!((limit.total(), limit.held(&"ben")), (2, 0));
        drop(permit);
        assert_eq!(limit.total(), 0);
    }

    #[test]
    fn keys_without_permits_use_no_memory() {
        let limit = KeyedLimit::new();
        let permits: Vec<_> = (0..10_000).map(|key| limit.acquire_share(key, 1, 100_000).unwrap()).collect();
        drop(permits);
        let counts = limit.0.lock();
        let capacity = counts.held.capacity();
        assert!(counts.held.is_empty() && capacity <= KEPT_CAPACITY, "{capacity}");
    }
}
