//! Memory sizes from `/proc/meminfo` (proc_meminfo(5)).

use crate::Machine;

/// Memory sizes by name, in KiB as in the file.
#[derive(Debug, Default)]
pub struct Memory(Vec<(String, u64)>);

impl Memory {
    /// Reads the file; empty if that fails.
    pub fn of(machine: &Machine) -> Self {
        machine.text("proc/meminfo").map(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// Returns the value of a line, in KiB.
    pub fn kib(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(line, _)| line == name).map(|(_, kib)| *kib)
    }

    /// Returns the sum of two lines, in KiB.
    pub fn sum(&self, one: &str, other: &str) -> Option<u64> {
        self.kib(one)?.checked_add(self.kib(other)?)
    }

    fn parse(text: &str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| {
                    let (name, rest) = line.split_once(':')?;
                    Some((name.to_owned(), rest.split_whitespace().next()?.parse().ok()?))
                })
                .collect(),
        )
    }
}
