//! `Win32_NetworkAdapterConfiguration`.

pub(super) mod methods;

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use cim::{Instance, Value};
use linux::network::address::Address;
use linux::network::lease::Lease;
use linux::network::link::Link;
use linux::network::resolver::Resolver;
use linux::network::route::Route;
use wmi::{EventSource, Lookup, MethodCall, ProviderError, Watch};

use super::adapter::caption;
use crate::Machine;
use crate::events;
use crate::table::{Fill, Table, host_name};

/// Configurations of network adapters.
pub(crate) struct Configuration;

/// Data read once for all links.
#[derive(Default)]
pub(crate) struct Everywhere {
    addresses: OnceCell<Vec<Address>>,
    routes: OnceCell<Vec<Route>>,
    resolver: OnceCell<Resolver>,
}

/// Configuration of a link.
pub(crate) struct Row {
    link: Link,
    everywhere: Rc<Everywhere>,
    lease: OnceCell<Option<Lease>>,
    resolver: OnceCell<Resolver>,
}

impl Row {
    fn new(link: Link, everywhere: Rc<Everywhere>) -> Self {
        Self { link, everywhere, lease: OnceCell::new(), resolver: OnceCell::new() }
    }

    fn addresses(&self, machine: &Machine) -> Vec<Address> {
        let all = self.everywhere.addresses.get_or_init(|| Address::all(machine));
        all.iter().filter(|address| address.link == self.link.index).copied().collect()
    }

    /// Returns the default routes, by priority.
    fn gateways(&self, machine: &Machine) -> Vec<Route> {
        let all = self.everywhere.routes.get_or_init(|| Route::all(machine)).iter();
        let mut own: Vec<Route> = all
            .filter(|route| route.link == self.link.index && route.is_default() && route.gateway.is_some())
            .copied()
            .collect();
        own.sort_by_key(|route| (route.network.is_ipv6(), route.metric));
        own
    }

    fn lease(&self, machine: &Machine) -> Option<&Lease> {
        self.lease.get_or_init(|| Lease::of(machine, &self.link)).as_ref()
    }

    /// Returns the name servers of the link, or those of the machine if it has none; `None` if the link is
    /// not in use.
    fn resolver(&self, machine: &Machine) -> Option<&Resolver> {
        self.is_enabled(machine).then(|| {
            self.resolver.get_or_init(|| {
                Resolver::of_link(machine, &self.link)
                    .unwrap_or_else(|| self.everywhere.resolver.get_or_init(|| Resolver::of(machine)).clone())
            })
        })
    }

    /// Returns whether the link is in use; the loopback link never is.
    fn is_enabled(&self, machine: &Machine) -> bool {
        let link = &self.link;
        link.is_up(machine) && !link.is_loopback(machine) && !self.addresses(machine).is_empty()
    }

    /// Returns whether its addresses come from DHCP.
    fn is_dynamic(&self, machine: &Machine) -> bool {
        self.addresses(machine).iter().any(|address| address.address.is_ipv4() && !address.is_permanent)
            || self.lease(machine).is_some()
    }
}

impl Table for Configuration {
    type Row = Row;

