//! `MSFT_NetAdapterHardwareInfoSettingData`: adapters on the PCI bus (kernel documentation, ABI/testing/sysfs-bus-pci).

use cim::Value;
use linux::hardware::pci::PciDevice;
use linux::network::link::Link;
use linux::sysfs;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, host_name};

/// Adapters on the PCI bus.
pub(super) struct HardwareInfo;

/// A link and its PCI device.
pub(super) struct Row {
    link: Link,
    device: PciDevice,
}

impl Row {
    /// Returns segment, bus, device and function, from the address of the device.
    fn place(&self) -> Option<[u32; 4]> {
        let (rest, function) = self.device.place.rsplit_once('.')?;
        let mut parts = rest.split(':');
        let mut next = || parts.next().and_then(hexadecimal);
        Some([next()?, next()?, next()?, hexadecimal(function)?])
    }

    fn line(&self, machine: &Machine, file: &str) -> Option<String> {
        sysfs::line(machine, &self.device.folder, file)
    }

    fn number(&self, machine: &Machine, file: &str) -> Option<u32> {
        self.line(machine, file)?.parse().ok()
    }

    /// Returns the number of message interrupts of a kind, `msi` or `msix`; `None` if the kernel does not list
    /// interrupts of the device.
    fn messages(&self, machine: &Machine, kind: &str) -> Option<u32> {
        let folder = format!("sys{}/msi_irqs", self.device.folder);
        let names = match machine.names(&folder) {
            Ok(names) => names,
            // A device that uses no messages has no such folder.
            Err(_) => return self.line(machine, "irq").map(|_| 0),
        };
        let own = names.iter().filter_map(|name| machine.line(format!("{folder}/{}", name.to_str()?)));
        u32::try_from(own.filter(|own| own == kind).count()).ok()
    }

    fn has_messages(&self, machine: &Machine) -> Option<bool> {
        Some(self.messages(machine, "msi")? + self.messages(machine, "msix")? > 0)
    }

    fn has_line(&self, machine: &Machine) -> Option<bool> {
        Some(self.number(machine, "irq")? != 0 && !self.has_messages(machine)?)
    }

    /// Returns a link speed as the specification encodes it: 1 is 2.5 GT/s, and each further number the next
    /// generation.
    fn speed(&self, machine: &Machine, file: &str) -> Option<u32> {
        let line = self.line(machine, file)?;
        let generation = ["2.5", "5.0", "8.0", "16.0", "32.0", "64.0"];
        let place = generation.iter().position(|speed| line.split(' ').next() == Some(speed))?;
        u32::try_from(place + 1).ok()
    }

    /// Returns the number of the slot that the firmware names.
    fn slot(&self, machine: &Machine) -> Option<u32> {
        let (address, _) = self.device.place.rsplit_once('.')?;
        let names = machine.names("sys/bus/pci/slots").ok()?;
        let slot = names.iter().filter_map(|name| name.to_str()).find(|name| {
            machine.line(format!("sys/bus/pci/slots/{name}/address")).as_deref() == Some(address)
        });
        slot?.parse().ok()
    }
}

/// Returns one of the numbers of the address.
fn part(row: &Row, at: usize) -> Value {
    row.place().and_then(|place| place.get(at).copied()).into()
}

impl Table for HardwareInfo {
    type Row = Row;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "MSFT_NetAdapterHardwareInfoSettingData";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("BusNumber", |_, row| part(row, 1)),
        ("Caption", |machine, row| row.link.description(machine).into()),
        ("Description", |machine, row| row.link.description(machine).into()),
        ("DeviceNumber", |_, row| part(row, 2)),
        ("Dma64BitSupported", |machine, row| {
            row.number(machine, "dma_mask_bits").map(|bits| bits >= 64).into()
        }),
        ("ElementName", |_, row| row.link.name.clone().into()),
        ("FunctionNumber", |_, row| part(row, 3)),
        ("InstanceID", |machine, row| row.link.guid(machine).into()),
        ("InterfaceDescription", |machine, row| row.link.description(machine).into()),
        ("LineBasedInterrupts", |machine, row| row.has_line(machine).into()),
        ("LocationInformationString", |_, row| {
            let text = |[_, bus, device, function]: [u32; 4]| {
                format!("PCI bus {bus}, device {device}, function {function}")
            };
            row.place().map(text).into()
        }),
        ("MsiEnabled", |machine, row| row.messages(machine, "msi").map(|count| count > 0).into()),
        ("MsiXEnabled", |machine, row| row.messages(machine, "msix").map(|count| count > 0).into()),
        ("Name", |_, row| row.link.name.clone().into()),
        ("NoInterrupt", |machine, row| {
            let uses = row.has_messages(machine).zip(row.has_line(machine));
            uses.map(|(messages, line)| !messages && !line).into()
        }),
        // A machine without NUMA has the node -1.
        ("NumaNode", |machine, row| {
            row.line(machine, "numa_node").and_then(|node| node.parse::<u16>().ok()).into()
        }),
        ("NumMsiMessages", |machine, row| {
            let kinds = row.messages(machine, "msi").zip(row.messages(machine, "msix"));
            kinds.map(|(msi, msix)| msi + msix).into()
        }),
        ("PciDeviceLabelID", |machine, row| {
            row.number(machine, "acpi_index").or_else(|| row.number(machine, "index")).into()
        }),
        ("PciDeviceLabelString", |machine, row| row.line(machine, "label").into()),
        // 2 is a PCI Express endpoint; other devices have no link.
        ("PciDeviceType", |machine, row| row.speed(machine, "max_link_speed").map(|_| 2_u32).into()),
        ("PciExpressCurrentLinkSpeedEncoded", |machine, row| row.speed(machine, "current_link_speed").into()),
        ("PciExpressCurrentLinkWidth", |machine, row| row.number(machine, "current_link_width").into()),
        ("PciExpressMaxLinkSpeedEncoded", |machine, row| row.speed(machine, "max_link_speed").into()),
        ("PciExpressMaxLinkWidth", |machine, row| row.number(machine, "max_link_width").into()),
        ("SegmentNumber", |_, row| part(row, 0)),
        ("SlotNumber", |machine, row| row.slot(machine).into()),
        // 2 is "the device".
        ("Source", |_, _| 2_u32.into()),
        ("SriovSupport", |machine, row| {
            row.number(machine, "sriov_totalvfs").filter(|count| *count > 0).map(|_| 1_u32).into()
        }),
        ("SystemName", host_name),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        let devices = PciDevice::all(machine);
        let row = move |link: Link| {
            let folder = link.device(machine)?;
            // A virtio adapter is below its PCI device.
            let is_above = |device: &&PciDevice| {
                folder
                    .strip_prefix(&device.folder)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            let device = devices.iter().rev().find(is_above)?.clone();
            Some(Row { link, device })
        };
        Ok(Link::all(machine).into_iter().filter_map(row))
    }
}

fn hexadecimal(digits: &str) -> Option<u32> {
    u32::from_str_radix(digits, 16).ok()
}
