//! Fair sharing of connections, requests in progress and unfinished bodies between sources and accounts.
//!
//! `docs/limits.md` describes the limits for administrators, and [`FairTable`] contains the rules.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Config;
use limits::{
    Admitted, Busy, Capacity, ConnectionKey, FairTable, FoldedWarnings, Full, KeyedLimit, Origin, Permit,
    Prefix, Privilege, Refusal, Sizes,
};
use locks::Mutex;
use sddl::{Principal, Sid, well_known};
use tokio::sync::{Notify, watch};

use crate::caller::Caller;
use crate::metrics::{Limit, Metrics};

/// Connections of the service, their requests in progress and their unfinished bodies.
pub(crate) struct ConnectionTable {
    table: Mutex<Table>,
    /// Bytes of bodies that are being received.
    bodies: KeyedLimit<Sender>,
    /// Number of connections that are not closed yet, displaced ones included.
    open: watch::Sender<usize>,
    displacements: Mutex<FoldedWarnings<()>>,
    refusals: Mutex<FoldedWarnings<()>>,
    metrics: Arc<Metrics>,
}

type Table = FairTable<Source, Sid, Arc<Notify>>;

/// Origin of an unauthenticated connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// A network, by the address of the client.
    Network(Prefix),
    /// A user of this machine, by UID.
    LocalUser(u32),
    /// The health check of the service itself.
    HealthCheck,
}

/// Sender of a body: its source before authentication, its account afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sender {
    Source(Source),
    Account(Sid),
}

/// Slot of a connection, counted until it is dropped.
pub(crate) struct ConnectionSlot {
    table: Arc<ConnectionTable>,
    key: ConnectionKey,
    source: Source,
    displaced: Arc<Notify>,
}

/// Slot of a request in progress, counted until it is dropped.
pub(crate) struct RequestSlot<'c>(&'c ConnectionSlot);

impl Source {
    /// Returns the networks of an address, the widest first.
    pub(crate) fn of_address(address: IpAddr) -> [Self; 3] {
        Origin::of(address).prefixes().map(Self::Network)
    }

    /// Returns a user of this machine as the source of a connection to the local socket.
    pub(crate) fn of_local_user(uid: u32) -> [Self; 3] {
        [Self::LocalUser(uid); 3]
    }
}

