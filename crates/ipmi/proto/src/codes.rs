//! What the numbers of sensor types and states mean (IPMI 2.0, tables 42-2 and 42-3), from one table of text.

use std::borrow::Cow;

/// How bad a state is; this is our judgement, the specification has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be, or nothing to be judged.
    Ok,
    /// Somebody should look at it.
    Warning,
    /// Something has failed.
    Critical,
    /// And cannot be recovered.
    Fatal,
}

/// The name of a type of sensors, such as `Fan`.
#[must_use]
pub fn sensor_type(kind: u8) -> Option<&'static str> {
    find((TYPE, kind, 0)).map(Row::text)
}

/// The name of what a sensor is of, such as `processor`.
#[must_use]
pub fn entity(number: u8) -> Option<&'static str> {
    find((ENTITY, number, 0)).map(Row::text)
}

/// The name of a state, and how bad it is, of a sensor of this type and this kind of events.
/// None of states that are a manufacturer's own, or reserved.
#[must_use]
pub fn state(sensor_kind: u8, event_kind: u8, offset: u8) -> Option<(&'static str, Severity)> {
    let (table, code) = match event_kind {
        SENSOR_SPECIFIC => (SPECIFIC, sensor_kind),
        generic => (GENERIC, generic),
    };
    find((table, code, offset.saturating_add(1))).map(|row| (row.text(), row.severity))
}

/// The names of the states that are set. A state without a name is told by its number.
#[must_use]
pub fn states(sensor_kind: u8, event_kind: u8, set: u16) -> Vec<Cow<'static, str>> {
    let name = |offset| match state(sensor_kind, event_kind, offset) {
        Some((name, _)) => Cow::Borrowed(name),
        None => Cow::Owned(format!("state {offset}")),
    };
    offsets(set).map(name).collect()
}

/// How bad the worst of the states is that are set.
#[must_use]
pub fn worst(sensor_kind: u8, event_kind: u8, set: u16) -> Severity {
    let judged = offsets(set).filter_map(|offset| state(sensor_kind, event_kind, offset));
    judged.map(|(_, severity)| severity).max().unwrap_or(Severity::Ok)
}

fn offsets(set: u16) -> impl Iterator<Item = u8> {
    (0..15).filter(move |offset| set >> offset & 1 == 1)
}

/// By their keys, which the compiler checks as it reads them.
static TABLE: [Row; count()] = rows();
const TEXT: &str = include_str!("codes.tsv");

#[derive(Clone, Copy, Debug)]
struct Row {
    key: Key,
    /// Where the text is within all of it.
    text: (usize, usize),
    severity: Severity,
}

/// The table, the code, and the offset of a state, which is one more than it is: things without states have 0.
type Key = (u8, u8, u8);

const TYPE: u8 = 0;
const GENERIC: u8 = 1;
const SPECIFIC: u8 = 2;
const ENTITY: u8 = 3;

impl Row {
    fn text(&self) -> &'static str {
        TEXT.get(self.text.0..self.text.1).unwrap_or_default()
    }
}

fn find(key: Key) -> Option<&'static Row> {
    let place = TABLE.binary_search_by_key(&key, |row| row.key).ok()?;
    TABLE.get(place)
}

/// How many lines the tables have: all but those of other tables.
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

// The compiler runs this and what it calls: an index that does not fit is an error of the build.
#[allow(clippy::indexing_slicing)]
const fn rows() -> [Row; count()] {
    let mut rows = [Row { key: (0, 0, 0), text: (0, 0), severity: Severity::Ok }; count()];
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

/// `TABLE<tab>0xCODE<tab>OFFSET<tab>TEXT<tab>SEVERITY`, where the offset is decimal or nothing.
#[allow(clippy::indexing_slicing)]
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

/// Which table a line is of.
#[allow(clippy::indexing_slicing)]
const fn table(line: usize) -> Option<u8> {
    match TEXT.as_bytes()[line] {
        b't' => Some(TYPE),
        b'g' => Some(GENERIC),
        b's' => Some(SPECIFIC),
        b'e' => Some(ENTITY),
        _ => None,
    }
}

/// Where this stands next.
#[allow(clippy::indexing_slicing)]
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
    (table as u32) << 16 | (code as u32) << 8 | offset as u32
}

const SENSOR_SPECIFIC: u8 = 0x6f;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_found() {
        let mut found = 0;
        for line in TEXT.lines() {
            let cells: Vec<&str> = line.split('\t').collect();
            let [table, code, offset, text, severity] = cells[..] else { panic!("{line}") };
            let code = code.strip_prefix("0x").and_then(|code| u8::from_str_radix(code, 16).ok());
            let severity = match severity {
                "warning" => Severity::Warning,
                "critical" => Severity::Critical,
                "fatal" => Severity::Fatal,
                _ => Severity::Ok,
            };
            let state = |sensor, event| state(sensor, event, offset.parse().unwrap()).unwrap();
            match (table, code) {
                ("type", Some(code)) => assert_eq!(sensor_type(code), Some(text)),
                ("entity", Some(code)) => assert_eq!(entity(code), Some(text)),
                ("generic", Some(code)) => assert_eq!(state(0, code), (text, severity)),
                ("specific", Some(code)) => assert_eq!(state(code, SENSOR_SPECIFIC), (text, severity)),
                _ => continue,
            }
            found += 1;
        }
        assert_eq!(found, TABLE.len());
    }

    #[test]
    fn a_power_supply_without_its_input_is_critical() {
        assert_eq!((states(0x08, 0x6f, 0b1001).len(), worst(0x08, 0x6f, 0b1001)), (2, Severity::Critical));
        assert_eq!(worst(0x08, 0x6f, 1), Severity::Ok);
        assert_eq!(states(0xc0, 0x6f, 1 << 14), ["state 14"]);
        assert_eq!(worst(0xc0, 0x6f, 1 << 14), Severity::Ok);
        assert!(sensor_type(0x04).is_some() && sensor_type(0xc0).is_none());
        assert_eq!((entity(0x03), entity(0x90)), (Some("processor"), None));
    }
}
