//! Names of sensor types, entities and states (IPMI 2.0, tables 42-2, 42-3 and 43-13), from one table of
//! text.

mod reading;

use std::borrow::Cow;

/// Severity of a state. It is this project's own assessment; the specification defines none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Normal, or a state without severity.
    Ok,
    /// Needs attention.
    Warning,
    /// A failure.
    Critical,
    /// A failure that cannot be recovered from.
    Fatal,
}

/// Returns the name of a sensor type, such as `Fan`; `None` if the number is not assigned.
#[must_use]
pub fn sensor_type(kind: u8) -> Option<&'static str> {
    find((TYPE, kind, 0)).map(Row::text)
}

/// Returns the name of an entity, such as `processor`; `None` if the number is not assigned.
#[must_use]
pub fn entity(number: u8) -> Option<&'static str> {
    find((ENTITY, number, 0)).map(Row::text)
}

/// Returns name and severity of a state for a sensor type and event type. `None` for states that are reserved
/// or defined by the manufacturer.
#[must_use]
pub fn state(sensor_kind: u8, event_kind: u8, offset: u8) -> Option<(&'static str, Severity)> {
    let (table, code) = match event_kind {
        SENSOR_SPECIFIC => (SPECIFIC, sensor_kind),
        generic => (GENERIC, generic),
    };
    find((table, code, offset.saturating_add(1))).map(|row| (row.text(), row.severity))
}

/// Returns the names of the states whose bits are set. A state without a name is listed by its number.
#[must_use]
pub fn states(sensor_kind: u8, event_kind: u8, set: u16) -> Vec<Cow<'static, str>> {
    let names = offsets(set).map(|offset| match state(sensor_kind, event_kind, offset) {
        Some((name, _)) => Cow::Borrowed(name),
        None => Cow::Owned(format!("state {offset}")),
    });
    names.collect()
}

/// Returns the highest severity among the states whose bits are set.
#[must_use]
pub fn worst(sensor_kind: u8, event_kind: u8, set: u16) -> Severity {
    let judged = offsets(set).filter_map(|offset| state(sensor_kind, event_kind, offset));
    judged.map(|(_, severity)| severity).max().unwrap_or(Severity::Ok)
}

fn offsets(set: u16) -> impl Iterator<Item = u8> {
    (0..15).filter(move |offset| set >> offset & 1 == 1)
}

/// Rows sorted by key; the order is checked at compile time.
static TABLE: [Row; reading::COUNT] = reading::ROWS;
const TEXT: &str = include_str!("codes.tsv");

#[derive(Clone, Copy, Debug)]
struct Row {
    key: Key,
    /// Start and end of the name in [`TEXT`].
    text: (usize, usize),
    severity: Severity,
}

/// Table, code, and state offset plus one; rows without a state have 0.
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
