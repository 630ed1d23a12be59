//! Serial ports (`/sys/class/tty`).

use crate::Machine;
use crate::storage::block::folder_of;

/// A serial port with hardware behind it.
pub struct Port {
    /// Name in the kernel, such as `ttyS0`.
    pub name: String,
    /// Directory of its device below `/sys`.
    pub folder: String,
}

impl Port {
    /// Returns the port with this name; `None` if there is no hardware for it.
    pub fn named(machine: &Machine, name: String) -> Option<Self> {
        let device = folder_of(machine, &format!("sys/class/tty/{name}"))?;
        let (above, _) = device.split_once("/tty/")?;
        // The kernel lists a fixed number of ports; those without hardware have type 0.
        let is_used = match machine.number::<u32>(format!("sys/class/tty/{name}/type")) {
            Some(kind) => kind != 0,
            None => ["ttyUSB", "ttyACM", "ttyAMA"].iter().any(|driver| name.starts_with(driver)),
        };
        is_used.then(|| Self { name, folder: above.to_owned() })
    }
}
