//! FRU inventories: manufacturer, product and serial numbers (Platform Management FRU Information Storage
//! Definition 1.0).

mod edit;
mod multirecord;

use calendar::Date;

use crate::ProtoError;
use crate::message::checksum;
use crate::octets::Octets;
use crate::sdr::fru_text;

pub use self::edit::Patch;

/// Decoded inventory, as far as it is readable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Fields in order of appearance.
    pub fields: Vec<Field>,
    /// Damage found while decoding, for display. Inventories with small errors are common.
    pub warnings: Vec<String>,
}

/// A field of an inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Area that contains the field.
    pub area: Area,
    /// Name of the field, such as `Serial Number`.
    pub name: &'static str,
    /// Value of the field; never empty.
    pub text: String,
}

/// An area of an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Chassis.
    Chassis,
    /// Main board.
    Board,
    /// Product as a whole.
    Product,
    /// MultiRecord area.
    Records,
}

impl Area {
    /// Returns the name of the area.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Chassis => "Chassis",
            Self::Board => "Board",
            Self::Product => "Product",
            Self::Records => "Record",
        }
    }

    fn field_names(self) -> &'static [&'static str] {
        match self {
            Self::Chassis => &["Part Number", "Serial Number"],
            Self::Board => &["Manufacturer", "Product Name", "Serial Number", "Part Number", "File ID"],
            Self::Product => &[
                "Manufacturer",
                "Product Name",
                "Part Number",
                "Version",
                "Serial Number",
                "Asset Tag",
                "File ID",
            ],
            Self::Records => &[],
        }
    }

    /// Returns the number of bytes before the first field.
    fn head_octets(self) -> usize {
        match self {
            Self::Chassis | Self::Product => 3,
            Self::Board => 6,
            Self::Records => 0,
        }
    }

    /// Returns whether texts are English, according to the language code before the fields. Areas without
    /// language code are English.
    fn is_english(self, head: &[u8]) -> bool {
        match (self, head) {
            (Self::Board | Self::Product, [_, _, language, ..]) => ENGLISH.contains(language),
            _ => true,
        }
    }
}

impl Inventory {
    /// Decodes an inventory. A damaged area is skipped, with a warning.
    ///
    /// # Errors
    /// If the header is missing or invalid.
    pub fn decode(octets: &[u8]) -> Result<Self, ProtoError> {
        let what = "the header of an inventory";
        let header: [u8; 8] = Octets::new(what, octets).array()?;
        let [version, _internal, chassis, board, product, multi, _, _] = header;
        if version & 0x0f != 1 {
            return Err(ProtoError::Unexpected {
                what: "the version of an inventory",
                value: version.into(),
            });
        }
        let mut inventory = Self::default();
        if checksum(&header) != 0 {
            inventory.warnings.push("the checksum of the header is wrong".to_owned());
        }
        for (area, place) in [(Area::Chassis, chassis), (Area::Board, board), (Area::Product, product)] {
            if place != 0
                && let Err(error) = inventory.area(area, octets, usize::from(place) * 8)
            {
                inventory.warnings.push(format!("area {}: {error}", area.name()));
            }
        }
        if multi != 0
            && let Err(error) = inventory.multirecords(octets, usize::from(multi) * 8)
        {
            inventory.warnings.push(format!("area of records: {error}"));
        }
        Ok(inventory)
    }

    fn area(&mut self, area: Area, octets: &[u8], place: usize) -> Result<(), ProtoError> {
        let mut octets = Octets::new("an area of an inventory", octets);
        octets.take(place)?;
        let whole = octets;
        let [_version, length] = octets.array()?;
        let length = usize::from(length) * 8;
        if checksum(whole.clone().take(length)?) != 0 {
            self.warnings.push(format!("area {}: the checksum is wrong", area.name()));
        }
        // The checksum at the end is not part of the fields.
        let mut octets =
            Octets::new("an area of an inventory", whole.clone().take(length.saturating_sub(1))?);
        let head = octets.take(area.head_octets())?;
        match (area, head) {
            (Area::Chassis, [_, _, kind]) => {
                self.fields.push(Field { area, name: "Type", text: chassis_type(*kind) });
            }
            (Area::Board, [_, _, _, low, middle, high]) => {
                let minutes = u32::from_le_bytes([*low, *middle, *high, 0]);
                if minutes != 0 {
                    self.fields.push(Field { area, name: "Mfg Date", text: manufactured(minutes) });
                }
            }
            _ => {}
        }
        let is_english = area.is_english(head);
        let names = area.field_names().iter().copied().chain(std::iter::repeat("Extra"));
        for name in names {
            // Some areas are so full that they have no end marker; the end of the area ends the fields as
            // well.
            if octets.rest().is_empty() {
                break;
            }
            let Ok(text) = fru_text(&mut octets, is_english) else {
                self.warnings.push(format!("area {}: a field is cut off", area.name()));
                break;
            };
            let Some(text) = text else { break };
            if !text.is_empty() {
                self.fields.push(Field { area, name, text });
            }
        }
        Ok(())
    }
}

