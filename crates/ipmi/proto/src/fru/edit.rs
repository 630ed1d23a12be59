//! Changing one field of an inventory within the available space.

use super::Area;
use crate::ProtoError;
use crate::message::checksum;
use crate::octets::Octets;
use crate::sdr::fru_field;

/// Bytes to write to a device in order to change a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Offset of the area in bytes.
    pub offset: usize,
    /// New content of the whole area, with its checksum.
    pub octets: Vec<u8>,
}

impl Patch {
    /// Creates the patch that sets one field. All other fields stay as they are.
    ///
    /// The area keeps its offset and may grow into unused space behind it.
    ///
    /// # Errors
    /// If the header is damaged; the area or field does not exist; a field extends beyond the area; the text
    /// contains control characters or, in an English area, characters outside Latin-1; the text is longer
    /// than 63 bytes; or the space does not suffice.
    pub fn new(inventory: &[u8], area: Area, field: &str, text: &str) -> Result<Self, ProtoError> {
        let what = "an area of an inventory";
        let header: [u8; 8] = Octets::new(HEADER, inventory).array()?;
        // For reading, the area offsets of a damaged header are used as they are; for writing that is too
        // risky.
        if checksum(&header) != 0 {
            return Err(ProtoError::Damaged { what: HEADER });
        }
        let [_, internal, chassis, board, product, multi, _, _] = header;
        let place = match area {
            Area::Chassis => chassis,
            Area::Board => board,
            Area::Product => product,
            Area::Records => 0,
        };
        if place == 0 {
            return Err(ProtoError::Absent { what: "the area" });
        }
        let offset = usize::from(place) * 8;
        let others = [internal, chassis, board, product, multi];
        let behind = others.into_iter().map(|other| usize::from(other) * 8).filter(|other| *other > offset);
        let end = behind.min().unwrap_or(inventory.len()).min(inventory.len());
        let mut octets = Octets::new(what, inventory);
        octets.take(offset)?;
        let mut fields = octets;
        let [_version, length] = octets.array()?;
        let length = usize::from(length) * 8;
        let head = fields.take(area.head_octets())?;
        let mut body = Octets::new(what, octets.take(length.saturating_sub(2))?);
        // The checksum at the end is not part of the fields.
        let mut rest = Octets::new(what, body.take(length.saturating_sub(3))?);
        rest.take(area.head_octets().saturating_sub(2))?;
        let wanted = area.field_names().iter().position(|name| name.eq_ignore_ascii_case(field));
        let wanted = wanted.ok_or_else(|| absent(area, field))?;
        let (mut written, mut is_found) = (head.to_vec(), false);
        let mut number = 0;
        // The end marker may be missing. A truncated field is an error, because rewriting the area would lose
        // it.
        while !rest.rest().is_empty() {
            let Some(raw) = fru_field(&mut rest)? else { break };
            if number == wanted {
                written.extend(encoded(text, area.is_english(head))?);
                is_found = true;
            } else {
                written.extend(raw);
            }
            number += 1;
        }
        if !is_found {
            return Err(absent(area, field));
        }
        written.push(END);
        // One byte more for the checksum, rounded up to multiples of eight.
        let needed = (written.len() + 1).next_multiple_of(8);
        let room = end.saturating_sub(offset).min(usize::from(u8::MAX) * 8);
        if needed > room {
            return Err(ProtoError::TooLong { what: "the area with this text", octets: needed, limit: room });
        }
        let whole = needed.max(length.min(room));
        written.resize(whole - 1, 0);
        if let Some(place) = written.get_mut(1) {
            *place = u8::try_from(whole / 8).unwrap_or(u8::MAX);
        }
        written.push(checksum(&written));
        Ok(Self { offset, octets: written })
    }
}

/// Encodes a text as Latin-1, or as UTF-16 if the area is not in English and the text is not ASCII. A text of
/// one character would look like the end marker, so a space is appended to it.
fn encoded(text: &str, is_english: bool) -> Result<Vec<u8>, ProtoError> {
    let mut octets = Vec::with_capacity(text.len() + 1);
    for letter in text.chars() {
        if !is_english && !text.is_ascii() && !letter.is_control() {
            octets.extend(letter.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_le_bytes()));
            continue;
        }
        let octet = u8::try_from(u32::from(letter)).ok().filter(|_| !letter.is_control());
        octets.push(octet.ok_or(ProtoError::Unexpected {
            what: "a letter of the text, which is not of Latin-1,",
            value: letter.into(),
        })?);
    }
    if octets.len() == 1 {
        octets.push(b' ');
    }
    if octets.len() > LONGEST {
        return Err(ProtoError::TooLong { what: "the text", octets: octets.len(), limit: LONGEST });
    }
    let length = u8::try_from(octets.len()).unwrap_or_default();
    Ok([&[0xc0 | length], &octets[..]].concat())
}

