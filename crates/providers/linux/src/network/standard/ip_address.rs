//! `MSFT_NetIPAddress`.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use cim::{ColumnSet, Instance, Value};
use linux::network::address::{self, Address};
use linux::network::change;
use linux::network::link::Link;
use wmi::{Context, Lookup, MethodCall, ProviderError, Target};

use super::{Aliases, Family, Names, lifetime, link_of, made, seconds, wrong};
use crate::Machine;
use crate::table::{Fill, Table, failure};

/// IP addresses of links.
pub(super) struct IpAddress;

/// An IP address.
pub(super) struct Row {
    pub(super) address: Address,
    name: String,
    aliases: Rc<Aliases>,
}

impl Row {
    pub(super) fn all(machine: &Machine) -> Vec<Self> {
        let (aliases, mut names) = (Rc::<Aliases>::default(), Names::default());
        Address::all(machine)
            .into_iter()
            .map(|address| {
                let name = format!("{}%{}", address.address, address.link);
                let name = names.unique(name, || address.prefix.to_string());
                Self { address, name, aliases: aliases.clone() }
            })
            .collect()
    }

    fn named(machine: &Machine, name: &str) -> Option<Self> {
        Self::all(machine).into_iter().find(|row| cim::wql::equal(&row.name, name))
    }

    fn v4(&self) -> Option<String> {
        Some(self.address.address).filter(IpAddr::is_ipv4).map(|address| address.to_string())
    }

    fn v6(&self) -> Option<String> {
        Some(self.address.address).filter(IpAddr::is_ipv6).map(|address| address.to_string())
    }

    /// Returns whether a kernel flag is set (`IFA_F_*`).
    fn has(&self, flag: u32) -> bool {
        self.address.flags & flag != 0
    }

    fn is_of_link(&self) -> bool {
        match self.address.address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        }
    }

    /// Returns the origin of the prefix (`PrefixOrigin`, reference of `MSFT_NetIPAddress`): 1 manual, 2
    /// well-known, 3 DHCP, 4 router advertisement.
    fn prefix_origin(&self) -> u16 {
        let address = &self.address;
        if address.address.is_loopback() || self.is_of_link() {
            2
        } else if address.is_permanent {
            1
        } else if address.address.is_ipv4() || address.prefix == 128 {
            3
        } else {
            4
        }
    }

    /// Returns the origin of the suffix: as above, but 4 is the link-layer address and 5 random.
    fn suffix_origin(&self) -> u16 {
        let address = &self.address;
        match self.prefix_origin() {
            2 if address.address.is_loopback() => 2,
            2 | 4 => match address.address {
                // Identifiers derived from the link-layer address contain FF FE in the middle (RFC 4291,
                // appendix A).
                IpAddr::V6(v6) if matches!(v6.octets(), [.., 0xFF, 0xFE, _, _, _]) => 4,
                _ => 5,
            },
            origin => origin,
        }
    }

    /// Returns the origin of the address: 0 unknown, 2 not applicable, 3 manual, 4 DHCP, 7 DHCPv6, 8
    /// stateless autoconfiguration or link-local (RFC 4862; `CIM_IPProtocolEndpoint`, `AddressOrigin`).
    fn address_origin(&self) -> u16 {
        let is_v4 = self.address.address.is_ipv4();
        match self.prefix_origin() {
            1 => 3,
            2 if self.address.address.is_loopback() => 2,
            // The kernel does not know whether it was configured or chosen automatically (RFC 3927, which
            // would be 6).
            2 if is_v4 => 0,
            3 if is_v4 => 4,
            3 => 7,
            _ => 8,
        }
    }

    /// Returns the state: 1 tentative, 2 duplicate, 3 deprecated, 4 preferred (`AddressState`).
    fn state(&self) -> u16 {
        match () {
            () if self.has(DUPLICATE) => 2,
            () if self.has(TENTATIVE) => 1,
            () if self.has(DEPRECATED) => 3,
            () => 4,
        }
    }
}

/// Address flags of the kernel (`IFA_F_DADFAILED`, `IFA_F_DEPRECATED`, `IFA_F_TENTATIVE`).
const DUPLICATE: u32 = 0x08;
const DEPRECATED: u32 = 0x20;
const TENTATIVE: u32 = 0x40;

