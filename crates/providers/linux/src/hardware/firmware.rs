//! `Win32_BIOS` and `Win32_ComputerSystemProduct`: data of the firmware about itself and the machine.

use std::cell::OnceCell;

use cim::{DateTime, Value};
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};
use linux::hardware::smbios::{Smbios, Structure};

/// Firmware data, from the SMBIOS tables if the caller may read them, otherwise from world-readable kernel
/// files.
#[derive(Default)]
pub(crate) struct Row(OnceCell<Smbios>);

impl Row {
    pub(super) fn tables(&self, machine: &Machine) -> &Smbios {
        self.0.get_or_init(|| Smbios::of(machine))
    }

    pub(super) fn first(&self, machine: &Machine, kind: u8) -> Option<&Structure> {
        self.tables(machine).of_kind(kind).next()
    }
}

/// Returns a line that the kernel reads from the tables.
pub(super) fn identity(machine: &Machine, name: &str) -> Option<String> {
    machine.line(format!("sys/class/dmi/id/{name}"))
}

/// Returns whether the machine has firmware data.
pub(super) fn is_there(machine: &Machine) -> bool {
    machine.path("sys/class/dmi/id").exists() || machine.path("sys/firmware/dmi/tables/DMI").exists()
}

/// The firmware.
pub(crate) struct Bios;

/// Returns a text of type 0, from its kernel file or its offset in the table.
fn bios_text(machine: &Machine, row: &Row, name: &str, at: usize) -> Option<String> {
    identity(machine, name).or_else(|| row.first(machine, 0)?.text(at))
}

fn bios_version(machine: &Machine, row: &Row) -> Option<String> {
    bios_text(machine, row, "bios_version", 5)
}

/// Parses `MM/DD/YYYY`, or `MM/DD/YY` of old firmware (DSP0134 7.1).
fn release_date(text: &str) -> Option<DateTime> {
    let mut parts = text.split('/');
    let (month, day, year): (i8, i8, i16) =
        (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let year = if year < 100 { year + 1900 } else { year };
    let date = jiff::civil::Date::new(year, month, day).ok()?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    cim::Timestamp::from_unix_micros(midnight.as_microsecond(), 0).map(DateTime::Timestamp)
}

/// Returns one half of `bios_release`, such as `2.13`.
fn release(machine: &Machine, row: &Row, part: usize) -> Option<u8> {
    let shown = identity(machine, "bios_release").and_then(|text| text.split('.').nth(part)?.parse().ok());
    shown.or_else(|| row.first(machine, 0)?.byte(0x14 + part)).filter(|number| *number != 0xFF)
}

/// Returns the firmware characteristics: the bit numbers of type 0, which are also the values on Windows.
fn characteristics(structure: &Structure) -> Option<Vec<u16>> {
    let bits = structure.quad(0x0A)?;
    // The upper 32 bits are defined by the vendor.
    Some((0..32_u16).filter(|bit| bits >> bit & 1 != 0).collect())
}

impl Table for Bios {
    type Row = Row;

    const CLASS: &'static str = "Win32_BIOS";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("BiosCharacteristics", |machine, row| {
            row.first(machine, 0).and_then(characteristics).filter(|list| !list.is_empty()).into()
        }),
        ("BIOSVersion", |machine, row| bios_version(machine, row).map(|version| vec![version]).into()),
        ("Caption", |machine, row| bios_version(machine, row).into()),
        ("CurrentLanguage", |machine, row| {
            row.first(machine, 13).and_then(|language| language.text(0x15)).into()
        }),
        ("Description", |machine, row| bios_version(machine, row).into()),
        ("EmbeddedControllerMajorVersion", |machine, row| {
            row.first(machine, 0).and_then(|bios| bios.byte(0x16)).into()
        }),
        ("EmbeddedControllerMinorVersion", |machine, row| {
            row.first(machine, 0).and_then(|bios| bios.byte(0x17)).into()
        }),
        ("InstallableLanguages", |machine, row| {
            row.first(machine, 13).and_then(|language| language.byte(4)).map(u16::from).into()
        }),
        ("ListOfLanguages", |machine, row| {
            let languages = row.first(machine, 13).map(Structure::texts);
            languages.filter(|list| !list.is_empty()).map(<[String]>::to_vec).into()
        }),
        ("Manufacturer", |machine, row| bios_text(machine, row, "bios_vendor", 4).into()),
        ("Name", |machine, row| bios_version(machine, row).unwrap_or_default().into()),
        ("PrimaryBIOS", |_, _| true.into()),
        ("ReleaseDate", |machine, row| {
            bios_text(machine, row, "bios_date", 8).and_then(|text| release_date(&text)).into()
        }),
        ("SerialNumber", |machine, row| {
            identity(machine, "product_serial").or_else(|| row.first(machine, 1)?.text(7)).into()
        }),
        ("SMBIOSBIOSVersion", |machine, row| bios_version(machine, row).into()),
        ("SMBIOSMajorVersion", |machine, row| row.tables(machine).version.map(|(major, _)| major).into()),
        ("SMBIOSMinorVersion", |machine, row| row.tables(machine).version.map(|(_, minor)| minor).into()),
        ("SMBIOSPresent", |machine, _| is_there(machine).into()),
        ("SoftwareElementID", |machine, row| bios_version(machine, row).unwrap_or_default().into()),
        ("SoftwareElementState", |_, _| 3_u16.into()),
        ("Status", |_, _| "OK".into()),
        ("SystemBiosMajorVersion", |machine, row| release(machine, row, 0).into()),
        ("SystemBiosMinorVersion", |machine, row| release(machine, row, 1).into()),
        ("TargetOperatingSystem", |_, _| 0_u16.into()),
        ("Version", |machine, row| {
            let vendor = bios_text(machine, row, "bios_vendor", 4);
            let date = bios_text(machine, row, "bios_date", 8);
            let parts: Vec<String> = vendor.into_iter().chain(date).collect();
            parts.join(" - ").into()
        }),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        Ok(is_there(machine).then(Row::default).into_iter())
    }
}

