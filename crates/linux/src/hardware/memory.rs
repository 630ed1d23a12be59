//! Memory modules and caches (SMBIOS, DSP0134).

use crate::Machine;
use crate::hardware::smbios::{Smbios, Structure};

/// A structure and its index among structures of the same type.
pub struct Numbered {
    /// Index from 0.
    pub number: u32,
    /// The structure.
    pub structure: Structure,
    /// Related structure of another type, if there is one.
    pub other: Option<Structure>,
}

/// Returns the structures of a type, with their indexes.
pub fn numbered(
    machine: &Machine,
    kind: u8,
    other: impl Fn(&Smbios, &Structure) -> Option<Structure>,
) -> Vec<Numbered> {
    let tables = Smbios::of(machine);
    (0..)
        .zip(tables.of_kind(kind))
        .map(|(number, structure): (u32, &Structure)| Numbered {
            number,
            structure: structure.clone(),
            other: other(&tables, structure),
        })
        .collect()
}

/// Returns a number, or `None` if it has the value that means "unknown".
pub fn known(number: Option<u16>, unknown: u16) -> Option<u16> {
    number.filter(|number| *number != unknown)
}

/// Returns the capacity of a module in bytes (DSP0134 7.18.4): the field is in MiB, or in KiB if its highest
/// bit is set; large capacities are in an extended field.
pub fn capacity(module: &Structure) -> Option<u64> {
    match module.word(0x0C)? {
        0 | 0xFFFF => None,
        0x7FFF => module.double(0x1C).map(|mib| u64::from(mib & 0x7FFF_FFFF) << 20),
        kib if kib & 0x8000 != 0 => Some(u64::from(kib & 0x7FFF) << 10),
        mib => Some(u64::from(mib) << 20),
    }
}

/// Returns a speed in million transfers per second; high speeds are in an extended field.
pub fn speed(module: &Structure, at: usize, extended: usize) -> Option<u32> {
    match module.word(at)? {
        0 => None,
        0xFFFF => module.double(extended),
        speed => Some(speed.into()),
    }
}

/// Returns the address range of a module, which is a structure of type 20.
pub fn mapped(tables: &Smbios, module: &Structure) -> Option<Structure> {
    tables.of_kind(20).find(|mapped| mapped.word(0x0C) == Some(module.handle)).cloned()
}

/// Returns the maximum capacity in KiB; from 2 TiB on it is in an extended field in bytes (DSP0134 7.17).
pub fn most(array: &Structure) -> Option<u64> {
    match array.double(7)? {
        0x8000_0000 => array.quad(0x0F).map(|octets| octets >> 10),
        kib => Some(kib.into()),
    }
}

/// Returns the size of a cache in KiB; the highest bit selects units of 1 or 64 KiB, and large sizes are in
/// an extended field (DSP0134 7.8.1).
pub fn cache_size(cache: &Structure, at: usize, extended: usize) -> Option<u32> {
    let size = cache.word(at)?;
    if size == 0xFFFF
        && let Some(size) = cache.double(extended)
    {
        let units = size & 0x7FFF_FFFF;
        return if size >> 31 == 0 { Some(units) } else { units.checked_mul(64) };
    }
    Some(u32::from(size & 0x7FFF) * if size & 0x8000 == 0 { 1 } else { 64 })
}

/// Returns whether a cache is enabled.
pub fn is_on(cache: &Structure) -> bool {
    cache.word(5).is_some_and(|flags| flags & 0x80 != 0)
}
