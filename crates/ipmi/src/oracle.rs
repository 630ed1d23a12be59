//! What must hold for any octets at all; fuzz targets and the corpus test call these.

use crate::cache;

/// Files of the cache are read or refused, and what is read is what was packed.
///
/// # Panics
/// When the promise is broken; that is its purpose.
pub fn cached_records(octets: &[u8]) {
    assert!(cache::unpacked(octets, KEY).is_none(), "nobody finds a hash by chance");
    let whole = cache::with_hash(octets.to_vec());
    if let Some(records) = cache::unpacked(&whole, KEY) {
        assert_eq!(cache::packed(KEY, &records).as_ref(), Some(&whole), "{records:02x?}");
        let _ = crate::repository::decoded(&records);
    }
}

/// What the files of the corpus are found under.
const KEY: &[u8] = b"key";
