//! Properties that hold for any input; fuzz targets and the corpus test check them.

use crate::cache::{self, Place};

/// Checks that cache files are decoded or rejected, and that a decoded file encodes to the same bytes.
///
/// # Panics
/// If a property does not hold.
pub fn cached_records(octets: &[u8]) {
    assert!(cache::unpacked(octets, Place::Here).is_none(), "nobody finds a hash by chance");
    let Some((head, _place, file)) = cache::fields(octets) else { return };
    let whole = cache::with_hashes(head, &file);
    if let Some(file) = cache::unpacked(&whole, Place::Here) {
        assert_eq!(cache::packed(Place::Here, &file).as_ref(), Some(&whole), "{file:02x?}");
        if let Some(records) = cache::parts(file.records) {
            let _ = crate::repository::decoded(&records);
        }
    }
}