    const CLASS: &'static str = "Win32_NetworkAdapterConfiguration";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Caption", |machine, row| caption(machine, &row.link).into()),
        ("DatabasePath", |_, _| "/etc".into()),
        ("DefaultIPGateway", |machine, row| {
            let gateways = row.gateways(machine).into_iter().filter_map(|route| route.gateway);
            list(gateways.map(|gateway| gateway.to_string()))
        }),
        ("DefaultTTL", |machine, _| machine.number::<u8>("proc/sys/net/ipv4/ip_default_ttl").into()),
        ("Description", |machine, row| row.link.description(machine).into()),
        ("DHCPEnabled", |machine, row| row.is_dynamic(machine).into()),
        ("DHCPLeaseExpires", |machine, row| {
            row.lease(machine)
                .and_then(|lease| machine.timestamp(lease.expires?.checked_mul(1_000_000)?))
                .into()
        }),
        ("DHCPLeaseObtained", |machine, row| {
            row.lease(machine)
                .and_then(|lease| machine.timestamp(lease.obtained?.checked_mul(1_000_000)?))
                .into()
        }),
        ("DHCPServer", |machine, row| row.lease(machine).and_then(|lease| lease.server.clone()).into()),
        ("DNSDomain", |machine, row| {
            row.resolver(machine).and_then(|resolver| resolver.search.first().cloned()).into()
        }),
        ("DNSDomainSuffixSearchOrder", |machine, row| {
            list(row.resolver(machine).into_iter().flat_map(|resolver| resolver.search.iter().cloned()))
        }),
        ("DNSEnabledForWINSResolution", |_, _| false.into()),
        ("DNSHostName", host_name),
        ("DNSServerSearchOrder", |machine, row| {
            list(row.resolver(machine).into_iter().flat_map(|resolver| resolver.servers.iter().cloned()))
        }),
        ("DomainDNSRegistrationEnabled", |_, _| false.into()),
        ("FullDNSRegistrationEnabled", |_, _| false.into()),
        ("GatewayCostMetric", |machine, row| {
            let metrics = row
                .gateways(machine)
                .into_iter()
                .map(|route| u16::try_from(route.metric).unwrap_or(u16::MAX));
            list(metrics)
        }),
        ("Index", |_, row| row.link.index.into()),
        ("InterfaceIndex", |_, row| row.link.index.into()),
        ("IPAddress", |machine, row| {
            list(row.addresses(machine).into_iter().map(|address| address.address.to_string()))
        }),
        ("IPConnectionMetric", |machine, row| row.gateways(machine).first().map(|route| route.metric).into()),
        ("IPEnabled", |machine, row| row.is_enabled(machine).into()),
        ("IPFilterSecurityEnabled", |_, _| false.into()),
        ("IPSubnet", |machine, row| list(row.addresses(machine).iter().map(Address::mask))),
        ("KeepAliveInterval", |machine, _| milliseconds(machine, "tcp_keepalive_intvl")),
        ("KeepAliveTime", |machine, _| milliseconds(machine, "tcp_keepalive_time")),
        ("MACAddress", |machine, row| row.link.hardware_address(machine).into()),
        ("MTU", |machine, row| row.link.number::<u32>(machine, "mtu").into()),
        ("ServiceName", |machine, row| row.link.driver(machine).into()),
        ("SettingID", |machine, row| row.link.guid(machine).into()),
        // 2 disables NetBIOS over TCP.
        ("TcpipNetbiosOptions", |_, _| 2_u32.into()),
        ("WINSEnableLMHostsLookup", |_, _| false.into()),
    ];

    fn watch(
        &self,
        machine: &Arc<Machine>,
        _: &Watch<'_>,
    ) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(events::of_network(machine))
    }

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        let everywhere = Rc::<Everywhere>::default();
        Ok(Link::all(machine).into_iter().map(move |link| Row::new(link, everywhere.clone())))
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        let index =
            lookup.keys.first().and_then(Value::as_integer).and_then(|index| u32::try_from(index).ok());
        let link = index.and_then(|index| Link::numbered(machine, index));
        Ok(link.map(move |link| Row::new(link, Rc::default())))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        methods::invoke(machine, call)
    }
}

/// Returns an array, or NULL if it is empty.
pub(super) fn list<V: Into<Value>>(values: impl Iterator<Item = V>) -> Value {
    let values: Vec<V> = values.collect();
    if values.is_empty() { Value::Null } else { values.into() }
}

/// Returns a kernel setting in milliseconds; the kernel has it in seconds.
fn milliseconds(machine: &Machine, name: &str) -> Value {
    let seconds: Option<u32> = machine.number(format!("proc/sys/net/ipv4/{name}"));
    seconds.and_then(|seconds| seconds.checked_mul(1_000)).into()
}
