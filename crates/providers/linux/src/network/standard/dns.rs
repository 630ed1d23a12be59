//! `MSFT_DNSClientServerAddress`, `MSFT_DNSClient` and `MSFT_DNSClientGlobalSetting`: name servers and search
//! domains.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use cim::{ColumnSet, Instance, Status, Value};
use linux::network::change::set_resolver;
use linux::network::link::Link;
use linux::network::resolver::Resolver;
use wmi::{Context, ProviderError};

use super::{Family, wrong};
use crate::Machine;
use crate::network::configuration::methods::domains;
use crate::table::{Fill, Table, failure, host_name};

/// Name servers of each link, separately for IPv4 and IPv6.
pub(super) struct ServerAddress;

/// Search domains of each link.
pub(super) struct Client;

/// Search domains of the machine.
pub(super) struct GlobalSetting;

/// A link with its name service configuration.
pub(super) struct Row {
    link: Rc<Link>,
    family: Family,
    everywhere: Rc<OnceCell<Resolver>>,
    own: OnceCell<Resolver>,
}

impl Row {
    fn all(machine: &Machine, families: &'static [Family]) -> impl Iterator<Item = Self> {
        let everywhere = Rc::<OnceCell<Resolver>>::default();
        let links = Link::all(machine).into_iter().map(Rc::new);
        let pairs = links.flat_map(move |link| families.iter().map(move |family| (link.clone(), *family)));
        pairs.map(move |(link, family)| Self {
            link,
            family,
            everywhere: everywhere.clone(),
            own: OnceCell::new(),
        })
    }

    /// Returns the configuration of the link, or that of the machine if it has none; empty for loopback.
    fn resolver(&self, machine: &Machine) -> &Resolver {
        self.own.get_or_init(|| match self.link.is_loopback(machine) {
            true => Resolver::default(),
            false => Resolver::of_link(machine, &self.link)
                .unwrap_or_else(|| self.everywhere.get_or_init(|| Resolver::of(machine)).clone()),
        })
    }

    fn servers(&self, machine: &Machine) -> Vec<String> {
        self.resolver(machine)
            .servers
            .iter()
            .filter(|server| server.parse::<IpAddr>().is_ok_and(|address| Family::of(address) == self.family))
            .cloned()
            .collect()
    }

    fn name(&self) -> String {
        format!("{};{}", self.link.index, self.family.number())
    }
}

impl Table for ServerAddress {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_DNSClientServerAddress";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        // 3 is "DNS server".
        ("AccessContext", |_, _| 3_u16.into()),
        ("AddressFamily", |_, row| row.family.number().into()),
        ("Caption", |_, row| row.link.name.clone().into()),
        ("ElementName", |_, row| row.link.name.clone().into()),
        ("InterfaceAlias", |_, row| row.link.name.clone().into()),
        ("InterfaceIndex", |_, row| row.link.index.into()),
        ("Name", |_, row| row.name().into()),
        ("ServerAddresses", |machine, row| row.servers(machine).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(Row::all(machine, &Family::BOTH))
    }

    fn put(
        &self,
        machine: &Arc<Machine>,
        _: &Context,
        instance: &Instance,
        _: &ColumnSet,
    ) -> Result<(), ProviderError> {
        let row = named(machine, instance, &Family::BOTH)?;
        let wanted = instance.value("ServerAddresses").map(Value::elements).unwrap_or_default();
        let wanted: Vec<IpAddr> = wanted
            .iter()
            .map(|value| {
                let text = value.as_str().unwrap_or_default();
                text.parse::<IpAddr>()
                    .map_err(|_| wrong(format!("ServerAddresses: '{text}' is not an IP address")))
            })
            .collect::<Result<_, _>>()?;
        // Servers of the other family are kept, unless the client has set some.
        let others = row.resolver(machine).servers.iter().filter(|server| {
            let other = server.parse::<IpAddr>().ok().map(Family::of);
            other.is_some_and(|other| {
                other != row.family && !wanted.iter().any(|one| Family::of(*one) == other)
            })
        });
        let servers: Vec<String> = wanted.iter().map(ToString::to_string).chain(others.cloned()).collect();
        set_resolver(machine, Some(&row.link), Some(&servers), None).map_err(failure)
    }
}

/// Returns the row of an instance.
fn named(machine: &Machine, instance: &Instance, families: &'static [Family]) -> Result<Row, ProviderError> {
    let name = instance.value("Name").and_then(Value::as_str).unwrap_or_default();
    Row::all(machine, families)
        .find(|row| row.name() == name)
        .ok_or_else(|| ProviderError::failed(Status::NotFound, format!("interface {name} not found")))
}

/// Family for classes that list each link once.
const ONCE: &[Family] = &[Family::V4];

impl Table for Client {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_DNSClient";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Caption", |_, row| row.link.name.clone().into()),
        ("ConnectionSpecificSuffix", |machine, row| row.resolver(machine).search.first().cloned().into()),
        ("ConnectionSpecificSuffixSearchList", |machine, row| row.resolver(machine).search.clone().into()),
        ("ElementName", |_, row| row.link.name.clone().into()),
        ("Hostname", host_name),
        ("InterfaceAlias", |_, row| row.link.name.clone().into()),
        ("InterfaceIndex", |_, row| row.link.index.into()),
        ("Name", |_, row| row.name().into()),
        // Linux does not register addresses in DNS.
        ("RegisterThisConnectionsAddress", |_, _| false.into()),
        ("UseSuffixWhenRegistering", |_, _| false.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(Row::all(machine, ONCE))
    }

    fn put(
        &self,
        machine: &Arc<Machine>,
        _: &Context,
        instance: &Instance,
        _: &ColumnSet,
    ) -> Result<(), ProviderError> {
        let row = named(machine, instance, ONCE)?;
        let suffix = instance.value("ConnectionSpecificSuffix").and_then(Value::as_str).unwrap_or_default();
        let search = search(vec![suffix.to_owned()])?;
        set_resolver(machine, Some(&row.link), None, Some(&search)).map_err(failure)
    }
}

fn search(names: Vec<String>) -> Result<Vec<String>, ProviderError> {
    domains(names).map_err(|_| wrong("a suffix is a name of domains such as example.com"))
}

impl Table for GlobalSetting {
    type Row = Resolver;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_DNSClientGlobalSetting";

    const COLUMNS: &'static [(&'static str, Fill<Resolver>)] = &[
        ("DNSSuffixesToAppend", |_, resolver| resolver.search.clone().into()),
        ("DevolutionLevel", |_, _| 0_u32.into()),
        ("InstanceID", |_, _| "DNSClientGlobalSetting".into()),
        ("SuffixSearchList", |_, resolver| resolver.search.clone().into()),
        // resolv.conf(5) has no devolution to parent domains.
        ("UseDevolution", |_, _| false.into()),
        ("UseSuffixSearchList", |_, resolver| (!resolver.search.is_empty()).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Resolver>, ProviderError> {
        Ok(std::iter::once(Resolver::of(machine)))
    }

    fn put(
        &self,
        machine: &Arc<Machine>,
        _: &Context,
        instance: &Instance,
        _: &ColumnSet,
    ) -> Result<(), ProviderError> {
        let wanted = instance.value("SuffixSearchList").map(Value::elements).unwrap_or_default();
        let wanted = wanted.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        set_resolver(machine, None, None, Some(&search(wanted)?)).map_err(failure)
    }
}
