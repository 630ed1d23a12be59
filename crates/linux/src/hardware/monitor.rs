//! Monitors, by the connectors of graphics adapters (`/sys/class/drm`), and their identification (VESA E-EDID
//! 1.4).

use crate::Machine;

/// A connected monitor.
#[derive(Clone, Debug)]
pub struct Monitor {
    /// Name of the connector, such as `card0-HDMI-A-1`.
    pub connector: String,
    /// Identification; `None` if the monitor reports none, as those of virtual machines.
    pub edid: Option<Edid>,
}

/// Identification of a monitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edid {
    /// Manufacturer, three letters assigned by UEFI (PNP ID).
    pub manufacturer: String,
    /// Product code of the manufacturer.
    pub product: u16,
    /// Serial number as a text, or else as a number; `None` if the monitor has none.
    pub serial_number: Option<String>,
    /// Name of the model.
    pub name: Option<String>,
    /// Week of manufacture, from 1; 0 if unknown.
    pub week: u8,
    /// Year of manufacture, or of the model if the week is 255.
    pub year: u16,
    /// Preferred resolution in pixels.
    pub resolution: Option<(u32, u32)>,
}

impl Monitor {
    /// Returns the connected monitors, by connector.
    pub fn all(machine: &Machine) -> Vec<Self> {
        let names = machine.names("sys/class/drm").unwrap_or_default();
        let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.retain(|name| {
            machine.line(format!("sys/class/drm/{name}/status")).as_deref() == Some("connected")
        });
        names.sort();
        let monitor = |connector: String| {
            let octets = machine.octets(format!("sys/class/drm/{connector}/edid")).unwrap_or_default();
            Self { connector, edid: Edid::parse(&octets) }
        };
        names.into_iter().map(monitor).collect()
    }

    /// Returns whether an image is sent to it.
    pub fn is_enabled(&self, machine: &Machine) -> bool {
        machine.line(format!("sys/class/drm/{}/enabled", self.connector)).as_deref() == Some("enabled")
    }

    /// Returns the preferred resolution in pixels.
    pub fn resolution(&self, machine: &Machine) -> Option<(u32, u32)> {
        let modes = machine.text(format!("sys/class/drm/{}/modes", self.connector)).unwrap_or_default();
        // The first mode is the preferred one; interlaced modes have a letter at the end.
        let first = modes.lines().next().and_then(|mode| {
            let (width, height) = mode.trim_end_matches('i').split_once('x')?;
            Some((width.parse().ok()?, height.parse().ok()?))
        });
        first.or_else(|| self.edid.as_ref()?.resolution)
    }
}

impl Edid {
    /// Parses the first block; `None` if it is not valid.
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let block: &[u8; 128] = octets.first_chunk()?;
        let sum = block.iter().fold(0_u8, |sum, octet| sum.wrapping_add(*octet));
        if !block.starts_with(&[0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0]) || sum != 0 {
            return None;
        }
        let [.., high, low] = block.first_chunk::<10>()?;
        let letters = u16::from_be_bytes([*high, *low]);
        let manufacturer: String =
            [letter(letters >> 10)?, letter(letters >> 5)?, letter(letters)?].into_iter().collect();
        let at = |place: usize| block.get(place).copied().unwrap_or_default();
        let number = u32::from_le_bytes([at(12), at(13), at(14), at(15)]);
        let descriptors: Vec<&[u8]> =
            [54, 72, 90, 108].iter().filter_map(|start: &usize| block.get(*start..*start + 18)).collect();
        let text = |kind: u8| descriptors.iter().find_map(|descriptor| text_in(descriptor, kind));
        Some(Self {
            manufacturer,
            product: u16::from_le_bytes([at(10), at(11)]),
            serial_number: text(0xFF).or_else(|| (number != 0).then(|| number.to_string())),
            name: text(0xFC),
            week: at(16),
            year: 1990 + u16::from(at(17)),
            resolution: descriptors.first().and_then(|descriptor| resolution(descriptor)),
        })
    }

    /// Returns the identifier of the model: manufacturer and product code.
    pub fn model(&self) -> String {
        format!("{}{:04X}", self.manufacturer, self.product)
    }
}

/// Returns the letter in the lowest five bits, of which 1 is A.
fn letter(bits: u16) -> Option<char> {
    let number = u8::try_from(bits & 0x1F).ok().filter(|number| (1..=26).contains(number))?;
    Some(char::from(b'A' + number - 1))
}

/// Returns the text of a descriptor of this type (E-EDID 3.10.3); `None` if it has another type.
fn text_in(descriptor: &[u8], kind: u8) -> Option<String> {
    let text = descriptor.strip_prefix(&[0, 0, 0, kind, 0])?;
    let end = text.iter().position(|octet| *octet == b'\n').unwrap_or(text.len());
    let text = String::from_utf8_lossy(text.get(..end)?).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Returns the resolution of a detailed timing (E-EDID 3.10.2); `None` for other descriptors.
fn resolution(descriptor: &[u8]) -> Option<(u32, u32)> {
    let [clock_low, clock_high, width, _, width_high, height, _, height_high, ..] = *descriptor else {
        return None;
    };
    if clock_low == 0 && clock_high == 0 {
        return None;
    }
    Some((pixels(width, width_high), pixels(height, height_high)))
}

/// Returns a number of twelve bits, of which the upper ones are the upper half of `high`.
fn pixels(low: u8, high: u8) -> u32 {
    u32::from(low) | u32::from(high & 0xF0) << 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_identifications_are_rejected() {
        let mut octets = [0_u8; 128];
        octets[..8].copy_from_slice(&[0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0]);
        assert_eq!(Edid::parse(&octets), None, "no manufacturer");
        octets[8..10].copy_from_slice(&[0x10, 0xAC]);
        let sum = octets[..127].iter().fold(0_u8, |sum, octet| sum.wrapping_add(*octet));
        octets[127] = sum.wrapping_neg();
        let edid = Edid::parse(&octets).expect("a valid block");
        assert_eq!((edid.manufacturer.as_str(), edid.year, edid.resolution), ("DEL", 1990, None));
        octets[20] = 1;
        assert_eq!(Edid::parse(&octets), None, "a wrong sum");
        assert_eq!(Edid::parse(&octets[..127]), None, "too short");
    }
}