impl Table for IpAddress {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetIPAddress";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Address", |_, row| row.address.address.to_string().into()),
        ("AddressFamily", |_, row| Family::of(row.address.address).number().into()),
        ("AddressOrigin", |_, row| row.address_origin().into()),
        ("AddressState", |_, row| row.state().into()),
        // 1 is IPv4, 2 IPv6.
        ("AddressType", |_, row| if row.address.address.is_ipv4() { 1_u16 } else { 2 }.into()),
        ("Caption", |_, row| row.address.address.to_string().into()),
        ("ElementName", |_, row| row.address.address.to_string().into()),
        ("IPAddress", |_, row| row.address.address.to_string().into()),
        ("IPVersionSupport", |_, row| if row.address.address.is_ipv4() { 1_u16 } else { 2 }.into()),
        ("IPv4Address", |_, row| row.v4().into()),
        ("IPv6Address", |_, row| row.v6().into()),
        ("InterfaceAlias", |machine, row| row.aliases.of(machine, row.address.link).into()),
        ("InterfaceIndex", |_, row| row.address.link.into()),
        ("Name", |_, row| row.name.clone().into()),
        ("PreferredLifetime", |_, row| lifetime(row.address.preferred)),
        ("PrefixLength", |_, row| row.address.prefix.into()),
        ("PrefixOrigin", |_, row| row.prefix_origin().into()),
        // Numbers of the DMTF for IPv4 and IPv6.
        ("ProtocolIFType", |_, row| if row.address.address.is_ipv4() { 4_096_u16 } else { 4_097 }.into()),
        // An address with preferred lifetime zero is not chosen as source on Linux.
        ("SkipAsSource", |_, row| (row.address.preferred == 0).into()),
        // 0 is persistent, 1 active.
        ("Store", |_, _| 1_u8.into()),
        ("SubnetMask", |_, row| {
            let mask = row.v4().map(|_| address::mask(row.address.prefix).to_string());
            mask.into()
        }),
        ("SuffixOrigin", |_, row| row.suffix_origin().into()),
        // 1 is unicast; the kernel lists no others here.
        ("Type", |_, _| 1_u8.into()),
        ("ValidLifetime", |_, row| lifetime(row.address.valid)),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(Row::all(machine).into_iter())
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        if (call.operation.method.name.as_str(), call.target) != ("Create", Target::Class) {
            return Err(ProviderError::NotCapable);
        }
        let link = link_of(machine, call.input)?;
        let address = wanted(call.input, &link)?;
        let store = call.input.value("PolicyStore").and_then(Value::as_str).unwrap_or_default();
        if Address::all(machine).iter().any(|one| is_same(one, &address)) {
            let problem = format!("{} already has the address {}", link.name, address.address);
            return Err(ProviderError::failed(cim::Status::AlreadyExists, problem));
        }
        change::add_address(machine, &link, &address, change::Store::named(store)).map_err(failure)?;
        let gateway =
            call.input.value("DefaultGateway").and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(gateway) = gateway {
            let gateway = gateway.parse().map_err(|_| wrong(format!("{gateway} is not an IP address")))?;
            change::add_gateway(machine, &link, gateway, change::Store::named(store)).map_err(failure)?;
        }
        let made_now: Vec<Row> =
            Row::all(machine).into_iter().filter(|row| is_same(&row.address, &address)).collect();
        made::<Self>(machine, call, &made_now)
    }

    fn put(
        &self,
        machine: &Arc<Machine>,
        _: &Context,
        instance: &Instance,
        changed: &ColumnSet,
    ) -> Result<(), ProviderError> {
        let name = instance.value("Name").and_then(Value::as_str).unwrap_or_default();
        let before = Row::named(machine, name).ok_or_else(|| no_such(name))?.address;
        let is_changed =
            |name: &str| instance.class().column(name).is_some_and(|column| changed.contains(column));
        let mut after = before;
        if is_changed("PrefixLength") {
            after.prefix = prefix(value_of(instance, "PrefixLength"), before.address)?;
        }
        if is_changed("ValidLifetime") {
            after.valid = seconds(value_of(instance, "ValidLifetime"))
                .ok_or_else(|| wrong("ValidLifetime is not a duration"))?;
        }
        if is_changed("PreferredLifetime") {
            let preferred = seconds(value_of(instance, "PreferredLifetime"));
            after.preferred = preferred.ok_or_else(|| wrong("PreferredLifetime is not a duration"))?;
        }
        if is_changed("SkipAsSource") {
            after.preferred =
                if *value_of(instance, "SkipAsSource") == Value::Boolean(true) { 0 } else { after.valid };
        }
        after.preferred = after.preferred.min(after.valid);
        let link = Link::numbered(machine, before.link).ok_or_else(|| no_such(name))?;
        change::alter_address(&link, &before, &after).map_err(failure)
    }

    fn delete(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        let at = lookup.class.keys().iter().position(|key| lookup.class.column("Name") == Some(*key));
        let name = at.and_then(|at| lookup.keys.get(at)).and_then(Value::as_str).unwrap_or_default();
        let Some(row) = Row::named(machine, name) else { return Ok(false) };
        let Some(link) = Link::numbered(machine, row.address.link) else { return Ok(false) };
        change::remove_address(machine, &link, &row.address).map_err(failure)?;
        Ok(true)
    }
}

