//! Properties of package databases.

use linux::package::{dpkg, rpm};

/// Checks that packages parsed from `rpm` output or dpkg paragraphs have names, and that they are contained
/// in the text.
pub(super) fn listing(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let packages = [rpm::parse(&text), text.split("\n\n").filter_map(dpkg::package).collect()];
    for package in packages.concat() {
        let parts = [Some(&package.name), Some(&package.version), package.summary.as_ref()];
        for part in parts.into_iter().flatten() {
            assert!(text.contains(part.as_str()), "{package:?}");
        }
    }
}
