//! Data of processes in events.

use std::collections::BTreeMap;

use crate::Machine;

/// Properties of a process that may no longer exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ProcessInfo {
    pub(super) name: Option<String>,
    pub(super) parent: Option<u32>,
    /// Start time in ticks since boot, which distinguishes processes with the same number.
    pub(super) start: Option<u64>,
}

impl ProcessInfo {
    /// Returns all current processes.
    pub(super) fn all(machine: &Machine) -> BTreeMap<u32, Self> {
        let Ok(names) = machine.names("proc") else { return BTreeMap::new() };
        let numbers = names.iter().filter_map(|name| name.to_str()?.parse().ok());
        numbers.filter_map(|number| Some((number, Self::of(machine, number)?))).collect()
    }

    pub(super) fn of(machine: &Machine, number: u32) -> Option<Self> {
        let line = machine.text(format!("proc/{number}/stat")).ok()?;
        // The name may contain any characters, including brackets; only numbers follow its closing bracket.
        let (before, rest) = line.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let program = std::fs::read_link(machine.path(format!("proc/{number}/exe"))).ok();
        let program = program.as_deref().and_then(|path| path.to_str());
        let program = program.map(|path| path.strip_suffix(" (deleted)").unwrap_or(path));
        let file = program.and_then(|path| path.rsplit('/').next()).filter(|name| !name.is_empty());
        Some(Self {
            name: Some(file.or_else(|| Some(before.split_once('(')?.1))?.to_owned()),
            parent: fields.nth(1)?.parse().ok(),
            start: fields.nth(17)?.parse().ok(),
        })
    }
}
