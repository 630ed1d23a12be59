//! `Win32_SystemBIOS`: association of the computer system with its firmware.

use linux::hardware::firmware::Firmware;

use super::firmware::Bios;
use crate::table::association::Association;
use crate::table::{Table as _, computer_system, path_to};

/// Firmware of the computer system.
pub(crate) static SYSTEM_BIOS: Association<Firmware> = Association {
    namespace: "root/cimv2",
    class: "Win32_SystemBIOS",
    columns: &[
        ("GroupComponent", |machine, _| computer_system(machine)),
        ("PartComponent", |machine, firmware| {
            let keys =
                ["Name", "SoftwareElementID", "SoftwareElementState", "TargetOperatingSystem", "Version"];
            path_to::<Bios>(machine, firmware, &keys)
        }),
    ],
    rows: |machine| Ok(Bios::all(machine)?.collect()),
    subsystems: &[],
};
