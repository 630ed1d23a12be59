//! `MSFT_NetAdapter`.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use cim::{Instance, Status, Value};
use linux::network::change::{self, Power};
use linux::network::ethtool::Modes;
use linux::network::kernel_link::KernelLink;
use linux::network::link::Link;
use linux::sysfs;
use wmi::{Lookup, MethodCall, ProviderError, Target};

use crate::Machine;
use crate::network::configuration::list;
use crate::table::{Fill, Table, object, returned};

/// Network adapters, including virtual ones.
pub(super) struct Adapter;

/// A network adapter.
pub(super) struct Row {
    pub(super) link: Link,
    kernel_links: Rc<OnceCell<Vec<KernelLink>>>,
    modes: OnceCell<Modes>,
}

impl Row {
    pub(super) fn all(machine: &Machine) -> impl Iterator<Item = Self> {
        let kernel_links = Rc::<OnceCell<Vec<KernelLink>>>::default();
        Link::all(machine).into_iter().map(move |link| Self {
            link,
            kernel_links: kernel_links.clone(),
            modes: OnceCell::new(),
        })
    }

    fn kernel_link(&self, machine: &Machine) -> Option<&KernelLink> {
        let all = self.kernel_links.get_or_init(|| KernelLink::all(machine));
        all.iter().find(|link| link.index == self.link.index)
    }

    fn modes(&self, machine: &Machine) -> Modes {
        *self.modes.get_or_init(|| Modes::of(machine, self.link.index))
    }

    fn uevent(&self, machine: &Machine) -> Option<String> {
        let text = self.link.line(machine, "uevent")?;
        text.lines().find_map(|line| line.strip_prefix("DEVTYPE=")).map(str::to_owned)
    }

    /// Returns the IANA interface type (`ifType` of RFC 2863).
    fn interface_type(&self, machine: &Machine) -> Option<u32> {
        let kind: u32 = self.link.number(machine, "type")?;
        // ARPHRD_* on the left: Ethernet, PPP, tunnels, loopback, InfiniBand, and links without header.
        Some(match (kind, self.uevent(machine).as_deref()) {
            (1, Some("vlan")) => 135,
            (1, Some("bridge")) => 209,
            (1, Some("bond")) => 161,
            (1, _) if self.link.is_wireless(machine) => 71,
            (1, _) => 6,
            (512, _) => 23,
            (768 | 769 | 776 | 778 | 823, _) => 131,
            (772, _) => 24,
            (32, _) => 199,
            (65_534, _) => 53,
            _ => 1,
        })
    }

    fn is_connected(&self, machine: &Machine) -> bool {
        self.link.is_up(machine) && self.link.has_carrier(machine) == Some(true)
    }

    /// Returns `ifOperStatus` (RFC 2863), as in the kernel documentation networking/operstates.
    fn operational_status(&self, machine: &Machine) -> u32 {
        match self.link.line(machine, "operstate").as_deref() {
            Some("up") => 1,
            Some("testing") => 3,
            Some("dormant") => 5,
            Some("notpresent") => 6,
            Some("lowerlayerdown") => 7,
            // The driver reports no more than a carrier.
            Some("unknown") if self.is_connected(machine) => 1,
            Some("unknown") if self.link.is_up(machine) => 4,
            _ => 2,
        }
    }

    /// Returns whether the link is full duplex, if the driver reports it.
    fn is_full_duplex(&self, machine: &Machine) -> Option<bool> {
        match self.link.line(machine, "duplex").as_deref() {
            Some("full") => Some(true),
            Some("half") => Some(false),
            _ => self.modes(machine).is_full_duplex,
        }
    }

    fn driver_version(&self, machine: &Machine) -> Option<String> {
        self.link.line(machine, "device/driver/module/version")
    }

    fn driver_version_part(&self, machine: &Machine, at: usize) -> Option<u16> {
        let version = self.driver_version(machine)?;
        version.split(|character: char| !character.is_ascii_digit()).nth(at)?.parse().ok()
    }
}

/// IANA interface type of loopback.
const SOFTWARE_LOOPBACK: u32 = 24;

/// Returns the media type (`NdisMedium`, reference of `MSFT_NetAdapter`) for an IANA interface type: 0 is
/// 802.3, 14 InfiniBand, 15 a tunnel, 16 native 802.11, 17 loopback, 19 IP without frames.
fn medium(kind: u32) -> Option<u32> {
    match kind {
        6 | 135 | 161 | 209 => Some(0),
        53 => Some(19),
        71 => Some(16),
        131 => Some(15),
        199 => Some(14),
        SOFTWARE_LOOPBACK => Some(17),
        _ => None,
    }
}

