//! Inventories: who made what, and its numbers (Platform Management FRU Information Storage Definition 1.0).

use crate::ProtoError;
use crate::message::checksum;
use crate::octets::Octets;
use crate::sdr::fru_text;

/// What an inventory says, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The fields in their order, with the area they are in.
    pub fields: Vec<Field>,
    /// What was wrong with it, for people: many inventories in the field are a little damaged.
    pub warnings: Vec<String>,
}

/// One field of an inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its area.
    pub area: Area,
    /// What it is, such as `Serial Number`.
    pub name: &'static str,
    /// What it says; never empty.
    pub text: String,
}

/// A part of an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// The box.
    Chassis,
    /// The main board.
    Board,
    /// The whole machine.
    Product,
}

impl Area {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Chassis => "Chassis",
            Self::Board => "Board",
            Self::Product => "Product",
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
        }
    }
}

impl Inventory {
    /// Reads an inventory. An area that is damaged is left out, with a warning.
    ///
    /// # Errors
    /// When there is not even a header.
    pub fn decode(octets: &[u8]) -> Result<Self, ProtoError> {
        let what = "the header of an inventory";
        let header: [u8; 8] = Octets::new(what, octets).array()?;
        let [version, _internal, chassis, board, product, _multi, _, _] = header;
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
        let mut octets = Octets::new("an area of an inventory", whole.clone().take(length)?);
        match area {
            Area::Chassis => drop(octets.take(3)?),
            Area::Board => drop(octets.take(6)?),
            Area::Product => drop(octets.take(3)?),
        }
        let names = area.field_names().iter().copied().chain(std::iter::repeat("Extra"));
        for name in names {
            // Nothing behind the last field, or no room for the mark of the end, ends it as well.
            let Ok(Some(text)) = fru_text(&mut octets) else { break };
            if !text.is_empty() {
                self.fields.push(Field { area, name, text });
            }
        }
        Ok(())
    }
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
                "Chassis Part Number: CH-1000",
                "Chassis Serial Number: CHS000000",
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
    fn what_is_damaged_is_said_and_the_rest_is_read() {
        let mut octets = include_bytes!("../tests/fru0.bin").to_vec();
        let board = usize::from(octets[3]) * 8;
        octets[board + 8] ^= 1;
        let inventory = Inventory::decode(&octets).unwrap();
        assert_eq!(inventory.warnings, ["area Board: the checksum is wrong"]);
        assert_eq!(inventory.fields.len(), 13);
        assert!(Inventory::decode(&[0xff; 256]).is_err() && Inventory::decode(&octets[..7]).is_err());
        assert!(!Inventory::decode(&octets[..100]).unwrap().warnings.is_empty());
    }
}
