//! What the numbers of sensor types and states mean (IPMI 2.0, tables 42-2 and 42-3), from one table of text.

use std::sync::LazyLock;

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
    let is_it = |row: &&Row| row.table == Table::Type && row.code == kind;
    TABLE.iter().find(is_it).map(|row| row.text)
}

/// The name of what a sensor is of, such as `processor`.
#[must_use]
pub fn entity(number: u8) -> Option<&'static str> {
    let is_it = |row: &&Row| row.table == Table::Entity && row.code == number;
    TABLE.iter().find(is_it).map(|row| row.text)
}

/// The name of a state, and how bad it is, of a sensor of this type and this kind of events.
/// None of states that are a manufacturer's own, or reserved.
#[must_use]
pub fn state(sensor_kind: u8, event_kind: u8, offset: u8) -> Option<(&'static str, Severity)> {
    let (table, code) = match event_kind {
        SENSOR_SPECIFIC => (Table::Specific, sensor_kind),
        generic => (Table::Generic, generic),
    };
    let is_it = |row: &&Row| (row.table, row.code, row.offset) == (table, code, Some(offset));
    TABLE.iter().find(is_it).map(|row| (row.text, row.severity))
}

/// The names of the states that are set, and how bad the worst is. A state without a name is told by its number.
#[must_use]
pub fn states(sensor_kind: u8, event_kind: u8, set: u16) -> (Vec<String>, Severity) {
    let (mut names, mut worst) = (Vec::new(), Severity::Ok);
    for offset in (0..15).filter(|offset| set >> offset & 1 == 1) {
        match state(sensor_kind, event_kind, offset) {
            Some((name, severity)) => {
                names.push(name.to_owned());
                worst = worst.max(severity);
            }
            None => names.push(format!("state {offset}")),
        }
    }
    (names, worst)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Type,
    Generic,
    Specific,
    Entity,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    table: Table,
    code: u8,
    offset: Option<u8>,
    text: &'static str,
    severity: Severity,
}

static TABLE: LazyLock<Vec<Row>> =
    LazyLock::new(|| include_str!("codes.tsv").lines().filter_map(row).collect());

fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.split('\t');
    let table = match cells.next()? {
        "type" => Table::Type,
        "generic" => Table::Generic,
        "specific" => Table::Specific,
        "entity" => Table::Entity,
        _ => return None,
    };
    let code = u8::from_str_radix(cells.next()?.strip_prefix("0x")?, 16).ok()?;
    let (offset, text) = (cells.next()?.parse().ok(), cells.next()?);
    let severity = match cells.next().unwrap_or_default() {
        "warning" => Severity::Warning,
        "critical" => Severity::Critical,
        "fatal" => Severity::Fatal,
        _ => Severity::Ok,
    };
    Some(Row { table, code, offset, text, severity })
}

const SENSOR_SPECIFIC: u8 = 0x6f;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        let wanted = ["type\t", "generic\t", "specific\t", "entity\t"];
        let lines =
            include_str!("codes.tsv").lines().filter(|line| wanted.iter().any(|kind| line.starts_with(kind)));
        assert_eq!(TABLE.len(), lines.count());
        assert!(TABLE.iter().all(|row| !row.text.is_empty()
            && matches!(row.table, Table::Type | Table::Entity) == row.offset.is_none()));
    }

    #[test]
    fn a_power_supply_without_its_input_is_critical() {
        let (names, worst) = states(0x08, 0x6f, 0b1001);
        assert_eq!((names.len(), worst), (2, Severity::Critical));
        assert_eq!(states(0x08, 0x6f, 1).1, Severity::Ok);
        assert_eq!(states(0xc0, 0x6f, 1 << 14), (vec!["state 14".to_owned()], Severity::Ok));
        assert!(sensor_type(0x04).is_some() && sensor_type(0xc0).is_none());
        assert_eq!((entity(0x03), entity(0x90)), (Some("processor"), None));
    }
}
