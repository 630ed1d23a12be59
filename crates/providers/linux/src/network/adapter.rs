//! `Win32_NetworkAdapter`.

use std::sync::Arc;

use cim::{Instance, Value};
use linux::network::change;
use linux::network::ethtool::Modes;
use linux::network::kernel_link::KernelLink;
use linux::network::link::Link;
use linux::sysfs;
use wmi::{EventSource, Lookup, MethodCall, ProviderError, Target, Watch};

use crate::system::booted;
use crate::table::{Fill, Table, returned, text_key};
use crate::{Machine, events};

/// Network adapters, including virtual ones.
pub(crate) struct Adapter;

impl Table for Adapter {
    type Row = Link;

    const CLASS: &'static str = "Win32_NetworkAdapter";

    const COLUMNS: &'static [(&'static str, Fill<Link>)] = &[
        ("AdapterType", |machine, link| match kind(machine, link) {
            Some(9) => "Wireless".into(),
            Some(_) => "Ethernet 802.3".into(),
            None => Value::Null,
        }),
        ("AdapterTypeId", |machine, link| kind(machine, link).into()),
        ("AutoSense", |machine, link| Modes::of(machine, link.index).is_automatic.into()),
        ("Availability", |machine, link| state(machine, link).availability().into()),
        ("Caption", |machine, link| caption(machine, link).into()),
        ("ConfigManagerErrorCode", |_, _| 0_u32.into()),
        ("ConfigManagerUserConfig", |_, _| false.into()),
        ("Description", |machine, link| link.description(machine).into()),
        ("DeviceID", |_, link| link.index.to_string().into()),
        ("GUID", |machine, link| link.guid(machine).into()),
        ("Index", |_, link| link.index.into()),
        ("Installed", |_, _| true.into()),
        ("InterfaceIndex", |_, link| link.index.into()),
        ("MACAddress", |machine, link| link.hardware_address(machine).into()),
        ("Manufacturer", |machine, link| {
            link.udev(machine).property("ID_VENDOR_FROM_DATABASE").map(str::to_owned).into()
        }),
        ("MaxSpeed", |machine, link| Modes::of(machine, link.index).most.into()),
        ("MaxNumberControlled", |_, _| 0_u32.into()),
        ("Name", |machine, link| link.description(machine).into()),
        ("NetConnectionID", |_, link| link.name.clone().into()),
        ("NetConnectionStatus", |machine, link| {
            // 0 is "Disconnected", 2 "Connected", 7 "Media Disconnected", 8 "Authenticating".
            let status = match state(machine, link) {
                State::Disabled => 0,
                State::WithoutCarrier => 7,
                State::Waiting => 8,
                State::Running => 2_u16,
            };
            status.into()
        }),
        ("NetEnabled", |machine, link| link.is_up(machine).into()),
        ("PermanentAddress", |machine, link| {
            // 0 means that the address is permanent (NET_ADDR_PERM).
            let is_permanent = link.number::<u8>(machine, "addr_assign_type") == Some(0);
            let used =
                || link.hardware_address(machine).filter(|_| is_permanent && link.is_physical(machine));
            let reported = KernelLink::all(machine).into_iter().find(|reported| reported.index == link.index);
            reported.and_then(|reported| reported.permanent(":")).or_else(used).into()
        }),
        ("PhysicalAdapter", |machine, link| link.is_physical(machine).into()),
        ("PNPDeviceID", |machine, link| {
            link.device(machine).map(|folder| sysfs::identity(machine, &folder)).into()
        }),
        ("PowerManagementSupported", |machine, link| {
            link.line(machine, "device/power/wakeup").is_some().into()
        }),
        ("ProductName", |machine, link| link.description(machine).into()),
        ("ServiceName", |machine, link| link.driver(machine).into()),
        ("Speed", |machine, link| link.speed(machine).into()),
        ("Status", |machine, link| state(machine, link).status().into()),
        ("StatusInfo", |machine, link| if link.is_up(machine) { 3_u16 } else { 4 }.into()),
        ("TimeOfLastReset", |machine, _| booted(machine).into()),
    ];

    fn watch(
        &self,
        machine: &Arc<Machine>,
        _: &Watch<'_>,
    ) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(events::of_network(machine))
    }

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Link>, ProviderError> {
        Ok(Link::all(machine).into_iter())
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Link>, ProviderError> {
        Ok(find(machine, text_key(lookup.keys)))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let Target::Instance(keys) = call.target else { return Err(ProviderError::NotCapable) };
        let id = text_key(keys);
        let link = find(machine, id)
            .ok_or_else(|| ProviderError::failed(cim::Status::NotFound, format!("adapter {id} not found")))?;
        let code = match call.operation.method.name.as_str() {
            "Enable" => change::windows_code(&change::switch(&link, change::Power::On)),
            "Disable" if link.is_loopback(machine) || change::is_way_out(machine, &link) => ERROR_BUSY,
            "Disable" => change::windows_code(&change::switch(&link, change::Power::Off)),
            _ => ERROR_NOT_SUPPORTED,
        };
        returned(call, code)
    }
}

/// Operational state of a link (`IF_OPER_*`, RFC 2863).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Administratively down.
    Disabled,
    /// Enabled, without a carrier.
    WithoutCarrier,
    /// Enabled, and waiting for an external event, such as the sign-in to a wireless network.
    Waiting,
    /// Able to pass packets, or a virtual link that does not report its state.
    Running,
}

impl State {
    /// Returns the value of `Availability`: 3 is running, 8 off line, 10 degraded.
    fn availability(self) -> u16 {
        match self {
            Self::Disabled => 8,
            Self::WithoutCarrier | Self::Waiting => 10,
            Self::Running => 3,
        }
    }

    /// Returns the value of `Status`.
    fn status(self) -> &'static str {
        if self == Self::Running { "OK" } else { "Degraded" }
    }
}

fn state(machine: &Machine, link: &Link) -> State {
    match (link.is_up(machine), link.line(machine, "operstate").as_deref()) {
        (false, _) => State::Disabled,
        (true, Some("down" | "lowerlayerdown" | "notpresent")) => State::WithoutCarrier,
        (true, Some("dormant")) => State::Waiting,
        (true, _) => State::Running,
    }
}

/// Windows error codes (MS-ERREF 2.2).
const ERROR_NOT_SUPPORTED: u32 = 50;
const ERROR_BUSY: u32 = 170;

fn find(machine: &Machine, id: &str) -> Option<Link> {
    Link::numbered(machine, id.parse().ok()?)
}

/// Returns the caption as on Windows: an eight-digit number before the name.
pub(super) fn caption(machine: &Machine, link: &Link) -> String {
    format!("[{:08}] {}", link.index, link.description(machine))
}

/// Returns the adapter type: 0 is Ethernet, 9 wireless.
fn kind(machine: &Machine, link: &Link) -> Option<u16> {
    // 1 is ARPHRD_ETHER.
    let is_ethernet = link.number::<u16>(machine, "type") == Some(1);
    is_ethernet.then(|| if link.is_wireless(machine) { 9 } else { 0 })
}
