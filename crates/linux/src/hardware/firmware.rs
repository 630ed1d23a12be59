//! Firmware of the machine, and the product it belongs to (SMBIOS, DSP0134).

use std::cell::OnceCell;

use crate::Machine;
use crate::hardware::smbios::{Smbios, Structure};

/// Firmware data, from the SMBIOS tables if the caller may read them, otherwise from world-readable kernel
/// files.
#[derive(Default)]
pub struct Firmware(OnceCell<Smbios>);

impl Firmware {
    /// Returns the SMBIOS tables; empty if the caller may not read them.
    pub fn tables(&self, machine: &Machine) -> &Smbios {
        self.0.get_or_init(|| Smbios::of(machine))
    }

    /// Returns the first structure of a type.
    pub fn first(&self, machine: &Machine, kind: u8) -> Option<&Structure> {
        self.tables(machine).of_kind(kind).next()
    }
}

/// Returns a line that the kernel reads from the tables.
pub fn identity(machine: &Machine, name: &str) -> Option<String> {
    machine.line(format!("sys/class/dmi/id/{name}"))
}

/// Returns whether the machine has firmware data.
pub fn is_there(machine: &Machine) -> bool {
    machine.path("sys/class/dmi/id").exists() || machine.path("sys/firmware/dmi/tables/DMI").exists()
}

/// Returns a text of type 0, from its kernel file or its offset in the table.
pub fn bios_text(machine: &Machine, firmware: &Firmware, name: &str, at: usize) -> Option<String> {
    identity(machine, name).or_else(|| firmware.first(machine, 0)?.text(at))
}

/// Returns the version of the firmware.
pub fn bios_version(machine: &Machine, firmware: &Firmware) -> Option<String> {
    bios_text(machine, firmware, "bios_version", 5)
}

/// Returns one half of `bios_release`, such as `2.13`.
pub fn release(machine: &Machine, firmware: &Firmware, part: usize) -> Option<u8> {
    let shown = identity(machine, "bios_release").and_then(|text| text.split('.').nth(part)?.parse().ok());
    shown.or_else(|| firmware.first(machine, 0)?.byte(0x14 + part)).filter(|number| *number != 0xFF)
}

/// Returns the firmware characteristics, as the numbers of the bits in type 0.
pub fn characteristics(structure: &Structure) -> Option<Vec<u16>> {
    let bits = structure.quad(0x0A)?;
    // The upper 32 bits are defined by the vendor.
    Some((0..32_u16).filter(|bit| bits >> bit & 1 != 0).collect())
}

/// Returns a text of type 1; on machines without SMBIOS the model is read from the device tree.
pub fn product_text(machine: &Machine, firmware: &Firmware, name: &str, at: usize) -> Option<String> {
    identity(machine, name).or_else(|| firmware.first(machine, 1)?.text(at))
}

/// Returns the UUID of the machine, whose first three fields are little-endian (DSP0134 7.2.1).
pub fn uuid(structure: &Structure) -> Option<String> {
    let octets = structure.slice(8, 16)?;
    if octets.iter().all(|octet| *octet == 0) || octets.iter().all(|octet| *octet == 0xFF) {
        return None;
    }
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let digits: Vec<String> =
        order.iter().filter_map(|at: &usize| octets.get(*at)).map(|octet| format!("{octet:02X}")).collect();
    let text = digits.concat();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    Some(parts.into_iter().filter_map(|part| text.get(part)).collect::<Vec<_>>().join("-"))
}
