//! Slots and onboard devices (SMBIOS, DSP0134).

use crate::Machine;
use crate::hardware::smbios::Smbios;

/// Returns the data width of a slot type in bits (DSP0134 7.10.2).
pub fn width(code: u8) -> Option<u16> {
    Some(match code {
        3 => 8,
        4 => 16,
        5 => 32,
        6 => 64,
        7 => 128,
        _ => return None,
    })
}

/// An onboard device.
pub struct OnboardDevice {
    /// Index from 0.
    pub number: u32,
    /// Device type; the highest bit is set if the device is enabled.
    pub kind: u8,
    /// Name, as a rule that on the board.
    pub name: Option<String>,
}

/// Returns the onboard devices: from type 41 with one device for each structure, otherwise from the older
/// type 10 with several.
pub fn onboard_devices(machine: &Machine) -> Vec<OnboardDevice> {
    let tables = Smbios::of(machine);
    let mut found: Vec<(u8, Option<String>)> =
        tables.of_kind(41).filter_map(|one| Some((one.byte(5)?, one.text(4)))).collect();
    if found.is_empty() {
        let several = tables.of_kind(10).flat_map(|several| {
            (4..256).step_by(2).map_while(move |at| Some((several.byte(at)?, several.text(at + 1))))
        });
        found = several.collect();
    }
    (0..).zip(found).map(|(number, (kind, name))| OnboardDevice { number, kind, name }).collect()
}