const HEADER: &str = "the header of an inventory";
/// Maximum length of a field: the length has six bits.
const LONGEST: usize = 63;
const END: u8 = 0xc1;

fn absent(area: Area, field: &str) -> ProtoError {
    ProtoError::Word {
        what: "a field of this area that the inventory has",
        word: field.to_owned(),
        known: area.field_names().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Inventory;
    use super::*;

    fn original() -> Vec<u8> {
        include_bytes!("../../tests/fru0.bin").to_vec()
    }

    fn patched(area: Area, field: &str, text: &str) -> Result<Inventory, ProtoError> {
        let mut octets = original();
        let patch = Patch::new(&octets, area, field, text)?;
        octets.splice(patch.offset..patch.offset + patch.octets.len(), patch.octets);
        Inventory::decode(&octets)
    }

    #[test]
    fn one_field_changes_and_all_others_stay() {
        let before = Inventory::decode(&original()).unwrap();
        for text in ["", "x", "A-1", "a much longer tag than before ä"] {
            let after = patched(Area::Product, "asset tag", text).unwrap();
            assert_eq!(after.warnings, Vec::<String>::new());
            let others = |inventory: &Inventory| {
                let mut fields = inventory.fields.clone();
                fields.retain(|field| field.name != "Asset Tag");
                fields
            };
            assert_eq!(others(&before), others(&after));
            let tag = after.fields.iter().find(|field| field.name == "Asset Tag");
            assert_eq!(tag.map_or("", |field| field.text.as_str()), text);
        }
    }

    #[test]
    fn an_area_with_a_truncated_field_is_not_changed() {
        let octets = [&[1, 0, 1, 0, 0, 0, 0, 0xfe, 1, 2, 17][..], b"\xc3ABC\xc3DEF\xc9GHI", &[0]].concat();
        let changed = Patch::new(&octets, Area::Chassis, "Part Number", "X");
        assert_eq!(changed, Err(ProtoError::Truncated { what: "an area of an inventory" }));
    }

    #[test]
    fn a_damaged_header_prevents_changes() {
        let mut octets = original();
        octets[4] += 1;
        let changed = Patch::new(&octets, Area::Product, "Asset Tag", "X");
        assert_eq!(changed, Err(ProtoError::Damaged { what: "the header of an inventory" }));
    }

    #[test]
    fn a_text_is_written_in_the_encoding_of_the_language() {
        let mut octets = original();
        let product = usize::from(octets[4]) * 8;
        octets[product + 2] = 17;
        for text in ["B-7", "\u{e4}", "\u{6771}\u{4eac}"] {
            let patch = Patch::new(&octets, Area::Product, "Asset Tag", text).unwrap();
            let mut written = octets.clone();
            written.splice(patch.offset..patch.offset + patch.octets.len(), patch.octets);
            let after = Inventory::decode(&written).unwrap();
            assert!(
                after.warnings.is_empty() && after.fields.iter().any(|field| field.text == text),
                "{after:?}"
            );
        }
    }

    #[test]
    fn a_text_that_does_not_fit_is_rejected() {
        let wrong = |area, field, text: &str| Patch::new(&original(), area, field, text).unwrap_err();
        assert!(matches!(wrong(Area::Chassis, "Serial Number", &"x".repeat(63)), ProtoError::TooLong { .. }));
        assert!(matches!(wrong(Area::Product, "Asset Tag", &"x".repeat(64)), ProtoError::TooLong { .. }));
        assert!(matches!(wrong(Area::Product, "Colour", "red"), ProtoError::Word { .. }));
        assert!(matches!(wrong(Area::Product, "Asset Tag", "€"), ProtoError::Unexpected { .. }));
        assert!(matches!(wrong(Area::Records, "Asset Tag", "x"), ProtoError::Absent { .. }));
        assert!(Patch::new(&original()[..20], Area::Product, "Asset Tag", "x").is_err());
        assert!(Patch::new(&[], Area::Product, "Asset Tag", "x").is_err());
    }
}
