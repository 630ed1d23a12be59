//! MultiRecord area: power supplies, their outputs and loads, management addresses (FRU 1.0, 16 to 18).

use super::{Area, Field, Inventory};
use crate::ProtoError;
use crate::message::checksum;
use crate::octets::Octets;

impl Inventory {
    /// Decodes all records; records of unknown types are shown as hexadecimal digits.
    pub(super) fn multirecords(&mut self, octets: &[u8], place: usize) -> Result<(), ProtoError> {
        let mut octets = Octets::new("an area of an inventory", octets);
        octets.take(place)?;
        for number in 1..=MOST_RECORDS {
            let header: [u8; 5] = octets.array()?;
            let [kind, flags, length, body_sum, _] = header;
            if checksum(&header) != 0 {
                let warning = format!("record {number}: the checksum of its header is wrong");
                self.warnings.push(warning);
                return Ok(());
            }
            let body = octets.take(length.into())?;
            if checksum(body) != body_sum {
                self.warnings.push(format!("record {number}: its checksum is wrong"));
            }
            if self.record(kind, body).is_err() {
                self.warnings.push(format!("record {number}: it is cut off"));
            }
            if flags & LAST != 0 {
                return Ok(());
            }
        }
        self.warnings.push(format!("there are more than {MOST_RECORDS} records"));
        Ok(())
    }

    fn record(&mut self, kind: u8, body: &[u8]) -> Result<(), ProtoError> {
        let what = "a record of an inventory";
        let mut octets = Octets::new(what, body);
        match kind {
            0x00 => self.power_supply(octets),
            0x01 | 0x02 => {
                let [number] = octets.array()?;
                let (nominal, low, high) = (octets.u16()?, octets.u16()?, octets.u16()?);
                let (ripple, least, most) = (octets.u16()?, octets.u16()?, octets.u16()?);
                let text = format!(
                    "number {}, {} V ({} to {} V), ripple {ripple} mV, {} to {} A",
                    number & 0x0f,
                    signed_hundredths(nominal),
                    signed_hundredths(low),
                    signed_hundredths(high),
                    thousandths(least),
                    thousandths(most),
                );
                self.add(if kind == 1 { "DC Output" } else { "DC Load" }, text);
                Ok(())
            }
            0x03 => {
                let name = match octets.u8()? {
                    1 => "System Management URL",
                    2 => "System Name",
                    3 => "System Ping Address",
                    4 => "Component Management URL",
                    5 => "Component Name",
                    6 => "Component Ping Address",
                    7 => "System Unique ID",
                    _ => "Management Access",
                };
                let text = octets.rest();
                let text = if name.ends_with("ID") { hex(text) } else { shown(text) };
                self.add(name, text);
                Ok(())
            }
            0xc0.. => {
                let manufacturer = octets.u24()?;
                self.add("OEM Record", format!("manufacturer {manufacturer}: {}", hex(octets.rest())));
                Ok(())
            }
            other => {
                self.add("Other Record", format!("type {other:02x}h: {}", hex(body)));
                Ok(())
            }
        }
    }

    /// Decodes Power Supply Information (FRU 1.0, 18.1).
    fn power_supply(&mut self, octets: Octets<'_>) -> Result<(), ProtoError> {
        let mut octets = octets;
        let (capacity, peak) = (octets.u16()?, octets.u16()?);
        let [_inrush, _inrush_time] = octets.array()?;
        let [low, high, second_low, second_high] =
            [octets.u16()?, octets.u16()?, octets.u16()?, octets.u16()?];
        let [least_hertz, most_hertz, _dropout, flags] = octets.array()?;
        let mut text = format!("{} W", capacity & 0x0fff);
        if peak != u16::MAX {
            text.push_str(&format!(", at most {peak} VA"));
        }
        for (low, high) in [(low, high), (second_low, second_high)] {
            if high != 0 {
                text.push_str(&format!(", {} to {} V", hundredths(low), hundredths(high)));
            }
        }
        text.push_str(&format!(", {least_hertz} to {most_hertz} Hz"));
        let known = [(1, "corrects the power factor"), (2, "switches its input by itself"), (3, "hot swap")];
        for (_, name) in known.into_iter().filter(|(bit, _)| flags >> bit & 1 == 1) {
            text.push_str(", ");
            text.push_str(name);
        }
        self.add("Power Supply", text);
        Ok(())
    }

    fn add(&mut self, name: &'static str, text: String) {
        self.fields.push(Field { area: Area::Records, name, text });
    }
}

fn hundredths(value: u16) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

/// Formats a number of hundredths in two's complement.
fn signed_hundredths(value: u16) -> String {
    let value = i16::from_le_bytes(value.to_le_bytes());
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", hundredths(value.unsigned_abs()))
}

fn thousandths(value: u16) -> String {
    format!("{}.{:03}", value / 1_000, value % 1_000)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.trim_end_matches(['\0', ' ']).replace(|letter: char| letter.is_control(), "\u{fffd}")
}

const LAST: u8 = 0x80;
/// Maximum number of records read; no valid inventory of 64 KiB has more.
const MOST_RECORDS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, last: bool, body: &[u8]) -> Vec<u8> {
        let mut header =
            vec![kind, if last { 0x82 } else { 2 }, body.len().try_into().unwrap(), checksum(body)];
        header.push(checksum(&header));
        [&header, body].concat()
    }

    fn inventory(records: &[u8]) -> Inventory {
        let mut octets = vec![1, 0, 0, 0, 0, 1, 0];
        octets.push(checksum(&octets));
        octets.extend(records);
        Inventory::decode(&octets).unwrap()
    }

    #[test]
    fn supplies_outputs_and_addresses_are_read() {
        let supply = [
            0x20, 3, 0xff, 0xff, 50, 20, 0x10, 0x27, 0x38, 0x31, 0, 0, 0, 0, 47, 63, 10, 0b1010, 0, 0, 0, 0,
            0, 0,
        ];
        let output = [1, 0xb0, 4, 0x74, 4, 0xec, 4, 120, 0, 0, 0, 0x10, 0x27];
        let records = [
            record(0, false, &supply),
            record(1, false, &output),
            record(3, false, &[&[1][..], b"https://bmc7/"].concat()),
            record(0xc0, true, &[0x37, 1, 0, 0xab]),
        ];
        let all = inventory(&records.concat());
        assert_eq!(all.warnings, Vec::<String>::new());
        let texts: Vec<(&str, &str)> =
            all.fields.iter().map(|field| (field.name, field.text.as_str())).collect();
        assert_eq!(
            texts,
            [
                (
                    "Power Supply",
                    "800 W, 100.00 to 126.00 V, 47 to 63 Hz, corrects the power factor, hot swap"
                ),
                ("DC Output", "number 1, 12.00 V (11.40 to 12.60 V), ripple 120 mV, 0.000 to 10.000 A"),
                ("System Management URL", "https://bmc7/"),
                ("OEM Record", "manufacturer 311: ab"),
            ]
        );
    }

    #[test]
    fn a_record_with_a_wrong_length_ends_the_list() {
        let mut lying = record(3, false, b"\x01x");
        assert!(inventory(&lying).warnings.len() == 1, "the last one is missing");
        lying[2] = 200;
        assert_eq!(inventory(&lying).warnings, ["record 1: the checksum of its header is wrong"]);
        let short = inventory(&record(0, true, &[1, 2]));
        assert_eq!(short.warnings, ["record 1: it is cut off"]);
    }
}
