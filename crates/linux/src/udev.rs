//! Device properties recorded by udev (`/run/udev/data`).

use crate::Machine;

/// Properties of a device; empty if udev is not running.
#[derive(Debug, Default)]
pub struct Udev(Vec<(String, String)>);

impl Udev {
    /// Returns the properties of a block device.
    pub fn of_block(machine: &Machine, (major, minor): (u32, u32)) -> Self {
        Self::read(machine, &format!("b{major}:{minor}"))
    }

    /// Returns the properties of a network interface.
    pub fn of_link(machine: &Machine, index: u32) -> Self {
        Self::read(machine, &format!("n{index}"))
    }

    /// Returns the properties of a device on a bus.
    pub fn of_device(machine: &Machine, subsystem: &str, name: &str) -> Self {
        Self::read(machine, &format!("+{subsystem}:{name}"))
    }

    /// Returns a property; `None` if it is missing or empty.
    pub fn property(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim());
        found.filter(|value| !value.is_empty())
    }

    /// Returns a property from its escaped form, such as `ID_FS_LABEL_ENC` for `ID_FS_LABEL`, if there is
    /// one.
    pub fn exact(&self, name: &str) -> Option<String> {
        let exact = self.property(&format!("{name}_ENC")).map(unescaped);
        exact.or_else(|| self.property(name).map(str::to_owned))
    }

    fn read(machine: &Machine, id: &str) -> Self {
        machine.text(format!("run/udev/data/{id}")).map(|text| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let properties = text.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
        Self(properties.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// Decodes `\x20` escapes.
fn unescaped(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        let (before, escape) = rest.split_at(at);
        octets.extend_from_slice(before.as_bytes());
        match escape.get(2..4).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = escape.get(4..).unwrap_or_default();
            }
            None => {
                octets.extend_from_slice(b"\\x");
                rest = escape.get(2..).unwrap_or_default();
            }
        }
    }
    octets.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&octets).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_unchanged() {
        let udev = Udev::parse(
            "S:disk/by-uuid/1\nE:ID_FS_LABEL=a_b\nE:ID_FS_LABEL_ENC=a\\x20b\\xc3\\xa9\\xzz\nE:X=\n",
        );
        assert_eq!(udev.exact("ID_FS_LABEL").as_deref(), Some("a bé\\xzz"));
        assert_eq!(udev.property("ID_FS_LABEL"), Some("a_b"));
        assert_eq!(udev.property("X"), None);
    }
}