/// Language codes for English (FRU 1.0, section 15).
const ENGLISH: [u8; 2] = [0, 25];

/// Returns the name of a chassis type (SMBIOS, System Enclosure or Chassis Types).
fn chassis_type(kind: u8) -> String {
    let all = [
        "unspecified",
        "Other",
        "Unknown",
        "Desktop",
        "Low Profile Desktop",
        "Pizza Box",
        "Mini Tower",
        "Tower",
        "Portable",
        "Laptop",
        "Notebook",
        "Hand Held",
        "Docking Station",
        "All in One",
        "Sub Notebook",
        "Space-saving",
        "Lunch Box",
        "Main Server Chassis",
        "Expansion Chassis",
        "SubChassis",
        "Bus Expansion Chassis",
        "Peripheral Chassis",
        "RAID Chassis",
        "Rack Mount Chassis",
        "Sealed-case PC",
        "Multi-system Chassis",
        "CompactPCI",
        "AdvancedTCA",
        "Blade",
        "Blade Enclosure",
        "Tablet",
        "Convertible",
        "Detachable",
        "IoT Gateway",
        "Embedded PC",
        "Mini PC",
        "Stick PC",
    ];
    all.get(usize::from(kind)).map_or_else(|| format!("type {kind}"), |name| (*name).to_owned())
}

/// Formats minutes since 1996 as date and time in UTC.
fn manufactured(minutes: u32) -> String {
    let (days, minutes) = (minutes / 1_440, minutes % 1_440);
    // 9,496 days from 1970 to 1996.
    let Date { year, month, day } = Date::from_days(i64::from(days) + 9_496);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inventory_of_the_simulated_controller_is_read() {
        let octets = include_bytes!("../tests/fru0.bin");
        let inventory = Inventory::decode(octets).unwrap();
        assert_eq!(inventory.warnings, Vec::<String>::new());
        let all: Vec<String> = inventory
            .fields
            .iter()
            .map(|field| format!("{} {}: {}", field.area.name(), field.name, field.text))
            .collect();
        assert_eq!(
            all,
            [
                "Chassis Type: Rack Mount Chassis",
                "Chassis Part Number: CH-1000",
                "Chassis Serial Number: CHS000000",
                "Board Mfg Date: 2020-01-01 00:00 UTC",
                "Board Manufacturer: Example Boards",
                "Board Product Name: XB-42 Mainboard",
                "Board Serial Number: BRD000000",
                "Board Part Number: XB42-A01",
                "Board Extra: rev 7",
                "Product Manufacturer: Example Systems",
                "Product Product Name: Server 9000",
                "Product Part Number: S9000-2U",
                "Product Version: 1.0",
                "Product Serial Number: PRD000000",
                "Product Asset Tag: ASSET-7",
            ]
        );
    }

    #[test]
    fn dates_are_counted_from_1996() {
        assert_eq!(manufactured(1_440 * 366 + 61), "1997-01-01 01:01 UTC");
    }

    #[test]
    fn damage_is_reported_and_the_rest_decoded() {
        let mut octets = include_bytes!("../tests/fru0.bin").to_vec();
        let board = usize::from(octets[3]) * 8;
        octets[board + 8] ^= 1;
        let inventory = Inventory::decode(&octets).unwrap();
        assert_eq!(inventory.warnings, ["area Board: the checksum is wrong"]);
        assert_eq!(inventory.fields.len(), 15);
        assert!(Inventory::decode(&[0xff; 256]).is_err() && Inventory::decode(&octets[..7]).is_err());
        assert!(!Inventory::decode(&octets[..100]).unwrap().warnings.is_empty());
    }

    #[test]
    fn an_overlong_field_is_reported_and_a_missing_end_mark_is_not() {
        let area = |fields: &[u8]| {
            let mut octets = vec![1, 0, 1, 0, 0, 0, 0, 0xfe, 1, 2, 17];
            octets.extend(fields);
            octets.resize(8 + 15, 0);
            octets.push(checksum(&octets[8..]));
            Inventory::decode(&octets).unwrap()
        };
        let full = area(b"\xc5ABCDE\xc5FGHIJ");
        assert_eq!((full.fields.len(), full.warnings.len()), (3, 0), "{full:?}");
        let cut = area(b"\xc5ABCDE\xc6FGHIJ");
        assert_eq!(
            (cut.fields.len(), cut.warnings),
            (2, vec!["area Chassis: a field is cut off".to_owned()])
        );
    }
}