/// The machine as a product.
pub(crate) struct Product;

/// Returns a text of type 1; on machines without SMBIOS the model is read from the device tree.
fn product_text(machine: &Machine, row: &Row, name: &str, at: usize) -> Option<String> {
    identity(machine, name).or_else(|| row.first(machine, 1)?.text(at))
}

/// Returns the UUID of the machine, whose first three fields are little-endian (DSP0134 7.2.1).
fn uuid(structure: &Structure) -> Option<String> {
    let octets = structure.slice(8, 16)?;
    if octets.iter().all(|octet| *octet == 0) || octets.iter().all(|octet| *octet == 0xFF) {
        return None;
    }
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let digits: Vec<String> =
        order.iter().filter_map(|at: &usize| octets.get(*at)).map(|octet| format!("{octet:02X}")).collect();
    let text = digits.concat();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    Some(parts.into_iter().filter_map(|part| text.get(part)).collect::<Vec<_>>().join("-"))
}

impl Table for Product {
    type Row = Row;

    const CLASS: &'static str = "Win32_ComputerSystemProduct";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Caption", |_, _| "Computer System Product".into()),
        ("Description", |_, _| "Computer System Product".into()),
        ("IdentifyingNumber", |machine, row| {
            product_text(machine, row, "product_serial", 7).unwrap_or_default().into()
        }),
        ("Name", |machine, row| {
            let model = || machine.line("sys/firmware/devicetree/base/model");
            let name = product_text(machine, row, "product_name", 5).or_else(model).unwrap_or_default();
            name.trim_end_matches('\0').to_owned().into()
        }),
        ("SKUNumber", |machine, row| product_text(machine, row, "product_sku", 0x19).into()),
        ("UUID", |machine, row| {
            let shown = identity(machine, "product_uuid").map(|text| text.to_ascii_uppercase());
            shown.or_else(|| row.first(machine, 1).and_then(uuid)).into()
        }),
        ("Vendor", |machine, row| product_text(machine, row, "sys_vendor", 4).into()),
        ("Version", |machine, row| {
            product_text(machine, row, "product_version", 6).unwrap_or_default().into()
        }),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        let has_model = machine.path("sys/firmware/devicetree/base/model").exists();
        Ok((has_model || is_there(machine)).then(Row::default).into_iter())
    }
}

/// Returns a text of the first structure of a type, or of the corresponding kernel file.
pub(super) fn text_of(machine: &Machine, row: &Row, name: &str, kind: u8, at: usize) -> Value {
    identity(machine, name).or_else(|| row.first(machine, kind)?.text(at)).into()
}
