//! `Win32_SystemEnclosure` and `Win32_BaseBoard`.

use cim::Value;
use linux::hardware::firmware::{Firmware, identity, is_there};
use wmi::ProviderError;

use super::firmware::text_of;
use crate::Machine;
use crate::table::{Fill, Table};

/// The chassis.
pub(crate) struct Enclosure;

impl Table for Enclosure {
    type Row = Firmware;

    const CLASS: &'static str = "Win32_SystemEnclosure";

    const COLUMNS: &'static [(&'static str, Fill<Firmware>)] = &[
        ("Caption", |_, _| "System Enclosure".into()),
        ("ChassisTypes", |machine, row| {
            // The highest bit means that there is a lock.
            let shown = identity(machine, "chassis_type").and_then(|text| text.parse().ok());
            shown
                .or_else(|| row.first(machine, 3)?.byte(5).map(|kind| u16::from(kind & 0x7F)))
                .map(|kind| vec![kind])
                .into()
        }),
        ("Description", |_, _| "System Enclosure".into()),
        ("Height", |machine, row| {
            let units =
                row.first(machine, 3).and_then(|chassis| chassis.byte(0x11)).filter(|units| *units > 0);
            // A rack unit is 1.75 inches.
            units.map(|units| f32::from(units) * 1.75).into()
        }),
        ("LockPresent", |machine, row| {
            row.first(machine, 3).and_then(|chassis| chassis.byte(5)).map(|kind| kind & 0x80 != 0).into()
        }),
        ("Manufacturer", |machine, row| text_of(machine, row, "chassis_vendor", 3, 4)),
        ("Name", |_, _| "System Enclosure".into()),
        ("NumberOfPowerCords", |machine, row| {
            let cords = row.first(machine, 3).and_then(|chassis| chassis.byte(0x12));
            cords.filter(|cords| *cords > 0).map(u16::from).into()
        }),
        ("SecurityStatus", |machine, row| {
            row.first(machine, 3).and_then(|chassis| chassis.byte(0x0C)).map(u16::from).into()
        }),
        ("SerialNumber", |machine, row| text_of(machine, row, "chassis_serial", 3, 7)),
        ("SKU", |machine, row| sku(machine, row).into()),
        ("SMBIOSAssetTag", |machine, row| text_of(machine, row, "chassis_asset_tag", 3, 8)),
        ("Status", |machine, row| {
            // State at the last boot: 3 safe, 4 warning, 5 critical, 6 not recoverable.
            match row.first(machine, 3).and_then(|chassis| chassis.byte(9)) {
                Some(4) => "Degraded".into(),
                Some(5 | 6) => "Error".into(),
                _ => Value::from("OK"),
            }
        }),
        ("Tag", |_, _| "System Enclosure 0".into()),
        ("Version", |machine, row| text_of(machine, row, "chassis_version", 3, 6)),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Firmware>, ProviderError> {
        Ok(is_there(machine).then(Firmware::default).into_iter())
    }
}

/// Returns the SKU of the chassis. It follows the contained elements, whose number and length precede them
/// (DSP0134 7.4).
fn sku(machine: &Machine, row: &Firmware) -> Option<String> {
    let chassis = row.first(machine, 3)?;
    let elements = usize::from(chassis.byte(0x13)?) * usize::from(chassis.byte(0x14)?);
    chassis.text(0x15 + elements)
}

/// The board that carries the others.
pub(crate) struct BaseBoard;

/// Returns a feature flag of the board (SMBIOS type 2).
fn feature(machine: &Machine, row: &Firmware, bit: u8) -> Option<bool> {
    Some(row.first(machine, 2)?.byte(9)? >> bit & 1 != 0)
}

impl Table for BaseBoard {
    type Row = Firmware;

    const CLASS: &'static str = "Win32_BaseBoard";

    const COLUMNS: &'static [(&'static str, Fill<Firmware>)] = &[
        ("Caption", |_, _| "Base Board".into()),
        ("Description", |_, _| "Base Board".into()),
        ("HostingBoard", |_, _| true.into()),
        ("HotSwappable", |machine, row| feature(machine, row, 4).into()),
        ("Manufacturer", |machine, row| text_of(machine, row, "board_vendor", 2, 4)),
        ("Name", |_, _| "Base Board".into()),
        ("PoweredOn", |_, _| true.into()),
        ("Product", |machine, row| text_of(machine, row, "board_name", 2, 5)),
        ("Removable", |machine, row| feature(machine, row, 2).into()),
        ("Replaceable", |machine, row| feature(machine, row, 3).into()),
        ("RequiresDaughterBoard", |machine, row| feature(machine, row, 1).unwrap_or(false).into()),
        ("SerialNumber", |machine, row| text_of(machine, row, "board_serial", 2, 7)),
        ("Status", |_, _| "OK".into()),
        ("Tag", |_, _| "Base Board".into()),
        ("Version", |machine, row| text_of(machine, row, "board_version", 2, 6)),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Firmware>, ProviderError> {
        let has_board =
            identity(machine, "board_name").is_some() || Firmware::default().first(machine, 2).is_some();
        Ok(has_board.then(Firmware::default).into_iter())
    }
}
