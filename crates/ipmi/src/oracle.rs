//! Properties that hold for any input; fuzz targets and the corpus test check them.

use crate::cache::{self, ControllerId};

/// Checks that cache files are decoded or rejected, and that a decoded file encodes to the same bytes.
///
/// # Panics
/// If a property does not hold.
pub fn cached_records(octets: &[u8]) {
    assert!(cache::unpacked(octets, ControllerId::Local).is_none(), "random bytes have no valid hash");
    let Some((head, _place, file)) = cache::fields(octets) else { return };
    let whole = cache::with_hashes(head, &file);
    if let Some(file) = cache::unpacked(&whole, ControllerId::Local) {
        assert_eq!(cache::packed(ControllerId::Local, &file).as_ref(), Some(&whole), "{file:02x?}");
        if let Some(records) = cache::parts(file.records) {
            let _ = crate::repository::decoded(&records);
        }
    }
}
