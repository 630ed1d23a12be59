//! Data of the firmware about the chassis (SMBIOS, DSP0134), and settings of the administrator.

use crate::Machine;

/// Kind of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Unknown or other.
    Unspecified,
    /// Desktop computer.
    Desktop,
    /// Laptop, tablet or another mobile computer.
    Mobile,
    /// Server.
    Server,
}

impl Kind {
    /// Returns the kind from `CHASSIS` of machine-info(5), or else from the firmware (DSP0134, 7.4.1).
    pub fn of(machine: &Machine) -> Self {
        match machine_info(machine, "CHASSIS").as_deref() {
            Some("server") => return Self::Server,
            Some("desktop") => return Self::Desktop,
            Some("laptop" | "convertible" | "tablet" | "handset" | "watch") => return Self::Mobile,
            _ => {}
        }
        match machine.number::<u8>("sys/class/dmi/id/chassis_type") {
            Some(3..=7 | 0x0d | 0x0f | 0x10 | 0x23 | 0x24) => Self::Desktop,
            Some(8..=0x0b | 0x0e | 0x1e..=0x20) => Self::Mobile,
            Some(0x11 | 0x17 | 0x1c | 0x1d) => Self::Server,
            _ => Self::Unspecified,
        }
    }
}

/// Returns a field of `/etc/machine-info`, which hostnamed maintains (machine-info(5)).
pub fn machine_info(machine: &Machine, name: &str) -> Option<String> {
    let text = machine.text("etc/machine-info").ok()?;
    super::os_release::OsRelease::parse(&text).field(name).map(str::to_owned)
}

/// A structure of SMBIOS, which the kernel shows to root (`/sys/firmware/dmi/entries`).
#[derive(Debug, Default)]
pub struct Structure(Vec<u8>);

impl Structure {
    /// Returns the first structure of a type; an empty one if it does not exist or this user may not read it.
    pub fn first(machine: &Machine, kind: u8) -> Self {
        Self(machine.octets(format!("sys/firmware/dmi/entries/{kind}-0/raw")).unwrap_or_default())
    }

    /// Returns a byte of the formatted part.
    pub fn octet(&self, offset: usize) -> Option<u8> {
        self.formatted().get(offset).copied()
    }

    /// Returns the string whose number is at an offset.
    pub fn text(&self, offset: usize) -> Option<String> {
        let number = usize::from(self.octet(offset)?).checked_sub(1)?;
        self.texts().nth(number)
    }

    /// Returns all strings in order.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        let rest = self.0.get(self.formatted().len()..).unwrap_or_default();
        let texts = rest.split(|octet| *octet == 0).take_while(|text| !text.is_empty());
        texts.map(|text| String::from_utf8_lossy(text).trim().to_owned())
    }

    fn formatted(&self) -> &[u8] {
        let length = self.0.get(1).copied().unwrap_or_default();
        self.0.get(..length.into()).unwrap_or_default()
    }
}
