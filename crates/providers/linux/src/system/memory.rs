//! `/proc/meminfo` (proc_meminfo(5)).

use crate::Machine;

/// How much memory there is; in KiB, as the kernel tells it.
#[derive(Debug, Default)]
pub(crate) struct Memory(Vec<(String, u64)>);

impl Memory {
    /// Reads what the kernel tells.
    pub(crate) fn of(machine: &Machine) -> Self {
        machine.text("proc/meminfo").map(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// One line of it.
    pub(crate) fn kib(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(line, _)| line == name).map(|(_, kib)| *kib)
    }

    /// The sum of two lines.
    pub(crate) fn sum(&self, one: &str, other: &str) -> Option<u64> {
        self.kib(one)?.checked_add(self.kib(other)?)
    }

    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (name, rest) = line.split_once(':')?;
            Some((name.to_owned(), rest.split_whitespace().next()?.parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }
}
