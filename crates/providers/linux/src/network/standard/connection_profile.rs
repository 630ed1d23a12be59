//! `MSFT_NetConnectionProfile`: connections of NetworkManager or networkd, with their connectivity.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use linux::network::link::Link;
use linux::network::network_manager::{self, Active};
use wmi::{Lookup, ProviderError};

use super::Family;
use crate::Machine;
use crate::table::{Fill, Table, text_key};

/// Managed links.
pub(super) struct ConnectionProfile;

/// A managed link.
pub(super) struct Row {
    link: Link,
    by: By,
}

/// Service that manages a link, with its data.
enum By {
    NetworkManager(Active),
    /// State file of networkd (`/run/systemd/netif/links`).
    Networkd(String),
}

/// Connectivity, in numbers of Windows.
const NO_TRAFFIC: u32 = 1;
const SUBNET: u32 = 2;
const LOCAL_NETWORK: u32 = 3;
const INTERNET: u32 = 4;

impl Row {
    fn all(machine: &Machine) -> Vec<Self> {
        let active = Rc::<OnceCell<Vec<Active>>>::default();
        Link::all(machine).into_iter().filter_map(|link| Self::of(machine, link, &active)).collect()
    }

    fn of(machine: &Machine, link: Link, active: &OnceCell<Vec<Active>>) -> Option<Self> {
        let mut of_manager = active.get_or_init(|| network_manager::active(machine)).iter();
        let by = match of_manager.find(|active| active.interface == link.name) {
            Some(active) => By::NetworkManager(active.clone()),
            None => By::Networkd(state_of_networkd(machine, &link)?),
        };
        Some(Self { link, by })
    }

    fn name(&self) -> Option<String> {
        match &self.by {
            By::NetworkManager(active) => Some(active.name.clone()),
            By::Networkd(state) => {
                let file = field(state, "NETWORK_FILE")?.rsplit('/').next()?;
                Some(file.trim_end_matches(".network").to_owned())
            }
        }
    }

    fn connectivity(&self, family: Family) -> Option<u32> {
        match &self.by {
            // NM_CONNECTIVITY_*: none, portal, limited, full.
            By::NetworkManager(active) => match active.connectivity(family == Family::V4)? {
                1 => Some(NO_TRAFFIC),
                2 | 3 => Some(LOCAL_NETWORK),
                4 => Some(INTERNET),
                _ => None,
            },
            // networkd knows the scope of addresses, but does not test connectivity.
            By::Networkd(state) => {
                let name = if family == Family::V4 { "IPV4_ADDRESS_STATE" } else { "IPV6_ADDRESS_STATE" };
                match field(state, name)? {
                    "off" => Some(NO_TRAFFIC),
                    "degraded" => Some(SUBNET),
                    "routable" => Some(LOCAL_NETWORK),
                    _ => None,
                }
            }
        }
    }
}

/// Returns the state file of a link that networkd manages.
fn state_of_networkd(machine: &Machine, link: &Link) -> Option<String> {
    let state = machine.text(format!("run/systemd/netif/links/{}", link.index)).ok()?;
    let is_kept = matches!(field(&state, "ADMIN_STATE"), Some("configured" | "configuring"));
    is_kept.then_some(state)
}

fn field<'s>(state: &'s str, name: &str) -> Option<&'s str> {
    state.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

impl Table for ConnectionProfile {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetConnectionProfile";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Caption", |_, row| row.name().into()),
        ("ElementName", |_, row| row.name().into()),
        ("IPv4Connectivity", |_, row| row.connectivity(Family::V4).into()),
        ("IPv6Connectivity", |_, row| row.connectivity(Family::V6).into()),
        ("InstanceID", |machine, row| row.link.guid(machine).into()),
        ("InterfaceAlias", |_, row| row.link.name.clone().into()),
        ("InterfaceIndex", |_, row| row.link.index.into()),
        ("Name", |_, row| row.name().into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(Row::all(machine).into_iter())
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        let id = text_key(lookup.keys);
        Ok(Row::all(machine).into_iter().find(|row| row.link.guid(machine).eq_ignore_ascii_case(id)))
    }
}
