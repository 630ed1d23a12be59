//! Devices of buses, and their Windows names.

use crate::Machine;
use crate::storage::block::folder_of;

/// Returns the Windows identifier of a device from its directory below `/sys`: bus, kind and instance.
///
/// For PCI and USB it equals the one on Windows except for the last part, which distinguishes devices of the
/// same kind; here it is the position on the bus. A virtio device has the identifier of its PCI device.
pub fn identity(machine: &Machine, folder: &str) -> String {
    let mut place = folder;
    loop {
        match subsystem(machine, place).as_deref() {
            Some("pci") => return of_pci(machine, place),
            Some("usb") if line(machine, place, "idVendor").is_some() => return of_usb(machine, place),
            Some("usb" | "virtio" | "hid") => match place.rsplit_once('/') {
                Some((above, _)) if !above.is_empty() => place = above,
                _ => return folder.to_owned(),
            },
            Some(subsystem) => {
                let name = place.rsplit('/').next().unwrap_or_default();
                return format!("{}\\{name}", subsystem.to_ascii_uppercase());
            }
            None => return folder.to_owned(),
        }
    }
}

/// Returns the bus or class of a device.
pub fn subsystem(machine: &Machine, folder: &str) -> Option<String> {
    let target = folder_of(machine, &format!("sys{folder}/subsystem"))?;
    target.rsplit('/').next().map(str::to_owned)
}

/// Returns the driver of a device.
pub fn driver(machine: &Machine, folder: &str) -> Option<String> {
    let target = folder_of(machine, &format!("sys{folder}/driver"))?;
    target.rsplit('/').next().map(str::to_owned)
}

/// Returns a line of a device attribute.
pub fn line(machine: &Machine, folder: &str, file: &str) -> Option<String> {
    machine.line(format!("sys{folder}/{file}"))
}

/// Returns a hexadecimal number of a device attribute.
pub fn hexadecimal(machine: &Machine, folder: &str, file: &str) -> Option<u32> {
    let digits = line(machine, folder, file)?;
    u32::from_str_radix(digits.trim_start_matches("0x"), 16).ok()
}

/// Returns a hexadecimal number of a device attribute; 0 if it is missing.
pub fn hexadecimal_or_zero(machine: &Machine, folder: &str, file: &str) -> u32 {
    hexadecimal(machine, folder, file).unwrap_or_default()
}

fn of_pci(machine: &Machine, folder: &str) -> String {
    let place = folder.rsplit('/').next().unwrap_or_default();
    format!(
        "PCI\\VEN_{:04X}&DEV_{:04X}&SUBSYS_{:04X}{:04X}&REV_{:02X}\\{place}",
        hexadecimal_or_zero(machine, folder, "vendor"),
        hexadecimal_or_zero(machine, folder, "device"),
        hexadecimal_or_zero(machine, folder, "subsystem_device"),
        hexadecimal_or_zero(machine, folder, "subsystem_vendor"),
        hexadecimal_or_zero(machine, folder, "revision"),
    )
}

fn of_usb(machine: &Machine, folder: &str) -> String {
    let which = line(machine, folder, "serial")
        .unwrap_or_else(|| folder.rsplit('/').next().unwrap_or_default().to_owned());
    format!(
        "USB\\VID_{:04X}&PID_{:04X}\\{which}",
        hexadecimal_or_zero(machine, folder, "idVendor"),
        hexadecimal_or_zero(machine, folder, "idProduct")
    )
}
