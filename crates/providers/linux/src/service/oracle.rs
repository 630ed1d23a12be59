//! Files of units.

use super::unit_file::{Kind, Settings};

/// What is read is written so that it reads back as the same.
pub(crate) fn unit_file(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let settings = Settings::parse(text);
    for kind in [Kind::Whole, Kind::Change] {
        let mut written = String::new();
        settings.write(&mut written, kind);
        assert_eq!(Settings::parse(&written), settings, "{written}");
        assert!(!written.contains("\\\n"), "a line goes on in the next one: {written}");
    }
}
