//! Parses the table of names at compile time: an error in the table is a compile error, and nothing is parsed
//! at run time.
//!
//! Indexing is allowed here, because this code runs only in constant evaluation, where checked access is not
//! available.
#![allow(clippy::indexing_slicing)]

use super::{ENTITY, GENERIC, Key, Row, SPECIFIC, Severity, TEXT, TYPE};

pub(super) const COUNT: usize = count();
pub(super) const ROWS: [Row; COUNT] = rows();

/// Returns the number of lines that belong to one of the tables.
const fn count() -> usize {
    let (mut at, mut count) = (0, 0);
    while at < TEXT.len() {
        if table(at).is_some() {
            count += 1;
        }
        at = end(at, b'\n') + 1;
    }
    count
}

const fn rows() -> [Row; COUNT] {
    let mut rows = [Row { key: (0, 0, 0), text: (0, 0), severity: Severity::Ok }; COUNT];
    let (mut at, mut place) = (0, 0);
    while at < TEXT.len() {
        if let Some(table) = table(at) {
            rows[place] = row(table, at);
            if place > 0 {
                let (before, key) = (rows[place - 1].key, rows[place].key);
                assert!(number(before) < number(key), "the lines of codes.tsv are not in their order");
            }
            place += 1;
        }
        at = end(at, b'\n') + 1;
    }
    rows
}

/// Parses `TABLE<tab>0xCODE<tab>OFFSET<tab>TEXT<tab>SEVERITY`; the offset is decimal or empty.
const fn row(table: u8, begin: usize) -> Row {
    let octets = TEXT.as_bytes();
    let mut at = end(begin, b'\t') + 1;
    assert!(
        octets[at] == b'0' && octets[at + 1] == b'x' && octets[at + 4] == b'\t',
        "a code is 0x and two digits"
    );
    let code = digit(octets[at + 2]) << 4 | digit(octets[at + 3]);
    at += 5;
    let mut offset = 0;
    if octets[at] != b'\t' {
        while octets[at] != b'\t' {
            offset = offset * 10 + digit(octets[at]);
            at += 1;
        }
        offset += 1;
    }
    let text = (at + 1, end(at + 1, b'\t'));
    assert!(text.0 < text.1, "a text is missing");
    let severity = match octets[text.1 + 1] {
        b'w' => Severity::Warning,
        b'c' => Severity::Critical,
        b'f' => Severity::Fatal,
        _ => Severity::Ok,
    };
    Row { key: (table, code, offset), text, severity }
}

/// Returns the table that a line belongs to.
const fn table(line: usize) -> Option<u8> {
    match TEXT.as_bytes()[line] {
        b't' => Some(TYPE),
        b'g' => Some(GENERIC),
        b's' => Some(SPECIFIC),
        b'e' => Some(ENTITY),
        _ => None,
    }
}

/// Returns the next position of the byte `what`.
const fn end(mut at: usize, what: u8) -> usize {
    while TEXT.as_bytes()[at] != what {
        at += 1;
    }
    at
}

const fn digit(octet: u8) -> u8 {
    match octet {
        b'0'..=b'9' => octet - b'0',
        b'a'..=b'f' => octet - b'a' + 10,
        _ => panic!("no digit"),
    }
}

const fn number((table, code, offset): Key) -> u32 {
    u32::from_be_bytes([0, table, code, offset])
}
