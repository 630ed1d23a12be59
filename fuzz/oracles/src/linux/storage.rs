//! Properties of first blocks of disks, and health data.

use linux::storage::partition_table::PartitionTable;
use linux::storage::smart;
use linux::storage::superblock::Superblock;

/// Checks that parsed partition tables, superblocks and health data match the bytes of a disk; the first byte
/// selects the block size.
pub(super) fn disk(octets: &[u8]) {
    let Some((size, octets)) = octets.split_first() else { return };
    let block_size = 512_usize << (size & 3);
    match PartitionTable::parse(octets, block_size) {
        Some(PartitionTable::Gpt { guid, entries }) => {
            assert_stands(octets, &guid, block_size + 56);
            assert!(entries.len() <= 128, "{} entries", entries.len());
            assert!(entries.is_sorted_by(|one, next| one.number < next.number), "{entries:?}");
            for entry in entries {
                let at = 2 * block_size + 128 * (entry.number as usize - 1);
                assert_stands(octets, &entry.kind, at);
                assert_stands(octets, &entry.guid, at + 16);
                assert_eq!(octets.get(at + 48..at + 56), Some(&entry.attributes.to_le_bytes()[..]));
            }
        }
        Some(PartitionTable::Mbr { signature, entries }) => {
            assert_eq!(octets.get(440..444), Some(&signature.to_le_bytes()[..]));
            for (place, entry) in entries.iter().enumerate() {
                let first = if entry.is_active { 0x80 } else { 0 };
                assert_eq!(octets.get(446 + 16 * place), Some(&first));
                assert_eq!(octets.get(450 + 16 * place), Some(&entry.kind));
            }
        }
        None => {}
    }
    if let Some(Superblock { kind, uuid, label }) = Superblock::parse(octets) {
        let length = if kind == "vfat" { 9 } else { 36 };
        assert!(uuid.is_none_or(|uuid| {
            uuid.len() == length && uuid.chars().all(|letter| letter == '-' || letter.is_ascii_hexdigit())
        }));
        assert!(label.is_none_or(|label| !label.is_empty() && !label.contains('\0')));
    }
    let smart = smart::of_nvme(octets);
    assert_eq!(smart.is_some(), octets.len() >= 3);
    assert!(smart.and_then(|smart| smart.temperature).is_none_or(|degrees| degrees > -273));
}

/// Checks that a GUID matches the 16 bytes at an offset, whose first three fields are little-endian.
fn assert_stands(octets: &[u8], guid: &str, at: usize) {
    const TURNED: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let digits: String = guid.split('-').collect();
    let there = TURNED.map(|place| octets.get(at + place).copied().unwrap_or_default());
    assert_eq!(digits, there.map(|octet| format!("{octet:02x}")).concat(), "at {at}");
    assert_eq!(guid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
}

/// Checks the parser for reports of `smartctl`.
pub(super) fn report(octets: &[u8]) {
    let Ok(report) = serde_json::from_slice(octets) else { return };
    let Some(smart) = smart::of_report(&report) else { return };
    for errors in [smart.read_errors, smart.write_errors] {
        let parts = errors.corrected.zip(errors.uncorrected);
        assert_eq!(errors.total(), parts.and_then(|(one, other)| one.checked_add(other)));
    }
    assert_eq!(smart.expects_failure(), smart.passed.map(|passed| !passed));
}
