//! Authenticated connections, by account.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use super::Privilege;
use super::slab::Slab;

/// Accounts with connections.
#[derive(Debug)]
pub(super) struct Accounts<A> {
    numbers: HashMap<A, u32>,
    accounts: Slab<Account<A>>,
    /// Accounts that have an idle connection, the one to displace a connection of at the end.
    ranking: BTreeSet<(Rank, u32)>,
    /// Number of requests in progress.
    in_progress: usize,
}

#[derive(Debug)]
struct Account<A> {
    key: A,
    privilege: Privilege,
    connections: usize,
    in_progress: usize,
    /// Idle connections by the time since when they are idle.
    idle: BTreeMap<u64, u32>,
    /// The account's entry in the ranking.
    rank: Option<Rank>,
}

/// Weight, and since when the longest idle connection is idle.
type Rank = (usize, Reverse<u64>);

/// Connections of a privileged account that weigh nothing.
const RESERVED_CONNECTIONS: usize = 16;

impl<A> Account<A> {
    fn weighed(&self) -> Option<Rank> {
        let (since, _) = self.idle.first_key_value()?;
        let weight = match self.privilege {
            Privilege::Ordinary => self.connections,
            Privilege::Privileged => self.connections.saturating_sub(RESERVED_CONNECTIONS),
        };
        Some((weight, Reverse(*since)))
    }
}

impl<A: Clone + Eq + Hash> Accounts<A> {
    /// Adds an idle connection and returns the number of the account.
    pub(super) fn join(&mut self, key: &A, since: u64, index: u32) -> u32 {
        let number = match self.numbers.get(key) {
            Some(number) => *number,
            None => {
                let number = self.accounts.insert(Account {
                    key: key.clone(),
                    privilege: Privilege::Ordinary,
                    connections: 0,
                    in_progress: 0,
                    idle: BTreeMap::new(),
                    rank: None,
                });
                self.numbers.insert(key.clone(), number);
                number
            }
        };
        if let Some(account) = self.accounts.get_mut(number) {
            account.connections += 1;
            account.idle.insert(since, index);
        }
        self.rank(number);
        number
    }

    /// Removes a connection, which is idle since some time or has a request in progress.
    pub(super) fn leave(&mut self, number: u32, since: Option<u64>) {
        let Some(account) = self.accounts.get_mut(number) else { return };
        account.connections = account.connections.saturating_sub(1);
        match since {
            Some(since) => _ = account.idle.remove(&since),
            None => {
                account.in_progress = account.in_progress.saturating_sub(1);
                self.in_progress = self.in_progress.saturating_sub(1);
            }
        }
        let is_gone = account.connections == 0;
        self.rank(number);
        if is_gone && let Some(account) = self.accounts.remove(number) {
            self.numbers.remove(&account.key);
            if self.numbers.is_empty() {
                self.numbers.shrink_to_fit();
            }
        }
    }

    /// Counts a request on a connection that was idle.
    pub(super) fn begin(&mut self, number: u32, since: u64, privilege: Privilege) {
        let Some(account) = self.accounts.get_mut(number) else { return };
        account.idle.remove(&since);
        account.privilege = privilege;
        account.in_progress += 1;
        self.in_progress += 1;
        self.rank(number);
    }

    /// Ends a request: its connection is idle from now on.
    pub(super) fn end(&mut self, number: u32, since: u64, index: u32) {
        let Some(account) = self.accounts.get_mut(number) else { return };
        account.idle.insert(since, index);
        account.in_progress = account.in_progress.saturating_sub(1);
        self.in_progress = self.in_progress.saturating_sub(1);
        self.rank(number);
    }

    /// Returns the number of requests in progress of all accounts.
    pub(super) fn in_progress(&self) -> usize {
        self.in_progress
    }

    /// Returns the number of requests in progress of one account.
    pub(super) fn working(&self, number: u32) -> usize {
        self.accounts.get(number).map_or(0, |account| account.in_progress)
    }

    /// Returns the longest idle connection of the account with the most connections.
    pub(super) fn longest_idle_of_heaviest(&self) -> Option<u32> {
        let (_, number) = self.ranking.last()?;
        let (_, index) = self.accounts.get(*number)?.idle.first_key_value()?;
        Some(*index)
    }

    /// Updates the rank of an account.
    fn rank(&mut self, number: u32) {
        let Some(account) = self.accounts.get_mut(number) else { return };
        let rank = account.weighed();
        if rank == account.rank {
            return;
        }
        let before = std::mem::replace(&mut account.rank, rank);
        if let Some(before) = before {
            self.ranking.remove(&(before, number));
        }
        if let Some(rank) = rank {
            self.ranking.insert((rank, number));
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.accounts.len() == 0 && self.ranking.is_empty()
    }
}

impl<A> Default for Accounts<A> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), accounts: Slab::default(), ranking: BTreeSet::new(), in_progress: 0 }
    }
}
