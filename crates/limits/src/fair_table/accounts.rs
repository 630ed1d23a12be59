//! Authenticated connections, by account.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use super::Privilege;
use super::idle::{IdleLinks, IdleList};
use super::slab::Slab;

/// Accounts with connections.
///
/// The ranking is corrected when a connection is displaced, not with every request: the entry of an account may
/// say that it has been idle for longer than it has, never for shorter.
#[derive(Debug)]
pub(super) struct Accounts<A> {
    numbers: HashMap<A, u32>,
    accounts: Slab<Account<A>>,
    links: IdleLinks,
    /// Accounts in the order in which they lose connections, the next one at the end. Accounts without an idle
    /// connection may be missing.
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
    idle: IdleList,
    /// Entry in the ranking.
    rank: Option<Rank>,
}

/// Weight, and the time since when the longest idle connection is idle.
type Rank = (usize, Reverse<u64>);

/// Connections of a privileged account that weigh nothing.
const RESERVED_CONNECTIONS: usize = 16;

impl<A> Account<A> {
    fn weight(&self) -> usize {
        match self.privilege {
            Privilege::Ordinary => self.connections,
            Privilege::Privileged => self.connections.saturating_sub(RESERVED_CONNECTIONS),
        }
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
                    idle: IdleList::default(),
                    rank: None,
                });
                self.numbers.insert(key.clone(), number);
                number
            }
        };
        if let Some(account) = self.accounts.get_mut(number) {
            account.connections += 1;
            self.links.push(&mut account.idle, index, since);
        }
        self.rank(number);
        number
    }

    /// Removes an idle connection.
    pub(super) fn leave_idle(&mut self, number: u32, index: u32) {
        let Some(account) = self.accounts.get_mut(number) else { return };
        self.links.remove(&mut account.idle, index);
        self.leave(number);
    }

    /// Removes a connection with a request in progress.
    pub(super) fn leave_in_progress(&mut self, number: u32) {
        let Some(account) = self.accounts.get_mut(number) else { return };
        account.in_progress = account.in_progress.saturating_sub(1);
        self.in_progress = self.in_progress.saturating_sub(1);
        self.leave(number);
    }

    fn leave(&mut self, number: u32) {
        let Some(account) = self.accounts.get_mut(number) else { return };
        account.connections = account.connections.saturating_sub(1);
        let is_gone = account.connections == 0;
        self.rank(number);
        if is_gone && let Some(account) = self.accounts.remove(number) {
            self.numbers.remove(&account.key);
            if self.numbers.is_empty() {
                self.numbers.shrink_to_fit();
                self.links = IdleLinks::default();
            }
        }
    }

    /// Counts a request on a connection that was idle.
    pub(super) fn begin(&mut self, number: u32, index: u32, privilege: Privilege) {
        let Some(account) = self.accounts.get_mut(number) else { return };
        self.links.remove(&mut account.idle, index);
        account.in_progress += 1;
        self.in_progress += 1;
        if account.privilege != privilege {
            account.privilege = privilege;
            self.rank(number);
        }
    }

    /// Ends a request: its connection is idle from now on.
    pub(super) fn end(&mut self, number: u32, since: u64, index: u32) {
        let Some(account) = self.accounts.get_mut(number) else { return };
        self.links.push(&mut account.idle, index, since);
        account.in_progress = account.in_progress.saturating_sub(1);
        self.in_progress = self.in_progress.saturating_sub(1);
        if account.rank.is_none() {
            self.rank(number);
        }
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
    ///
    /// Takes logarithmic time for each account that began a request since the last call.
    pub(super) fn longest_idle_of_heaviest(&mut self) -> Option<u32> {
        loop {
            let (rank, number) = *self.ranking.last()?;
            self.rank(number);
            let account = self.accounts.get(number)?;
            if account.rank == Some(rank) {
                return self.links.oldest(&account.idle).map(|(_, index)| index);
            }
        }
    }

    /// Updates the entry of an account in the ranking.
    fn rank(&mut self, number: u32) {
        let Some(account) = self.accounts.get_mut(number) else { return };
        let oldest = self.links.oldest(&account.idle);
        let rank = oldest.map(|(since, _)| (account.weight(), Reverse(since)));
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
        self.numbers.is_empty()
            && self.accounts.len() == 0
            && self.ranking.is_empty()
            && self.links.capacity() == 0
    }
}

impl<A> Default for Accounts<A> {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
            accounts: Slab::default(),
            links: IdleLinks::default(),
            ranking: BTreeSet::new(),
            in_progress: 0,
        }
    }
}
