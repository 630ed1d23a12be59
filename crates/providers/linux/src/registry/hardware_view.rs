//! Firmware and processors below `HARDWARE\DESCRIPTION\System`.

use linux::hardware::firmware::{Firmware, bios_version, identity, product_text};
use linux::processors::online;

use super::key::{Data, Values, text_value};
use crate::Machine;
use crate::hardware::processor::{field_in, windows_caption};

/// Returns the values of the machine as a whole.
pub(super) fn system(machine: &Machine) -> Values {
    let version = bios_version(machine, &Firmware::default());
    [
        text_value("SystemBiosDate", identity(machine, "bios_date").as_deref()),
        version.map(|version| ("SystemBiosVersion", Data::Texts(vec![version]))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the values of firmware, product and board.
pub(super) fn bios(machine: &Machine) -> Values {
    let firmware = Firmware::default();
    let product = |name, at| product_text(machine, &firmware, name, at);
    [
        text_value("BIOSReleaseDate", identity(machine, "bios_date").as_deref()),
        text_value("BIOSVendor", identity(machine, "bios_vendor").as_deref()),
        text_value("BIOSVersion", bios_version(machine, &firmware).as_deref()),
        text_value("BaseBoardManufacturer", identity(machine, "board_vendor").as_deref()),
        text_value("BaseBoardProduct", identity(machine, "board_name").as_deref()),
        text_value("BaseBoardVersion", identity(machine, "board_version").as_deref()),
        text_value("SystemFamily", product("product_family", 0x1A).as_deref()),
        text_value("SystemManufacturer", product("sys_vendor", 4).as_deref()),
        text_value("SystemProductName", product("product_name", 5).as_deref()),
        text_value("SystemSKU", product("product_sku", 0x19).as_deref()),
        text_value("SystemVersion", product("product_version", 6).as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the names of the processor keys: one for each online logical processor, numbered from 0 as on
/// Windows.
pub(super) fn processors(machine: &Machine) -> Vec<String> {
    (0..online(machine).unwrap_or_default().len()).map(|place| place.to_string()).collect()
}

/// Returns the values of a processor.
pub(super) fn processor(machine: &Machine, name: &str) -> Option<Values> {
    let place: usize = name.parse().ok().filter(|place: &usize| place.to_string() == name)?;
    let number = online(machine)?.get(place)?.to_string();
    let text = machine.text("proc/cpuinfo").unwrap_or_default();
    let block = text.split("\n\n").find(|block| field_in(block, "processor") == Some(&number));
    let field = |name| block.and_then(|block| field_in(block, name));
    let speed = field("cpu MHz").and_then(|mhz| mhz.split('.').next()?.parse().ok());
    Some(
        [
            text_value("Identifier", block.and_then(windows_caption).as_deref()),
            text_value("ProcessorNameString", field("model name")),
            text_value("VendorIdentifier", field("vendor_id")),
            speed.map(|mhz| ("~MHz", Data::Number(mhz))),
        ]
        .into_iter()
        .flatten()
        .collect(),
    )
}
