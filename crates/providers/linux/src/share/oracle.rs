//! What `testparm` prints, and the files that say what is shared.

use super::{access, nfs, samba};

/// Each is read, and what is read stands in it.
pub(crate) fn listing(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    for section in samba::sections(text) {
        assert!(
            section.values.iter().all(|(name, value)| text.contains(name.as_str()) && text.contains(value))
        );
    }
    if let Some(share) = samba::user_share("own", text) {
        assert!(share.path.starts_with('/') && text.contains(&share.remark));
    }
    for (path, _) in nfs::parse(text) {
        // Digits of a character may make the slash it begins with.
        assert!(path.starts_with('/'), "{path:?}");
    }
    let entries = access::parse(text);
    assert_eq!(access::parse(&access::written(&entries)), entries);
}