impl ConnectionTable {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::new(Table::new()),
            bodies: KeyedLimit::new(),
            open: watch::Sender::new(0),
            displacements: Mutex::new(FoldedWarnings::new(REPORTS, 1)),
            refusals: Mutex::new(FoldedWarnings::new(REPORTS, 1)),
            metrics,
        })
    }

    /// Admits a new connection. If the table is full, another connection is closed for it.
    ///
    /// # Errors
    /// [`Full`] if every connection has a request in progress; this is logged.
    pub(crate) fn admit(
        self: &Arc<Self>,
        source: [Source; 3],
        config: &Config,
    ) -> Result<ConnectionSlot, Full> {
        let displaced = Arc::new(Notify::new());
        let admitted = self.table.lock().admit(source, Arc::clone(&displaced), &sizes(config));
        let admitted = admitted.inspect_err(|full| {
            self.metrics.refuse(Limit::Connections);
            if let Some(count) = due(&self.refusals) {
                tracing::warn!(count, reason = %full, "Connections refused: raise Connections/MaxOpen");
            }
        })?;
        let Admitted { key, displaced: victim } = admitted;
        if let Some(victim) = victim {
            victim.notify_one();
            if let Some(count) = due(&self.displacements) {
                let most = sizes(config).connections;
                tracing::warn!(
                    count,
                    most,
                    "Connections closed in favour of new ones: raise Connections/MaxOpen if the number of clients is legitimate"
                );
            }
        }
        self.open.send_modify(|count| *count += 1);
        self.metrics.accept();
        let [_, _, source] = source;
        Ok(ConnectionSlot { table: Arc::clone(self), key, source, displaced })
    }

    /// Closes some connections because a new one cannot be accepted for lack of file descriptors. Returns whether any
    /// was closed.
    pub(crate) fn make_room(&self) -> bool {
        let mut table = self.table.lock();
        let displaced: Vec<_> = std::iter::from_fn(|| table.displace()).take(ROOM).collect();
        drop(table);
        displaced.iter().for_each(|connection| connection.notify_one());
        !displaced.is_empty()
    }

    /// Returns the number of open connections.
    pub(crate) fn len(&self) -> usize {
        *self.open.borrow()
    }

    /// Waits until every connection is closed.
    pub(crate) async fn closed(&self) {
        // The sender is a field of `self`, so waiting cannot fail.
        let _ = self.open.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl ConnectionSlot {
    /// Counts the connection for the account of an authenticated caller.
    pub(crate) fn sign_in(&self, caller: &Caller) {
        self.table.table.lock().sign_in(self.key, &caller.sid());
    }

    /// Counts a request of a caller as in progress, until the slot is dropped.
    ///
    /// # Errors
    /// [`Busy`] if too many requests are in progress, for this account or in total.
    pub(crate) fn begin_request(&self, caller: &Caller, config: &Config) -> Result<RequestSlot<'_>, Busy> {
        let begun = self.table.table.lock().begin(self.key, privilege(caller), &sizes(config));
        begun.inspect_err(|busy| {
            self.table.metrics.refuse(Limit::Requests);
            if let Some(count) = due(&self.table.refusals) {
                let account = caller.identity().account();
                tracing::warn!(count, account = %account.name, reason = %busy, "Requests refused with 503");
            }
        })?;
        Ok(RequestSlot(self))
    }

    /// Counts the bytes of a body to be received, until the permit is dropped.
    ///
    /// # Errors
    /// [`Refusal`] if too many bytes are being received, from this sender or in total.
    pub(crate) fn receive_body(
        &self,
        caller: Option<&Caller>,
        bytes: usize,
        config: &Config,
    ) -> Result<Permit<Sender>, Refusal> {
        let sender = caller.map_or(Sender::Source(self.source), |caller| Sender::Account(caller.sid()));
        let largest = usize::try_from(config.max_envelope_sizekb.bytes()).unwrap_or(usize::MAX);
        let total = BODIES.max(largest.saturating_mul(LARGEST_BODIES));
        let bytes = bytes.max(LEAST_BODY);
        let permit = match caller.map_or(Privilege::Ordinary, privilege) {
            Privilege::Privileged => {
                self.table.bodies.acquire_many(sender, bytes, Capacity { total, per_key: total })
            }
            Privilege::Ordinary => self.table.bodies.acquire_share(sender, bytes, total - total / 8),
        };
        permit.inspect_err(|refusal| {
            self.table.metrics.refuse(Limit::Bodies);
            if let Some(count) = due(&self.table.refusals) {
                tracing::warn!(count, ?sender, reason = %refusal, "Bodies of requests refused with 503");
            }
        })
    }

    /// Waits until the connection must be closed for a new one.
    pub(crate) async fn displaced(&self) {
        self.displaced.notified().await;
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.table.table.lock().remove(self.key);
        self.table.open.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl Drop for RequestSlot<'_> {
    fn drop(&mut self) {
        self.0.table.table.lock().end(self.0.key);
    }
}

/// Returns the table sizes of the settings.
///
/// At most 512 requests are in progress and at least 640 connections may be open, so there is always one to displace.
fn sizes(config: &Config) -> Sizes {
    let connections = usize::try_from(config.connections.max_open.get()).unwrap_or(usize::MAX);
    let requests = usize::try_from(config.service.max_connections.get()).unwrap_or(usize::MAX);
    Sizes { connections, requests, reserved_requests: requests / 8 }
}

/// Returns whether a caller may use the reserve for administrators, which include root.
fn privilege(caller: &Caller) -> Privilege {
    match caller.token().holds(Principal::Sid(well_known::ADMINISTRATORS)) {
        true => Privilege::Privileged,
        false => Privilege::Ordinary,
    }
}

/// Counts an event and returns how many to report now.
pub(crate) fn due(reports: &Mutex<FoldedWarnings<()>>) -> Option<u64> {
    let report = reports.lock().note((), Instant::now());
    report.map(|report| report.repeated.saturating_add(1))
}

/// Number of connections that are closed together when file descriptors are exhausted.
const ROOM: usize = 8;
/// Interval between log records about the same limit.
pub(crate) const REPORTS: Duration = Duration::from_secs(60);
/// Minimum of the total number of bytes of bodies that may be received at the same time.
const BODIES: usize = 64 * 1_024 * 1_024;
/// The same total as a multiple of the largest body that the settings allow; the larger of both applies.
const LARGEST_BODIES: usize = 16;
/// Minimum number of bytes that a body counts.
const LEAST_BODY: usize = 4 * 1_024;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use auth::{Account, AccountList, Identity, basic};
    use sddl::{DomainSid, Token};

    use super::*;

    fn caller(name: &str, rid: u32, groups: &[Sid]) -> Caller {
        let accounts = AccountList::parse(&format!("{name}:pw\n")).unwrap();
        let header = basic::authorization(name, &auth::Secret::new("pw".to_owned()));
        let login = basic::Login::parse(header.strip_prefix("Basic ").unwrap()).unwrap();
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let identity = Identity::by_password(&login, &accounts, here).unwrap();
        assert_eq!(*identity.account(), Account { name: name.to_owned() });
        let machine = DomainSid::new([1, 2, 3]);
        Caller::new(identity, Token::new(machine.account(rid), groups.iter().copied(), machine), here)
    }

    fn admit(table: &Arc<ConnectionTable>, last: u8) -> ConnectionSlot {
        let address = Ipv4Addr::new(192, 0, 2, last);
        table.admit(Source::of_address(address.into()), &Config::default()).unwrap()
    }

    #[tokio::test]
    async fn a_full_table_closes_a_connection_of_the_heaviest_account() {
        let (table, eve) = (ConnectionTable::new(Arc::new(Metrics::new())), caller("eve", 1_001, &[]));
        let most = sizes(&Config::default()).connections;
        let slots: Vec<_> = (0..most).map(|_| admit(&table, 1)).collect();
        for slot in &slots {
            slot.sign_in(&eve);
        }
        let busy = slots.first().unwrap().begin_request(&eve, &Config::default()).unwrap();
        let newcomer = admit(&table, 2);
        slots.get(1).unwrap().displaced().await;
        drop(busy);
        drop((slots, newcomer));
        table.closed().await;
        assert!(table.table.lock().is_empty());
    }

    #[test]
    fn a_greedy_account_leaves_requests_for_others_and_administrators() {
        let config = Config::default();
        let table = ConnectionTable::new(Arc::new(Metrics::new()));
        let (eve, ada) = (caller("eve", 1_001, &[]), caller("ada", 1_002, &[]));
        let root = caller("root", 0, &[well_known::ADMINISTRATORS]);
        let slots: Vec<_> = (0..400).map(|_| admit(&table, 1)).collect();
        slots.iter().for_each(|slot| slot.sign_in(&eve));
        let taken: Vec<_> = slots.iter().filter_map(|slot| slot.begin_request(&eve, &config).ok()).collect();
        assert!((100..=200).contains(&taken.len()), "{}", taken.len());
        for other in [&ada, &root] {
            let slot = admit(&table, 2);
            slot.sign_in(other);
            assert!(slot.begin_request(other, &config).is_ok());
        }
    }

    #[test]
    fn one_sender_leaves_room_for_the_bodies_of_others() {
        let config = Config::default();
        let table = ConnectionTable::new(Arc::new(Metrics::new()));
        let (eve, ada) = (caller("eve", 1_001, &[]), caller("ada", 1_002, &[]));
        let slot = admit(&table, 1);
        let mut permits: Vec<_> =
            std::iter::from_fn(|| slot.receive_body(Some(&eve), 512_000, &config).ok()).collect();
        assert!((50..=70).contains(&permits.len()), "{}", permits.len());
        permits.extend(std::iter::from_fn(|| slot.receive_body(None, 512_000, &config).ok()));
        assert!(slot.receive_body(Some(&ada), 512_000, &config).is_ok());
        drop(permits);
        assert_eq!(table.bodies.total(), 0);
    }
}
