//! `Win32_BIOS` and `Win32_ComputerSystemProduct`: data of the firmware about itself and the machine.

use cim::{DateTime, Value};
use linux::hardware::firmware::{
    Firmware, bios_text, bios_version, characteristics, identity, is_there, product_text, release, uuid,
};
use linux::hardware::smbios::Structure;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// The firmware.
pub(crate) struct Bios;

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

impl Table for Bios {
    type Row = Firmware;

    const CLASS: &'static str = "Win32_BIOS";

    const COLUMNS: &'static [(&'static str, Fill<Firmware>)] = &[
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

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Firmware>, ProviderError> {
        Ok(is_there(machine).then(Firmware::default).into_iter())
    }
}

/// The machine as a product.
pub(crate) struct Product;

impl Table for Product {
    type Row = Firmware;

    const CLASS: &'static str = "Win32_ComputerSystemProduct";

    const COLUMNS: &'static [(&'static str, Fill<Firmware>)] = &[
        ("Caption", |_, _| "Computer System Product".into()),
        ("Description", |_, _| "Computer System Product".into()),
        ("IdentifyingNumber", |machine, row| {
            product_text(machine, row, "product_serial", 7).unwrap_or_default().into()
        }),
        ("Name", |machine, row| {
            let name = product_text(machine, row, "product_name", 5)
                .or_else(|| machine.line("sys/firmware/devicetree/base/model"))
                .unwrap_or_default();
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

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Firmware>, ProviderError> {
        let has_model = machine.path("sys/firmware/devicetree/base/model").exists();
        Ok((has_model || is_there(machine)).then(Firmware::default).into_iter())
    }
}

/// Returns a text of the first structure of a type, or of the corresponding kernel file.
pub(super) fn text_of(machine: &Machine, row: &Firmware, name: &str, kind: u8, at: usize) -> Value {
    identity(machine, name).or_else(|| row.first(machine, kind)?.text(at)).into()
}
