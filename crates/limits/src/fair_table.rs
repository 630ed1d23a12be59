//! Fair sharing of connections and requests between many sources and accounts.
//!
//! A connection belongs to its source (the client's network) until a client authenticates on it, and to that client's
//! account afterwards. There are no limits while the table has room. When it is full, each new connection displaces
//! one:
//!
//! 1. While unauthenticated connections use less than [`Sizes::newcomers`], the newcomer displaces the longest idle
//!    connection of the account with the most connections, so that a table full of authenticated connections stays open
//!    for others. A source that has [`Sizes::newcomers_per_source`] connections displaces its own oldest one instead.
//! 2. Otherwise it displaces the oldest unauthenticated connection of the source with the most of them. Sources are
//!    compared from the widest prefix to the narrowest, so that a site with many networks counts as one.
//!
//! A connection with a request in progress is never displaced.
//!
//! Requests in progress are shared by a dynamic threshold: an account gets another one while it has at most as many as
//! are still free. One account therefore reaches about half of them, two accounts a third each, and there is always
//! room for the next account. Privileged accounts have no threshold, and a reserve that others cannot use.
//!
//! OpenSSH solves the same problem before authentication with `MaxStartups`, `PerSourceMaxStartups` and
//! `PerSourceNetBlockSize`.

mod accounts;
mod idle;
mod slab;
mod sources;

use std::hash::Hash;

use self::accounts::Accounts;
use self::slab::Slab;
use self::sources::Sources;

/// Connections of sources and accounts, each with a payload that is given back when it is displaced.
///
/// Requests begin and end in constant time. Other operations take logarithmic time in the number of connections.
#[derive(Debug)]
pub struct FairTable<S, A, T> {
    connections: Slab<Connection<S, T>>,
    sources: Sources<S>,
    accounts: Accounts<A>,
    /// Counts events; orders connections by age and by how long they have been idle.
    now: u64,
}

/// Sizes of a table. They are arguments of each operation because settings can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Maximum number of connections.
    pub connections: usize,
    /// Maximum number of requests in progress.
    pub requests: usize,
    /// Number of requests in progress that only privileged accounts get, out of `requests`.
    pub reserved_requests: usize,
}

/// A connection in a [`FairTable`].
///
/// It stays valid after the connection was displaced or removed; operations then have no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionKey {
    index: u32,
    /// Tells connections apart that used the same index.
    number: u64,
}

/// Rights of an account that matter when there is not enough for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// None.
    Ordinary,
    /// Uses the reserve, for example an administrator.
    Privileged,
}

/// A new connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Admitted<T> {
    /// Key of the new connection.
    pub key: ConnectionKey,
    /// Payload of the connection that has to be closed for it.
    pub displaced: Option<T>,
}

/// The table is full and every connection has a request in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all {0} connections have a request in progress")]
pub struct Full(pub usize);

/// Reason why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// The account has more requests in progress than are left.
    #[error("this account has {0} requests in progress, which is its share at the moment")]
    Share(usize),
    /// The maximum number of requests is in progress.
    #[error("{0} requests are in progress, which is the limit")]
    Total(usize),
    /// The connection was displaced, has not signed in, or has a request in progress already.
    #[error("the connection was closed for another one")]
    Displaced,
}

#[derive(Debug)]
struct Connection<S, T> {
    number: u64,
    state: State<S>,
    payload: T,
}

#[derive(Clone, Copy, Debug)]
enum State<S> {
    /// Not authenticated; counted by its source.
    Newcomer([S; 3]),
    /// Counted by its account, without a request.
    Idle { account: u32 },
    /// Counted by its account.
    InProgress { account: u32 },
}

impl Sizes {
    /// Number of unauthenticated connections that are not displaced in favour of authenticated ones: a quarter.
    #[must_use]
    pub fn newcomers(&self) -> usize {
        Self::quarter(self.connections)
    }

    fn quarter(connections: usize) -> usize {
        (connections / 4).max(1)
    }

    /// Number of unauthenticated connections of one source from which on it displaces only its own: a 32nd.
    #[must_use]
    pub fn newcomers_per_source(&self) -> usize {
        (self.connections / 32).max(1)
    }
}

impl<S: Copy + Eq + Hash, A: Clone + Eq + Hash, T> FairTable<S, A, T> {
    /// Creates an empty table.
    #[must_use]
    pub fn new() -> Self {
        Self {
            connections: Slab::default(),
            sources: Sources::default(),
            accounts: Accounts::default(),
            now: 0,
        }
    }

