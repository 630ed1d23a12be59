//! The cache of a controller's records.

use ipmi::fuzzing::{ControllerId, decoded, fields, packed, parts, unpacked, with_hashes};

/// Checks that cache files are decoded or rejected, and that a decoded file encodes to the same bytes.
///
/// # Panics
/// If a property does not hold.
pub fn cached_records(octets: &[u8]) {
    assert!(unpacked(octets, ControllerId::Local).is_none(), "random bytes have no valid hash");
    let Some((head, _place, file)) = fields(octets) else { return };
    let whole = with_hashes(head, &file);
    if let Some(file) = unpacked(&whole, ControllerId::Local) {
        assert_eq!(packed(ControllerId::Local, &file).as_ref(), Some(&whole), "{file:02x?}");
        if let Some(records) = parts(file.records) {
            let _ = decoded(&records);
        }
    }
}