/// Returns the physical medium (`NdisPhysicalMedium`, same reference): 0 is unspecified, 9 native 802.11, 11
/// InfiniBand, 14 802.3.
fn physical_medium(kind: u32) -> u32 {
    match kind {
        6 => 14,
        71 => 9,
        199 => 11,
        _ => 0,
    }
}

impl Table for Adapter {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetAdapter";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("ActiveMaximumTransmissionUnit", |machine, row| row.link.number::<u64>(machine, "mtu").into()),
        ("AdminLocked", |_, _| false.into()),
        ("AutoSense", |machine, row| row.modes(machine).is_automatic.into()),
        ("Caption", |machine, row| row.link.description(machine).into()),
        ("ComponentID", |machine, row| {
            row.link.device(machine).map(|folder| sysfs::identity(machine, &folder)).into()
        }),
        ("ConnectorPresent", |machine, row| row.link.is_physical(machine).into()),
        ("Description", |machine, row| row.link.description(machine).into()),
        ("DeviceID", |machine, row| row.link.guid(machine).into()),
        ("DeviceName", |_, row| row.link.name.clone().into()),
        ("DeviceWakeUpEnable", |machine, row| {
            row.link.line(machine, "device/power/wakeup").map(|says| says == "enabled").into()
        }),
        ("DriverDescription", |machine, row| row.link.description(machine).into()),
        ("DriverName", |machine, row| row.link.driver(machine).into()),
        ("DriverVersionString", |machine, row| row.driver_version(machine).into()),
        ("ElementName", |_, row| row.link.name.clone().into()),
        // 2 is "Enabled", 3 "Disabled".
        ("EnabledState", |machine, row| if row.link.is_up(machine) { 2_u16 } else { 3 }.into()),
        ("FullDuplex", |machine, row| row.is_full_duplex(machine).into()),
        ("HardwareInterface", |machine, row| row.link.is_physical(machine).into()),
        // Windows lists the loopback adapter only among hidden ones.
        ("Hidden", |machine, row| row.link.is_loopback(machine).into()),
        ("HigherLayerInterfaceIndices", |machine, row| list(row.link.others(machine, "upper").into_iter())),
        ("InterfaceAdminStatus", |machine, row| if row.link.is_up(machine) { 1_u32 } else { 2 }.into()),
        ("InterfaceDescription", |machine, row| row.link.description(machine).into()),
        ("InterfaceGuid", |machine, row| row.link.guid(machine).into()),
        ("InterfaceIndex", |_, row| row.link.index.into()),
        ("InterfaceName", |_, row| row.link.name.clone().into()),
        ("InterfaceOperationalStatus", |machine, row| row.operational_status(machine).into()),
        ("InterfaceType", |machine, row| row.interface_type(machine).into()),
        ("LinkTechnology", |machine, row| {
            // 2 is Ethernet, 3 InfiniBand, 11 wireless (reference of MSFT_NetAdapter).
            let technology = match row.interface_type(machine) {
                Some(6 | 135 | 161 | 209) => Some(2_u16),
                Some(71) => Some(11),
                Some(199) => Some(3),
                _ => None,
            };
            technology.into()
        }),
        ("LowerLayerInterfaceIndices", |machine, row| list(row.link.others(machine, "lower").into_iter())),
        ("MajorDriverVersion", |machine, row| row.driver_version_part(machine, 0).into()),
        ("MaxSpeed", |machine, row| row.modes(machine).most.into()),
        ("MediaConnectState", |machine, row| {
            // 0 is unknown, 1 connected, 2 disconnected.
            match row.link.has_carrier(machine) {
                None => 0_u32,
                Some(true) => 1,
                Some(false) => 2,
            }
            .into()
        }),
        ("MediaDuplexState", |machine, row| {
            // 0 is unknown, 1 half, 2 full.
            row.is_full_duplex(machine).map_or(0_u32, |is_full| if is_full { 2 } else { 1 }).into()
        }),
        ("MinorDriverVersion", |machine, row| row.driver_version_part(machine, 1).into()),
        ("MtuSize", |machine, row| row.link.number::<u32>(machine, "mtu").into()),
        ("Name", |_, row| row.link.name.clone().into()),
        ("NdisMedium", |machine, row| row.interface_type(machine).and_then(medium).into()),
        ("NdisPhysicalMedium", |machine, row| {
            let kind = row.interface_type(machine).filter(|_| row.link.is_physical(machine));
            kind.map_or(0, physical_medium).into()
        }),
        ("NetworkAddresses", |machine, row| {
            let address = row.link.hardware_address(machine).map(|address| address.replace(':', ""));
            list(address.into_iter())
        }),
        ("OperationalStatusDownDefaultPortNotAuthenticated", |machine, row| {
            (row.operational_status(machine) == 5).into()
        }),
        ("OperationalStatusDownInterfacePaused", |_, _| false.into()),
        ("OperationalStatusDownLowPowerState", |machine, row| {
            let state = row.link.line(machine, "device/power/runtime_status");
            state.map(|state| state == "suspended").into()
        }),
        ("OperationalStatusDownMediaDisconnected", |machine, row| {
            (row.link.has_carrier(machine) == Some(false)).into()
        }),
        ("PermanentAddress", |machine, row| {
            row.kernel_link(machine).and_then(|link| link.permanent("")).into()
        }),
        ("PnPDeviceID", |machine, row| {
            row.link.device(machine).map(|folder| sysfs::identity(machine, &folder)).into()
        }),
        ("PromiscuousMode", |machine, row| row.kernel_link(machine).map(|link| link.promiscuity > 0).into()),
        ("ReceiveLinkSpeed", |machine, row| row.link.speed(machine).into()),
        ("Speed", |machine, row| row.link.speed(machine).into()),
        // 2 is "started", 3 "disabled".
        ("State", |machine, row| if row.link.is_up(machine) { 2_u32 } else { 3 }.into()),
        ("SupportedMaximumTransmissionUnit", |machine, row| {
            row.kernel_link(machine).and_then(|link| link.longest_packet).map(u64::from).into()
        }),
        ("SystemCreationClassName", |_, _| "CIM_NetworkPort".into()),
        ("TransmitLinkSpeed", |machine, row| row.link.speed(machine).into()),
        ("Virtual", |machine, row| (!row.link.is_physical(machine)).into()),
        ("VlanID", |machine, row| row.kernel_link(machine).and_then(|link| link.vlan).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(Row::all(machine))
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        Ok(find(machine, &device_id(lookup.class, lookup.keys)))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let Target::Instance(keys) = call.target else { return Err(ProviderError::NotCapable) };
        let id = device_id(call.class, keys);
        let link = find(machine, &id)
            .ok_or_else(|| ProviderError::failed(Status::NotFound, format!("adapter {id} not found")))?
            .link;
        let method = call.operation.method.name.as_str();
        let code = match method {
            "Enable" => change::windows_code(&change::switch(&link, Power::On)),
            "Disable" | "Restart" if link.is_loopback(machine) || change::is_way_out(machine, &link) => {
                ERROR_BUSY
            }
            "Disable" => change::windows_code(&change::switch(&link, Power::Off)),
            "Restart" => change::windows_code(&change::restart(machine, &link)),
            "Rename" => {
                let name = call.input.value("NewName").and_then(Value::as_str).unwrap_or_default();
                match change::rename(machine, &link, name) {
                    Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
                        return Err(super::wrong(
                            "a link is called by 1 to 15 characters without blanks, '/' and ':'",
                        ));
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => ERROR_BUSY,
                    result => change::windows_code(&result),
                }
            }
            _ => return Err(ProviderError::NotCapable),
        };
        let answer = returned(call, code)?;
        let after = Row::all(machine).find(|row| row.link.index == link.index);
        match after.filter(|_| code == 0) {
            Some(row) => Ok(answer.with("cmdletOutput", object::<Self>(machine, call.class, &row)?)?),
            None => Ok(answer),
        }
    }
}

/// ERROR_BUSY (MS-ERREF 2.2): the machine would become unreachable.
const ERROR_BUSY: u32 = 170;

fn find(machine: &Machine, id: &str) -> Option<Row> {
    Row::all(machine).find(|row| row.link.guid(machine).eq_ignore_ascii_case(id))
}

/// Returns the key that distinguishes adapters.
fn device_id(class: &cim::Class, keys: &[Value]) -> String {
    let at = class.keys().iter().position(|column| class.column("DeviceID") == Some(*column));
    at.and_then(|at| keys.get(at)).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_have_documented_numbers() {
        // Ethernet, VLAN, bond, bridge, wireless, tunnel, InfiniBand, loopback, links without header, and
        // PPP.
        let kinds = [6, 135, 161, 209, 71, 131, 199, 24, 53, 23];
        let media = [0, 0, 0, 0, 16, 15, 14, 17, 19].map(Some);
        assert_eq!(kinds.map(medium), [media.as_slice(), &[None]].concat().as_slice());
        assert_eq!(kinds.map(physical_medium), [14, 0, 0, 0, 9, 0, 11, 0, 0, 0]);
    }
}