    /// Adds an unauthenticated connection. `source` contains the prefixes of its network, the widest first.
    ///
    /// # Errors
    /// [`Full`] if no connection can be displaced for it.
    pub fn admit(&mut self, source: [S; 3], payload: T, sizes: &Sizes) -> Result<Admitted<T>, Full> {
        let mut displaced = None;
        if self.connections.len() >= sizes.connections {
            let victim = self.victim(&source, sizes).ok_or(Full(self.connections.len()))?;
            displaced = self.take(victim);
        }
        let number = self.tick();
        let index = self.connections.insert(Connection { number, state: State::Newcomer(source), payload });
        self.sources.insert(source, number, index);
        Ok(Admitted { key: ConnectionKey { index, number }, displaced })
    }

    /// Counts an idle connection for an account, which may replace another one.
    pub fn sign_in(&mut self, key: ConnectionKey, account: &A) {
        let since = self.tick();
        let Some(connection) = self.connection(key) else { return };
        let before = connection.state;
        if matches!(before, State::InProgress { .. }) {
            return;
        }
        self.forget(key, before);
        let account = self.accounts.join(account, since, key.index);
        self.set(key, State::Idle { account });
    }

    /// Counts a request of a signed-in connection as in progress.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn begin(&mut self, key: ConnectionKey, privilege: Privilege, sizes: &Sizes) -> Result<(), Busy> {
        let Some(Connection { state: State::Idle { account }, .. }) = self.connection(key) else {
            return Err(Busy::Displaced);
        };
        let account = *account;
        let in_progress = self.accounts.in_progress();
        let free = sizes.requests.saturating_sub(in_progress);
        match privilege {
            Privilege::Privileged if free == 0 => return Err(Busy::Total(in_progress)),
            Privilege::Privileged => {}
            Privilege::Ordinary => {
                let (free, held) =
                    (free.saturating_sub(sizes.reserved_requests), self.accounts.working(account));
                if free == 0 {
                    return Err(Busy::Total(in_progress));
                }
                if held > free {
                    return Err(Busy::Share(held));
                }
            }
        }
        self.accounts.begin(account, key.index, privilege);
        self.set(key, State::InProgress { account });
        Ok(())
    }

    /// Ends the request of a connection.
    pub fn end(&mut self, key: ConnectionKey) {
        let since = self.tick();
        let Some(Connection { state: State::InProgress { account }, .. }) = self.connection(key) else {
            return;
        };
        let account = *account;
        self.accounts.end(account, since, key.index);
        self.set(key, State::Idle { account });
    }

    /// Displaces a connection although the table has room, for example because file descriptors are exhausted.
    ///
    /// The connection is chosen as for a newcomer in a full table of this size.
    pub fn displace(&mut self) -> Option<T> {
        let is_of_newcomers = self.sources.total() >= Sizes::quarter(self.connections.len());
        let (of_sources, of_accounts) =
            (self.sources.oldest_of_heaviest(), self.accounts.longest_idle_of_heaviest());
        let victim = if is_of_newcomers { of_sources } else { of_accounts.or(of_sources) };
        self.take(victim?)
    }

    /// Removes a connection that is closed.
    pub fn remove(&mut self, key: ConnectionKey) -> Option<T> {
        self.connection(key)?;
        self.take(key.index)
    }

    /// Returns the number of connections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Returns whether there are no connections.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the connection to displace for a newcomer.
    fn victim(&mut self, source: &[S; 3], sizes: &Sizes) -> Option<u32> {
        if self.sources.total() >= sizes.newcomers() {
            return self.sources.oldest_of_heaviest();
        }
        let [site, ..] = source;
        if self.sources.held(site) >= sizes.newcomers_per_source() {
            return self.sources.oldest_below(site);
        }
        self.accounts.longest_idle_of_heaviest().or_else(|| self.sources.oldest_of_heaviest())
    }

    fn take(&mut self, index: u32) -> Option<T> {
        let connection = self.connections.remove(index)?;
        self.forget(ConnectionKey { index, number: connection.number }, connection.state);
        Some(connection.payload)
    }

    /// Stops counting a connection.
    fn forget(&mut self, key: ConnectionKey, state: State<S>) {
        match state {
            State::Newcomer(source) => self.sources.remove(source, key.number),
            State::Idle { account } => self.accounts.leave_idle(account, key.index),
            State::InProgress { account } => self.accounts.leave_in_progress(account),
        }
    }

    fn connection(&self, key: ConnectionKey) -> Option<&Connection<S, T>> {
        self.connections.get(key.index).filter(|connection| connection.number == key.number)
    }

    fn set(&mut self, key: ConnectionKey, state: State<S>) {
        if let Some(connection) = self.connections.get_mut(key.index) {
            connection.state = state;
        }
    }

    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }
}

