//! Properties of firmware tables.

use linux::hardware::smbios::{Structure, parse};

/// Checks that structures are consecutive from the first byte on, and that values are read from within them.
pub(super) fn tables(octets: &[u8]) {
    let mut rest = octets;
    for structure in parse(octets) {
        let formatted = structure.octets();
        assert!(formatted.len() >= 4 && rest.starts_with(formatted), "{structure:?}");
        rest = rest.get(formatted.len()..).unwrap_or_default();
        let end = rest.windows(2).position(|pair| pair == [0, 0]).expect("texts have an end");
        rest = rest.get(end + 2..).unwrap_or_default();
        assert!(structure.texts().len() <= end + 1);
        for at in 0..formatted.len() {
            holds(&structure, formatted, at);
        }
    }
}

fn holds(structure: &Structure, formatted: &[u8], at: usize) {
    let number = |count: usize| {
        let octets = formatted.get(at..at + count)?;
        Some(octets.iter().rev().fold(0_u64, |number, octet| number << 8 | u64::from(*octet)))
    };
    assert_eq!(structure.byte(at).map(u64::from), number(1));
    assert_eq!(structure.word(at).map(u64::from), number(2));
    assert_eq!(structure.double(at).map(u64::from), number(4));
    assert_eq!(structure.quad(at), number(8));
    assert!(structure.text(at).is_none_or(|text| structure.texts().contains(&text)));
}
