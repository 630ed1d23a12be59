//! What must hold for any octets at all; fuzz targets and the corpus test call these.

use crate::cache::{self, Place};

/// Files of the cache are read or refused, and what is read is what was packed.
///
/// # Panics
/// When the promise is broken; that is its purpose.
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
