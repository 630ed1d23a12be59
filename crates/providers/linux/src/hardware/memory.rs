//! `Win32_PhysicalMemory`, `Win32_PhysicalMemoryArray` and `Win32_CacheMemory`, from the firmware tables.

use cim::Value;
use linux::hardware::memory::{Numbered, cache_size, capacity, is_on, known, mapped, most, numbered, speed};
use linux::hardware::smbios::Structure;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// Memory modules.
pub(crate) struct PhysicalMemory;

/// Returns the Windows memory type (`CIM_PhysicalMemory.MemoryType`, defined before DDR4) for an SMBIOS type.
fn memory_type(module: &Structure) -> Option<u16> {
    Some(match module.byte(0x12)? {
        1 => 1,
        3 => 2,
        4 => 6,
        5 => 7,
        6 => 8,
        7 => 9,
        8 => 10,
        9 => 11,
        0x0A => 12,
        0x0B => 13,
        0x0C => 14,
        0x0D => 15,
        0x0E => 16,
        0x0F => 17,
        0x10 => 18,
        0x11 => 19,
        0x12 => 20,
        0x13 => 21,
        0x14 => 22,
        0x18 => 24,
        0x19 => 25,
        _ => 0,
    })
}

impl Table for PhysicalMemory {
    type Row = Numbered;

    const CLASS: &'static str = "Win32_PhysicalMemory";

