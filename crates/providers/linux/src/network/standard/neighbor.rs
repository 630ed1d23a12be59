//! `MSFT_NetNeighbor`.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use cim::{ColumnSet, Instance, Status, Value};
use linux::network::neighbor::Neighbor;
use wmi::{Context, Lookup, MethodCall, ProviderError, Target};

use super::{Aliases, Family, dashed, hardware_address, link_of, made, wrong};
use crate::Machine;
use crate::table::{Fill, Table, failure, text_of};

/// Neighbors.
pub(super) struct NetNeighbor;

/// A neighbor.
pub(super) struct Row {
    pub(super) neighbor: Neighbor,
    aliases: Rc<Aliases>,
}

impl Row {
    pub(super) fn all(machine: &Machine) -> impl Iterator<Item = Self> {
        let aliases = Rc::<Aliases>::default();
        Neighbor::all(machine).into_iter().map(move |neighbor| Self { neighbor, aliases: aliases.clone() })
    }

    fn named(machine: &Machine, name: &str) -> Option<Self> {
        Self::all(machine).find(|row| cim::wql::equal(&row.name(), name))
    }

    fn name(&self) -> String {
        format!("{}%{}", self.neighbor.address, self.neighbor.link)
    }
}

/// Returns the state of a neighbor: 0 unreachable, 1 incomplete, 2 probe, 3 delay, 4 stale, 5 reachable, 6
/// permanent (reference of `MSFT_NetNeighbor`, `State`), from the numbers of Linux (`NUD_*` of
/// linux/neighbour.h).
fn state(known: u16) -> u8 {
    match known {
        0x01 => 1,
        0x02 => 5,
        0x04 => 4,
        0x08 => 3,
        0x10 => 2,
        Neighbor::PERMANENT => 6,
        _ => 0,
    }
}

impl Table for NetNeighbor {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetNeighbor";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("AccessInfo", |_, row| row.neighbor.address.to_string().into()),
        ("AddressFamily", |_, row| Family::of(row.neighbor.address).number().into()),
        ("Caption", |_, row| row.neighbor.address.to_string().into()),
        ("ElementName", |_, row| row.neighbor.address.to_string().into()),
        ("IPAddress", |_, row| row.neighbor.address.to_string().into()),
        // 3 is an IPv4 address, 4 an IPv6 address (CIM_RemoteServiceAccessPoint).
        ("InfoFormat", |_, row| if row.neighbor.address.is_ipv4() { 3_u16 } else { 4 }.into()),
        ("InterfaceAlias", |machine, row| row.aliases.of(machine, row.neighbor.link).into()),
        ("InterfaceIndex", |_, row| row.neighbor.link.into()),
        ("LinkLayerAddress", |_, row| row.neighbor.hardware_address.as_deref().map(dashed).into()),
        ("Name", |_, row| row.name().into()),
        ("State", |_, row| state(row.neighbor.state).into()),
        ("Store", |_, _| 1_u8.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(Row::all(machine))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        if (call.operation.method.name.as_str(), call.target) != ("Create", Target::Class) {
            return Err(ProviderError::NotCapable);
        }
        let link = link_of(machine, call.input)?;
        let address: IpAddr = text_of(call.input, "IPAddress").parse().map_err(|_| {
            wrong(format!("IPAddress '{}' is not an IP address", text_of(call.input, "IPAddress")))
        })?;
        let neighbor = Neighbor {
            link: link.index,
            address,
            hardware_address: Some(on_link(text_of(call.input, "LinkLayerAddress"))?),
            state: Neighbor::PERMANENT,
        };
        if Row::all(machine)
            .any(|row| is_same(&row.neighbor, &neighbor) && row.neighbor.state == Neighbor::PERMANENT)
        {
            let problem = format!("{address} is already a neighbor on {}", link.name);
            return Err(ProviderError::failed(Status::AlreadyExists, problem));
        }
        neighbor.keep().map_err(failure)?;
        let rows: Vec<_> = Row::all(machine).filter(|row| is_same(&row.neighbor, &neighbor)).collect();
        made::<Self>(machine, call, &rows)
    }

    fn put(
        &self,
        machine: &Arc<Machine>,
        _: &Context,
        instance: &Instance,
        _: &ColumnSet,
    ) -> Result<(), ProviderError> {
        let name = text_of(instance, "Name");
        let before = Row::named(machine, name)
            .ok_or_else(|| ProviderError::failed(Status::NotFound, format!("neighbor {name} not found")))?
            .neighbor;
        let hardware_address = Some(on_link(text_of(instance, "LinkLayerAddress"))?);
        Neighbor { hardware_address, state: Neighbor::PERMANENT, ..before }.keep().map_err(failure)
    }

    fn delete(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        let at = lookup.class.keys().iter().position(|key| lookup.class.column("Name") == Some(*key));
        let name = at.and_then(|at| lookup.keys.get(at)).and_then(Value::as_str).unwrap_or_default();
        let Some(row) = Row::named(machine, name) else { return Ok(false) };
        row.neighbor.forget().map_err(failure)?;
        Ok(true)
    }
}

fn is_same(one: &Neighbor, other: &Neighbor) -> bool {
    (one.link, one.address) == (other.link, other.address)
}

fn on_link(text: &str) -> Result<Vec<u8>, ProviderError> {
    hardware_address(text)
        .ok_or_else(|| wrong(format!("LinkLayerAddress '{text}' is none such as 02-00-00-00-00-01")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_documented_numbers() {
        // Incomplete, reachable, stale, delay, probe, failed, permanent.
        let kernel = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x80];
        assert_eq!(kernel.map(state), [1, 5, 4, 3, 2, 0, 6]);
    }
}
