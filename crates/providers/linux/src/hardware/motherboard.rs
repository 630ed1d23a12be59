//! `Win32_MotherboardDevice`: the board as a device, with its buses.

use linux::hardware::firmware::{identity, is_there};
use linux::hardware::pci::PciDevice;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// The board that carries the others.
pub(crate) struct MotherboardDevice;

/// PCI class of bridges to an ISA bus.
const ISA_BRIDGE: u32 = 0x0601;

fn has_pci(machine: &Machine) -> bool {
    machine.names("sys/bus/pci/devices").is_ok_and(|names| !names.is_empty())
}

impl Table for MotherboardDevice {
    type Row = ();

    const CLASS: &'static str = "Win32_MotherboardDevice";

    const COLUMNS: &'static [(&'static str, Fill<()>)] = &[
        ("Availability", |_, ()| 3_u16.into()),
        ("Caption", |_, ()| "Motherboard".into()),
        ("Description", |_, ()| "Motherboard".into()),
        ("DeviceID", |_, ()| "Motherboard".into()),
        ("Name", |_, ()| "Motherboard".into()),
        ("PrimaryBusType", |machine, ()| has_pci(machine).then_some("PCI").into()),
        ("RevisionNumber", |machine, ()| identity(machine, "board_version").into()),
        ("SecondaryBusType", |machine, ()| {
            let has_isa = PciDevice::all(machine).iter().any(|device| device.kind() == ISA_BRIDGE);
            has_isa.then_some("ISA").into()
        }),
        ("Status", |_, ()| "OK".into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = ()>, ProviderError> {
        Ok((is_there(machine) || has_pci(machine)).then_some(()).into_iter())
    }
}
