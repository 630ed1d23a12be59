//! Properties of unit files.

use linux::service::unit_file::{Kind, Settings};

/// Checks that settings, written to a unit file, parse to the same settings.
pub(super) fn unit_file(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let settings = Settings::parse(text);
    for kind in [Kind::Whole, Kind::Change] {
        let mut written = String::new();
        settings.write(&mut written, kind);
        assert_eq!(Settings::parse(&written), settings, "{written}");
        assert!(!written.contains("\\\n"), "a line goes on in the next one: {written}");
    }
}