fn no_such(name: &str) -> ProviderError {
    ProviderError::failed(cim::Status::NotFound, format!("address {name} not found"))
}

/// Returns the address that a client wants to add.
fn wanted(input: &Instance, link: &Link) -> Result<Address, ProviderError> {
    let text = value_of(input, "IPAddress").as_str().unwrap_or_default();
    let address: IpAddr =
        text.parse().map_err(|_| wrong(format!("IPAddress '{text}' is not an IP address")))?;
    if address.is_unspecified() || address.is_multicast() {
        return Err(wrong(format!("{address} is not a unicast address")));
    }
    if value_of(input, "Type").as_integer().is_some_and(|kind| kind != 1) {
        return Err(wrong("Type must be 1 (unicast)"));
    }
    let valid = lifetime_of(input, "ValidLifetime")?;
    let skips = *value_of(input, "SkipAsSource") == Value::Boolean(true);
    let prefix = match value_of(input, "PrefixLength") {
        Value::Null => {
            if address.is_ipv4() {
                32
            } else {
                128
            }
        }
        value => prefix(value, address)?,
    };
    Ok(Address {
        link: link.index,
        address,
        prefix,
        is_permanent: valid == Address::FOREVER,
        scope: 0,
        flags: 0,
        origin: None,
        preferred: if skips { 0 } else { lifetime_of(input, "PreferredLifetime")?.min(valid) },
        valid,
    })
}

fn is_same(one: &Address, other: &Address) -> bool {
    (one.link, one.address) == (other.link, other.address)
}

/// Returns a lifetime in seconds, without end if it is not given.
fn lifetime_of(input: &Instance, name: &str) -> Result<u32, ProviderError> {
    match value_of(input, name) {
        Value::Null => Ok(Address::FOREVER),
        value => seconds(value).ok_or_else(|| wrong(format!("{name} is not a duration"))),
    }
}

fn value_of<'a>(instance: &'a Instance, name: &str) -> &'a Value {
    instance.value(name).unwrap_or(&Value::Null)
}

fn prefix(value: &Value, of: IpAddr) -> Result<u8, ProviderError> {
    let most = if of.is_ipv4() { 32 } else { 128 };
    let bits = value.as_integer().and_then(|bits| u8::try_from(bits).ok());
    bits.filter(|bits| (1..=most).contains(bits))
        .ok_or_else(|| wrong(format!("PrefixLength must be 1 to {most}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_and_states_have_documented_numbers() {
        let row = |text: &str, prefix, is_permanent, flags| {
            let address = text.parse().expect("an address");
            let address = Address {
                link: 1,
                address,
                prefix,
                is_permanent,
                scope: 0,
                flags,
                origin: None,
                preferred: Address::FOREVER,
                valid: Address::FOREVER,
            };
            Row { address, name: String::new(), aliases: Rc::default() }
        };
        for (text, prefix, is_permanent, wanted) in [
            ("127.0.0.1", 8, true, [2, 2, 2]),
            ("192.0.2.1", 24, true, [1, 1, 3]),
            ("192.0.2.1", 24, false, [3, 3, 4]),
            ("169.254.7.8", 16, true, [2, 5, 0]),
            ("2001:db8::1", 128, false, [3, 3, 7]),
            ("2001:db8::211:22ff:fe33:4455", 64, false, [4, 4, 8]),
            ("2001:db8::1:2:3:4", 64, false, [4, 5, 8]),
            ("fe80::211:22ff:fe33:4455", 64, true, [2, 4, 8]),
        ] {
            let row = row(text, prefix, is_permanent, 0);
            let reported = [row.prefix_origin(), row.suffix_origin(), row.address_origin()];
            assert_eq!(reported, wanted, "{text}");
        }
        let states = [0, TENTATIVE, TENTATIVE | DUPLICATE, DEPRECATED];
        assert_eq!(states.map(|flags| row("192.0.2.1", 24, true, flags).state()), [4, 1, 2, 3]);
    }
}
