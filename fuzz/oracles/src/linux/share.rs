//! Properties of output of `testparm`, and files that define shares.

use linux::share::{access, nfs, samba};

/// Checks that parsed names and values occur in the text, and that access lists survive writing and parsing.
pub(super) fn listing(octets: &[u8]) {
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
        // The leading slash may come from an octal escape.
        assert!(path.starts_with('/'), "{path:?}");
    }
    let entries = access::parse(text);
    assert_eq!(access::parse(&access::written(&entries)), entries);
}