    const COLUMNS: &'static [(&'static str, Fill<Numbered>)] = &[
        ("Attributes", |_, row| row.structure.byte(0x1B).map(u32::from).into()),
        ("BankLabel", |_, row| row.structure.text(0x11).into()),
        ("Capacity", |_, row| capacity(&row.structure).into()),
        ("Caption", |_, _| "Physical Memory".into()),
        ("ConfiguredClockSpeed", |_, row| speed(&row.structure, 0x20, 0x58).into()),
        ("ConfiguredVoltage", |_, row| voltage(&row.structure, 0x26)),
        ("DataWidth", |_, row| known(row.structure.word(0x0A), 0xFFFF).into()),
        ("Description", |_, _| "Physical Memory".into()),
        ("DeviceLocator", |_, row| row.structure.text(0x10).into()),
        // Windows form factors are one less than those of SMBIOS.
        ("FormFactor", |_, row| {
            row.structure.byte(0x0E).and_then(|form| form.checked_sub(1)).map(u16::from).into()
        }),
        ("InterleavePosition", |_, row| {
            let position = row.other.as_ref().and_then(|mapped| mapped.byte(0x11));
            position.filter(|position| *position != 0xFF).map(u32::from).into()
        }),
        ("Manufacturer", |_, row| row.structure.text(0x17).into()),
        ("MaxVoltage", |_, row| voltage(&row.structure, 0x24)),
        ("MemoryType", |_, row| memory_type(&row.structure).into()),
        ("MinVoltage", |_, row| voltage(&row.structure, 0x22)),
        ("Name", |_, _| "Physical Memory".into()),
        ("PartNumber", |_, row| row.structure.text(0x1A).into()),
        ("PositionInRow", |_, _| 1_u32.into()),
        ("SerialNumber", |_, row| row.structure.text(0x18).into()),
        ("SMBIOSMemoryType", |_, row| row.structure.byte(0x12).map(u32::from).into()),
        ("Speed", |_, row| speed(&row.structure, 0x15, 0x54).into()),
        ("Status", |_, _| "OK".into()),
        ("Tag", |_, row| format!("Physical Memory {}", row.number).into()),
        ("TotalWidth", |_, row| known(row.structure.word(8), 0xFFFF).into()),
        ("TypeDetail", |_, row| row.structure.word(0x13).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Numbered>, ProviderError> {
        // Empty sockets are skipped.
        let modules = numbered(machine, 17, mapped).into_iter();
        Ok(modules.filter(|row| capacity(&row.structure).is_some()))
    }
}

/// Returns a voltage in millivolts; NULL for 0, which means unknown.
fn voltage(module: &Structure, at: usize) -> Value {
    module.word(at).filter(|voltage| *voltage > 0).map(u32::from).into()
}

/// Memory arrays.
pub(crate) struct MemoryArray;

impl Table for MemoryArray {
    type Row = Numbered;

    const CLASS: &'static str = "Win32_PhysicalMemoryArray";

    const COLUMNS: &'static [(&'static str, Fill<Numbered>)] = &[
        ("Caption", |_, _| "Physical Memory Array".into()),
        ("Description", |_, _| "Physical Memory Array".into()),
        ("Location", |_, row| {
            row.structure.byte(4).and_then(|place| place.checked_sub(1)).map(u16::from).into()
        }),
        ("MaxCapacity", |_, row| {
            most(&row.structure).map(|kib| u32::try_from(kib).unwrap_or(u32::MAX)).into()
        }),
        ("MaxCapacityEx", |_, row| most(&row.structure).into()),
        ("MemoryDevices", |_, row| row.structure.word(0x0D).into()),
        ("MemoryErrorCorrection", |_, row| {
            row.structure.byte(6).and_then(|kind| kind.checked_sub(1)).map(u16::from).into()
        }),
        ("Name", |_, _| "Physical Memory Array".into()),
        ("Status", |_, _| "OK".into()),
        ("Tag", |_, row| format!("Physical Memory Array {}", row.number).into()),
        ("Use", |_, row| row.structure.byte(5).and_then(|what| what.checked_sub(1)).map(u16::from).into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Numbered>, ProviderError> {
        Ok(numbered(machine, 16, |_, _| None).into_iter())
    }
}

/// Processor caches.
pub(crate) struct CacheMemory;

impl Table for CacheMemory {
    type Row = Numbered;

    const CLASS: &'static str = "Win32_CacheMemory";

    const COLUMNS: &'static [(&'static str, Fill<Numbered>)] = &[
        ("Associativity", |_, row| row.structure.byte(0x12).map(u16::from).into()),
        // 3 is running, 8 is off line.
        ("Availability", |_, row| if is_on(&row.structure) { 3_u16 } else { 8 }.into()),
        ("BlockSize", |_, _| 1_024_u64.into()),
        ("CacheSpeed", |_, row| row.structure.byte(0x0F).filter(|speed| *speed > 0).map(u32::from).into()),
        ("CacheType", |_, row| row.structure.byte(0x11).map(u16::from).into()),
        ("Caption", |_, _| "Cache Memory".into()),
        ("CurrentSRAM", |_, row| kinds(row.structure.word(0x0D))),
        ("Description", |_, _| "Cache Memory".into()),
        ("DeviceID", |_, row| format!("Cache Memory {}", row.number).into()),
        ("ErrorCorrectType", |_, row| {
            row.structure.byte(0x10).and_then(|kind| kind.checked_sub(1)).map(u16::from).into()
        }),
        ("InstalledSize", |_, row| cache_size(&row.structure, 9, 0x17).into()),
        // Windows cache levels start at 3.
        ("Level", |_, row| row.structure.word(5).map(|flags| (flags & 7) + 3).into()),
        ("Location", |_, row| row.structure.word(5).map(|flags| flags >> 5 & 3).into()),
        ("MaxCacheSize", |_, row| cache_size(&row.structure, 7, 0x13).into()),
        ("Name", |_, _| "Cache Memory".into()),
        ("NumberOfBlocks", |_, row| cache_size(&row.structure, 9, 0x17).map(u64::from).into()),
        ("Purpose", |_, row| row.structure.text(4).into()),
        ("Status", |_, _| "OK".into()),
        ("StatusInfo", |_, row| if is_on(&row.structure) { 3_u16 } else { 4 }.into()),
        ("SupportedSRAM", |_, row| kinds(row.structure.word(0x0B))),
        ("WritePolicy", |_, row| {
            // SMBIOS: 0 write-through, 1 write-back, 2 varies with address, 3 unknown; Windows: 2 unknown, 3
            // write-back, 4 write-through, 5 varies with address.
            let policy = row.structure.word(5).map(|flags| flags >> 8 & 3);
            policy
                .map(|policy| match policy {
                    0 => 4_u16,
                    1 => 3,
                    2 => 5,
                    _ => 2,
                })
                .into()
        }),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Numbered>, ProviderError> {
        Ok(numbered(machine, 7, |_, _| None).into_iter())
    }
}

/// Returns the numbers of the set bits.
fn kinds(bits: Option<u16>) -> Value {
    let kinds = bits.map(|bits| (0..16_u16).filter(|bit| bits >> bit & 1 != 0).collect::<Vec<_>>());
    kinds.filter(|kinds| !kinds.is_empty()).into()
}
