//! `Win32_PingStatus`: sends an ICMP echo request to the machine that a query names.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use cim::Value;
use linux::network::echo::{EchoRequest, EchoResult, Status, ask};
use linux::program;
use wmi::{Lookup, ProviderError, Scan};

use crate::Machine;
use crate::table::{Fill, Push, Table};

/// Results of echo requests.
pub(crate) struct PingStatus;

/// A request and its result.
pub(crate) struct Row {
    query: Query,
    address: Option<IpAddr>,
    outcome: Option<EchoResult>,
}

/// Parameters of a request, from the conditions of a query.
#[derive(Clone, Debug)]
struct Query {
    name: String,
    octets: u32,
    is_whole: bool,
    resolves: bool,
    milliseconds: u32,
    hops: u32,
    service: u32,
    record_route: u32,
    source_route: String,
    source_route_type: u32,
    timestamp_route: u32,
}

impl Query {
    /// Reads the keys of a row; keys not set in the query have the Windows defaults.
    fn new(name: &str, key: impl Fn(&str) -> Option<Value>) -> Self {
        let number = |name: &str, otherwise: u32| {
            let given =
                key(name).as_ref().and_then(Value::as_integer).and_then(|number| u32::try_from(number).ok());
            given.unwrap_or(otherwise)
        };
        let is_set = |name: &str| key(name) == Some(Value::Boolean(true));
        Self {
            name: name.to_owned(),
            octets: number("BufferSize", 32),
            is_whole: is_set("NoFragmentation"),
            resolves: is_set("ResolveAddressNames"),
            milliseconds: number("Timeout", 1_000),
            hops: number("TimeToLive", 128),
            service: number("TypeofService", 0),
            record_route: number("RecordRoute", 0),
            source_route: key("SourceRoute").as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
            source_route_type: number("SourceRouteType", 0),
            timestamp_route: number("TimestampRoute", 0),
        }
    }

    fn ask(self) -> Row {
        let address = (self.name.as_str(), 0_u16).to_socket_addrs().ok().and_then(|mut found| found.next());
        let address = address.map(|address| address.ip());
        let outcome = address.map(|address| {
            ask(&EchoRequest {
                address,
                octets: usize::try_from(self.octets.min(MOST_OCTETS)).unwrap_or_default(),
                hops: u8::try_from(self.hops).unwrap_or(u8::MAX).max(1),
                service: u8::try_from(self.service).unwrap_or_default(),
                is_whole: self.is_whole,
                patience: Duration::from_millis(self.milliseconds.min(LONGEST_WAIT).into()),
            })
        });
        Row { query: self, address, outcome }
    }
}

/// Maximum packet size in bytes, which an IPv4 datagram can hold.
const MOST_OCTETS: u32 = 65_500;

/// Maximum time limit in milliseconds.
const LONGEST_WAIT: u32 = 30_000;

/// `WSAHOST_NOT_FOUND`
const HOST_NOT_FOUND: u32 = 11_001;

/// Returns the Windows code of a status (`IP_STATUS`).
fn code(status: Status) -> u32 {
    match status {
        Status::Replied => 0,
        Status::NetworkUnreachable => 11_002,
        Status::HostUnreachable => 11_003,
        Status::TooBig => 11_009,
        Status::TimedOut => 11_010,
        Status::Expired => 11_013,
        Status::Failed => 11_050,
    }
}

impl Table for PingStatus {
    type Row = Row;

    const CLASS: &'static str = "Win32_PingStatus";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Address", |_, row| row.query.name.clone().into()),
        ("BufferSize", |_, row| row.query.octets.into()),
        ("NoFragmentation", |_, row| row.query.is_whole.into()),
        ("PrimaryAddressResolutionStatus", |_, row| {
            if row.address.is_some() { 0 } else { HOST_NOT_FOUND }.into()
        }),
        ("ProtocolAddress", |_, row| {
            row.address.map(|address| address.to_string()).unwrap_or_default().into()
        }),
        ("ProtocolAddressResolved", |_, row| match row.address.filter(|_| row.query.resolves) {
            Some(address) => name_of(address).unwrap_or_else(|| address.to_string()).into(),
            None => "".into(),
        }),
        ("RecordRoute", |_, row| row.query.record_route.into()),
        ("ReplyInconsistency", |_, row| row.outcome.as_ref().map(|outcome| outcome.is_other).into()),
        ("ReplySize", |_, row| row.outcome.as_ref().and_then(|outcome| outcome.octets).into()),
        ("ResolveAddressNames", |_, row| row.query.resolves.into()),
        ("ResponseTime", |_, row| row.outcome.as_ref().and_then(|outcome| outcome.milliseconds).into()),
        ("ResponseTimeToLive", |_, row| row.outcome.as_ref().and_then(|outcome| outcome.hops).into()),
        ("SourceRoute", |_, row| row.query.source_route.clone().into()),
        ("SourceRouteType", |_, row| row.query.source_route_type.into()),
        ("StatusCode", |_, row| row.outcome.as_ref().map(|outcome| code(outcome.status)).into()),
        ("Timeout", |_, row| row.query.milliseconds.into()),
        ("TimestampRoute", |_, row| row.query.timestamp_route.into()),
        ("TimeToLive", |_, row| row.query.hops.into()),
        ("TypeofService", |_, row| row.query.service.into()),
    ];

    fn rows(&self, _: &Arc<Machine>, scan: &Scan, push: &mut Push<'_, Row>) -> Result<(), ProviderError> {
        let Some(addresses) = scan.pinned(&["Address"]) else {
            let message = "Win32_PingStatus requires an address\n  add WHERE Address = '192.0.2.1'";
            return Err(ProviderError::failed(cim::Status::InvalidQuery, message));
        };
        for name in addresses.iter().filter_map(|values| values.first()?.as_str()) {
            push(
                Query::new(name, |name: &str| scan.pinned(&[name])?.into_iter().next()?.into_iter().next())
                    .ask(),
            )?;
        }
        Ok(())
    }

    fn row(&self, _: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        let name = key_of(lookup, "Address");
        let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
        Ok(Some(Query::new(name, |name| key_of(lookup, name)).ask()))
    }
}

fn key_of(lookup: &Lookup<'_>, name: &str) -> Option<Value> {
    let column = lookup.class.column(name)?;
    let at = lookup.class.keys().iter().position(|key| *key == column)?;
    lookup.keys.get(at).cloned()
}

/// Returns the name of an address, from the name services of the machine.
fn name_of(address: IpAddr) -> Option<String> {
    let ended = program::of_system("getent", ["hosts", &address.to_string()], Duration::from_secs(5)).ok()?;
    ended.stdout.split_whitespace().nth(1).map(str::to_owned)
}
