//! Tables of SMBIOS 3.3 (DSP0134).

/// Encodes a structure: its bytes after the header, and its texts.
fn structure(kind: u8, handle: u16, octets: &[u8], texts: &[&str]) -> Vec<u8> {
    let mut all = vec![kind, u8::try_from(octets.len() + 4).unwrap()];
    all.extend(handle.to_le_bytes());
    all.extend(octets);
    for text in texts {
        all.extend(text.as_bytes());
        all.push(0);
    }
    if texts.is_empty() {
        all.push(0);
    }
    all.push(0);
    all
}

/// Encodes a memory module (type 17) with the texts locator, bank, manufacturer, serial number, asset tag and
/// part number.
fn module(handle: u16, size: u16, extended: u32, texts: &[&str]) -> Vec<u8> {
    let mut octets = Vec::new();
    octets.extend(0x1000_u16.to_le_bytes());
    octets.extend(0xFFFE_u16.to_le_bytes());
    octets.extend(72_u16.to_le_bytes());
    octets.extend(64_u16.to_le_bytes());
    octets.extend(size.to_le_bytes());
    // DIMM, no set, locator, bank, DDR4, synchronous.
    octets.extend([9, 0, 1, 2, 26]);
    octets.extend(0x80_u16.to_le_bytes());
    octets.extend(3_200_u16.to_le_bytes());
    octets.extend([3, 4, 5, 6, 2]);
    octets.extend(extended.to_le_bytes());
    octets.extend(2_933_u16.to_le_bytes());
    for millivolts in [1_200_u16; 3] {
        octets.extend(millivolts.to_le_bytes());
    }
    structure(17, handle, &octets, texts)
}

/// Returns all structures of a machine.
pub(super) fn table() -> Vec<u8> {
    let mut bios = vec![1, 2, 0, 0xF0, 3, 0];
    bios.extend(0x0000_0000_0801_8880_u64.to_le_bytes());
    bios.extend([0x01, 0x0D, 2, 13, 1, 5]);
    let mut system = vec![1, 2, 3, 4];
    system.extend([
        0x44, 0x45, 0x4C, 0x4C, 0x31, 0x00, 0x10, 0x4D, 0x80, 0x53, 0xB4, 0xC0, 0x4F, 0x32, 0x32, 0x32,
    ]);
    system.extend([6, 5, 6]);
    let mut array = vec![3, 3, 6];
    array.extend((128_u32 << 20).to_le_bytes());
    array.extend(0xFFFE_u16.to_le_bytes());
    array.extend(3_u16.to_le_bytes());
    // An L2 cache: enabled, write-back, 2 MiB.
    let mut cache = vec![1];
    for word in [0x0181_u16, 2_048, 2_048, 0x20, 0x20] {
        cache.extend(word.to_le_bytes());
    }
    cache.extend([0, 5, 5, 7]);
    let slot = [1, 0xB6, 0x0D, 4, 4, 1, 0, 0x0C, 2, 0, 0, 1, 0x1A];
    [
        structure(0, 0, &bios, &["American Megatrends", "2.13.5", "02/29/2024"]),
        structure(1, 1, &system, &["Example Systems", "Server 7", "Rev B", "SN-0007", "SKU-7", "Family"]),
        structure(2, 2, &[1, 2, 3, 4, 0, 0x09, 0, 3, 0, 10, 0], &["Example Boards", "X12", "1.02", "BSN-9"]),
        structure(
            3,
            3,
            &[1, 0x97, 2, 3, 4, 3, 3, 3, 3, 0, 0, 0, 0, 2, 2, 0, 0, 5],
            &["Example Cases", "1", "CSN-3", "TAG-3", "SKU-C"],
        ),
        structure(7, 7, &cache, &["L2-Cache"]),
        structure(8, 8, &[1, 0, 2, 0x12, 0x10], &["J1", "USB"]),
        structure(9, 9, &slot, &["PCIE 1"]),
        structure(16, 0x1000, &array, &[]),
        module(0x1100, 0x7FFF, 64 << 10, &["DIMM A1", "BANK 0", "Micron", "5E6F", "T1", "36ASF8G72PZ"]),
        module(0x1101, 16 << 10, 0, &["DIMM A2", "BANK 1", "Samsung", "1A2B", "T2", "M393A2K40"]),
        module(0x1102, 0, 0, &["DIMM A3", "BANK 2"]),
        structure(41, 0x2900, &[1, 0x85, 1, 0, 0, 0, 0], &["Onboard LAN"]),
        structure(127, 0x7F00, &[], &[]),
    ]
    .concat()
}

/// Encodes the 64-bit entry point (DSP0134 5.2.2) of a table that follows it in a dump.
pub(super) fn entry_point(length: usize) -> Vec<u8> {
    let mut entry = b"_SM3_\0\x18\x03\x03\0\x01\0".to_vec();
    entry.extend(u32::try_from(length).unwrap().to_le_bytes());
    entry.extend(32_u64.to_le_bytes());
    let sum = entry.iter().fold(0_u8, |sum, octet| sum.wrapping_add(*octet));
    entry[5] = 0_u8.wrapping_sub(sum);
    entry
}
