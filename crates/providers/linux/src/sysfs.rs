//! The devices of buses, and what Windows would call them.

use crate::Machine;
use crate::storage::folder_of;

/// The identity of a device by its folder below `/sys`, in the form of Windows: the bus, what it is, and which.
///
/// Of PCI and USB it is what Windows shows of the same device but for the last part, which tells several apart and
/// is the place here. A device of virtio is the one of PCI that it is on.
pub(crate) fn identity(machine: &Machine, folder: &str) -> String {
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

/// The bus or class that a device is of.
pub(crate) fn subsystem(machine: &Machine, folder: &str) -> Option<String> {
    let target = folder_of(machine, &format!("sys{folder}/subsystem"))?;
    target.rsplit('/').next().map(str::to_owned)
}

/// What drives a device.
pub(crate) fn driver(machine: &Machine, folder: &str) -> Option<String> {
    let target = folder_of(machine, &format!("sys{folder}/driver"))?;
    target.rsplit('/').next().map(str::to_owned)
}

/// A line of a file of a device.
pub(crate) fn line(machine: &Machine, folder: &str, file: &str) -> Option<String> {
    machine.line(format!("sys{folder}/{file}"))
}

/// A number that a file of a device has in hexadecimal digits.
pub(crate) fn hexadecimal(machine: &Machine, folder: &str, file: &str) -> Option<u32> {
    let digits = line(machine, folder, file)?;
    u32::from_str_radix(digits.trim_start_matches("0x"), 16).ok()
}

fn of_pci(machine: &Machine, folder: &str) -> String {
    let number = |file: &str| hexadecimal(machine, folder, file).unwrap_or_default();
    let place = folder.rsplit('/').next().unwrap_or_default();
    format!(
        "PCI\\VEN_{:04X}&DEV_{:04X}&SUBSYS_{:04X}{:04X}&REV_{:02X}\\{place}",
        number("vendor"),
        number("device"),
        number("subsystem_device"),
        number("subsystem_vendor"),
        number("revision"),
    )
}

fn of_usb(machine: &Machine, folder: &str) -> String {
    let number = |file: &str| hexadecimal(machine, folder, file).unwrap_or_default();
    let place = || folder.rsplit('/').next().unwrap_or_default().to_owned();
    let which = line(machine, folder, "serial").unwrap_or_else(place);
    format!("USB\\VID_{:04X}&PID_{:04X}\\{which}", number("idVendor"), number("idProduct"))
}
