//! `Win32_PortConnector`, `Win32_SystemSlot` and `Win32_OnBoardDevice`, from the firmware tables.

use linux::hardware::memory::{Numbered, numbered};
use linux::hardware::slot::{OnboardDevice, onboard_devices, width};
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// Port connectors.
pub(crate) struct PortConnector;

impl Table for PortConnector {
    type Row = Numbered;

    const CLASS: &'static str = "Win32_PortConnector";

    const COLUMNS: &'static [(&'static str, Fill<Numbered>)] = &[
        ("Caption", |_, _| "Port Connector".into()),
        ("Description", |_, _| "Port Connector".into()),
        ("ExternalReferenceDesignator", |_, row| row.structure.text(6).into()),
        ("InternalReferenceDesignator", |_, row| row.structure.text(4).into()),
        ("Name", |_, _| "Port Connector".into()),
        ("PortType", |_, row| row.structure.byte(8).map(u16::from).into()),
        ("Status", |_, _| "OK".into()),
        ("Tag", |_, row| format!("Port Connector {}", row.number).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Numbered>, ProviderError> {
        Ok(numbered(machine, 8, |_, _| None).into_iter())
    }
}

/// Expansion slots.
pub(crate) struct SystemSlot;

impl Table for SystemSlot {
    type Row = Numbered;

    const CLASS: &'static str = "Win32_SystemSlot";

    const COLUMNS: &'static [(&'static str, Fill<Numbered>)] = &[
        ("BusNumber", |_, row| row.structure.byte(0x0F).filter(|bus| *bus != 0xFF).map(u32::from).into()),
        ("Caption", |_, _| "System Slot".into()),
        // 3 is "Available", 4 is "In use", both in SMBIOS and on Windows.
        ("CurrentUsage", |_, row| row.structure.byte(7).map(u16::from).into()),
        ("Description", |_, _| "System Slot".into()),
        ("DeviceNumber", |_, row| {
            row.structure
                .byte(0x10)
                .filter(|device| *device != 0xFF)
                .map(|device| u32::from(device >> 3))
                .into()
        }),
        ("FunctionNumber", |_, row| {
            row.structure
                .byte(0x10)
                .filter(|device| *device != 0xFF)
                .map(|device| u32::from(device & 7))
                .into()
        }),
        ("MaxDataWidth", |_, row| row.structure.byte(6).and_then(width).into()),
        ("Name", |_, _| "System Slot".into()),
        ("Number", |_, row| row.structure.word(9).into()),
        ("PMESignal", |_, row| row.structure.byte(0x0C).map(|can| can & 1 != 0).into()),
        ("SegmentGroupNumber", |_, row| {
            row.structure.word(0x0D).filter(|segment| *segment != 0xFFFF).map(u32::from).into()
        }),
        ("Shared", |_, row| row.structure.byte(0x0B).map(|can| can & 8 != 0).into()),
        ("SlotDesignation", |_, row| row.structure.text(4).into()),
        ("Status", |_, _| "OK".into()),
        ("SupportsHotPlug", |_, row| row.structure.byte(0x0C).map(|can| can & 2 != 0).into()),
        ("Tag", |_, row| format!("System Slot {}", row.number).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Numbered>, ProviderError> {
        Ok(numbered(machine, 9, |_, _| None).into_iter())
    }
}

/// Devices on the board.
pub(crate) struct OnBoardDevice;

impl Table for OnBoardDevice {
    type Row = OnboardDevice;

    const CLASS: &'static str = "Win32_OnBoardDevice";

    const COLUMNS: &'static [(&'static str, Fill<OnboardDevice>)] = &[
        ("Caption", |_, _| "On Board Device".into()),
        ("Description", |_, device| device.name.clone().into()),
        ("DeviceType", |_, device| u16::from(device.kind & 0x7F).into()),
        ("Enabled", |_, device| (device.kind & 0x80 != 0).into()),
        ("Name", |_, _| "On Board Device".into()),
        ("Status", |_, _| "OK".into()),
        ("Tag", |_, device| format!("On Board Device {}", device.number).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = OnboardDevice>, ProviderError> {
        Ok(onboard_devices(machine).into_iter())
    }
}