impl<S: Copy + Eq + Hash, A: Clone + Eq + Hash, T> Default for FairTable<S, A, T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::{Origin, Prefix};

    type Table = FairTable<Prefix, &'static str, usize>;

    const SIZES: Sizes = Sizes { connections: 64, requests: 32, reserved_requests: 4 };

    fn from(address: &str) -> [Prefix; 3] {
        Origin::of(address.parse().unwrap()).prefixes()
    }

    /// Opens a connection. Returns its key and the payload of the displaced one.
    fn open(table: &mut Table, address: &str, payload: usize) -> (ConnectionKey, Option<usize>) {
        let admitted = table.admit(from(address), payload, &SIZES).unwrap();
        (admitted.key, admitted.displaced)
    }

    fn open_as(table: &mut Table, account: &'static str, payload: usize) -> (ConnectionKey, Option<usize>) {
        let (key, displaced) = open(table, "192.0.2.77", payload);
        table.sign_in(key, &account);
        (key, displaced)
    }

    #[test]
    fn a_flood_of_one_address_displaces_only_its_own_connections() {
        let mut table = Table::new();
        for payload in 0..20 {
            open(&mut table, &format!("198.51.100.{payload}"), payload);
        }
        for payload in 1_000..3_000 {
            let (_, displaced) = open(&mut table, "192.0.2.1", payload);
            assert!(displaced.is_none_or(|payload| payload >= 1_000), "{displaced:?}");
        }
        assert_eq!(table.len(), SIZES.connections);
    }

    #[test]
    fn a_flood_of_one_site_displaces_only_its_own_connections() {
        let mut table = Table::new();
        for payload in 0..20 {
            open(&mut table, &format!("2001:db8:{payload:x}::1"), payload);
        }
        for payload in 1_000..3_000 {
            let (_, displaced) = open(&mut table, &format!("2001:db8:ffff:{payload:x}::1"), payload);
            assert!(displaced.is_none_or(|payload| payload >= 1_000), "{displaced:?}");
        }
    }

    #[test]
    fn the_customer_and_network_of_a_site_with_the_most_connections_give_way() {
        let mut table = Table::new();
        // One network of /56 number 1, then many networks of /56 number 2.
        open(&mut table, "2001:db8:1:100::1", 0);
        for payload in 1..64 {
            open(&mut table, &format!("2001:db8:1:2{payload:02x}::1"), payload);
        }
        for payload in 64..70 {
            let (_, displaced) = open(&mut table, "2001:db8:1:2ff::1", payload);
            assert_eq!(displaced, Some(if payload < 66 { payload - 63 } else { payload - 2 }), "{payload}");
        }
    }

    #[test]
    fn the_longest_idle_connection_of_the_heaviest_account_gives_way() {
        let mut table = Table::new();
        let heavy: Vec<_> = (0..60).map(|payload| open_as(&mut table, "eve", payload).0).collect();
        let light: Vec<_> = (100..104).map(|payload| open_as(&mut table, "ada", payload).0).collect();
        // The first one was used, and the second one is.
        for used in [heavy[0], heavy[1], light[0]] {
            table.begin(used, Privilege::Ordinary, &SIZES).unwrap();
        }
        table.end(heavy[0]);
        let (newcomer, displaced) = open(&mut table, "192.0.2.1", 500);
        assert_eq!(displaced, Some(2));
        table.sign_in(newcomer, &"ben");
        assert_eq!(open(&mut table, "192.0.2.1", 501).1, Some(3));
        assert!(
            table.remove(heavy[2]).is_none() && table.begin(heavy[2], Privilege::Ordinary, &SIZES).is_err()
        );
    }

    #[test]
    fn a_full_table_of_signed_in_connections_stays_open_for_newcomers() {
        let mut table = Table::new();
        for payload in 0..64 {
            open_as(&mut table, "eve", payload);
        }
        // A source that tries again and again gets no more than its part of the newcomers.
        let mut lost = 0;
        for payload in 1_000..2_000 {
            lost += usize::from(open(&mut table, "192.0.2.1", payload).1.unwrap() < 1_000);
        }
        assert_eq!(lost, SIZES.newcomers_per_source());
        let (slow, displaced) = open(&mut table, "198.51.100.1", 5_000);
        assert!(displaced.unwrap() < 64);
        for payload in 6_000..7_000 {
            assert_ne!(open(&mut table, "192.0.2.1", payload).1, Some(5_000));
        }
        assert_eq!(table.remove(slow), Some(5_000));
    }

    #[test]
    fn a_connection_with_a_request_in_progress_is_not_displaced() {
        let mut table = Table::new();
        let sizes = Sizes { connections: 4, requests: 8, reserved_requests: 0 };
        let mut keys = Vec::new();
        for payload in 0..4 {
            let key = table.admit(from("192.0.2.1"), payload, &sizes).unwrap().key;
            table.sign_in(key, &"ada");
            table.begin(key, Privilege::Privileged, &sizes).unwrap();
            keys.push(key);
        }
        assert_eq!(table.admit(from("192.0.2.2"), 9, &sizes), Err(Full(4)));
        table.end(keys[2]);
        assert_eq!(table.admit(from("192.0.2.2"), 9, &sizes).unwrap().displaced, Some(2));
    }

    #[test]
    fn one_account_leaves_requests_for_others_and_the_reserve() {
        let mut table = Table::new();
        let mut take = |account: &'static str, privilege| {
            let mut taken = 0;
            loop {
                let key = open_as(&mut table, account, 0).0;
                match table.begin(key, privilege, &SIZES) {
                    Ok(()) => taken += 1,
                    Err(busy) => return (taken, busy),
                }
            }
        };
        assert_eq!(take("eve", Privilege::Ordinary), (15, Busy::Share(15)));
        assert_eq!(take("mallory", Privilege::Ordinary), (7, Busy::Share(7)));
        assert_eq!(take("ada", Privilege::Ordinary), (4, Busy::Share(4)));
        assert_eq!(take("root", Privilege::Privileged), (6, Busy::Total(32)));
        assert_eq!(take("ben", Privilege::Ordinary), (0, Busy::Total(32)));
    }

    #[test]
    fn few_requests_are_shared_completely() {
        for (requests, expected) in [(1, 1), (2, 2), (3, 2), (4, 3), (300, 151)] {
            let sizes = Sizes { connections: 1_000, requests, reserved_requests: 0 };
            let mut table = Table::new();
            let mut taken = 0;
            loop {
                let key = table.admit(from("192.0.2.1"), 0, &sizes).unwrap().key;
                table.sign_in(key, &"ada");
                if table.begin(key, Privilege::Ordinary, &sizes).is_err() {
                    break;
                }
                taken += 1;
            }
            assert_eq!(taken, expected, "of {requests}");
        }
    }

    #[test]
    fn the_first_connections_of_privileged_accounts_are_displaced_last() {
        let mut table = Table::new();
        let root = open_as(&mut table, "root", 0).0;
        table.begin(root, Privilege::Privileged, &SIZES).unwrap();
        table.end(root);
        open_as(&mut table, "root", 1);
        for payload in 2..64 {
            let name: &'static str = ["ada", "ben", "cleo"][payload % 3];
            open_as(&mut table, name, payload);
        }
        for payload in 100..112 {
            let displaced = open(&mut table, &format!("192.0.2.{payload}"), payload).1;
            assert!(displaced.is_some_and(|payload| payload > 1), "{displaced:?}");
        }
    }

    #[test]
    fn accounts_of_equal_weight_give_way_by_idle_time() {
        let mut table = Table::new();
        let names: Vec<&'static str> =
            (0..64).map(|n| &*Box::leak(format!("user{n}").into_boxed_str())).collect();
        let keys: Vec<_> = names.iter().enumerate().map(|(n, name)| open_as(&mut table, name, n).0).collect();
        table.begin(keys[0], Privilege::Ordinary, &SIZES).unwrap();
        table.end(keys[0]);
        assert_eq!(open(&mut table, "198.51.100.1", 100).1, Some(1));
    }

    #[test]
    fn a_connection_can_be_displaced_from_a_table_with_room() {
        let mut table = Table::new();
        assert_eq!(table.displace(), None);
        for payload in 0..12 {
            open_as(&mut table, if payload < 2 { "ada" } else { "eve" }, payload);
        }
        for payload in 12..14 {
            open(&mut table, "192.0.2.1", payload);
        }
        assert_eq!((table.displace(), table.displace()), (Some(2), Some(3)));
        for payload in 15..18 {
            open(&mut table, "192.0.2.1", payload);
        }
        assert_eq!(table.displace(), Some(12));
    }

    #[test]
    fn removing_every_connection_leaves_an_empty_table() {
        let mut table = Table::new();
        let mut keys = Vec::new();
        for payload in 0..200 {
            let (key, _) = open(&mut table, &format!("2001:db8:{payload:x}::1"), payload);
            if payload % 2 == 0 {
                table.sign_in(key, if payload % 4 == 0 { &"ada" } else { &"ben" });
                let _ = table.begin(key, Privilege::Ordinary, &SIZES);
                if payload % 3 == 0 {
                    table.sign_in(key, &"cleo");
                    table.end(key);
                    table.sign_in(key, &"cleo");
                }
            }
            keys.push(key);
        }
        for key in keys {
            table.remove(key);
            assert_eq!(table.remove(key), None);
        }
        assert!(table.is_empty() && table.sources.is_empty() && table.accounts.is_empty(), "{table:?}");
        assert_eq!(table.accounts.in_progress(), 0);
    }
}
