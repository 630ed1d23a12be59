//! The machine as a whole.

pub(crate) mod memory;
mod operating_system;
pub(crate) mod os_release;

pub(crate) use operating_system::OperatingSystem;

use std::time::{SystemTime, UNIX_EPOCH};

use cim::DateTime;

use crate::Machine;

/// How many processes there are.
pub(crate) fn count_of_processes(machine: &Machine) -> Option<u32> {
    let names = machine.names("proc").ok()?;
    let is_process =
        |name: &&std::ffi::OsString| name.to_str().is_some_and(|name| name.parse::<u32>().is_ok());
    u32::try_from(names.iter().filter(is_process).count()).ok()
}

/// Microseconds since 1970.
pub(crate) fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
}

/// The numbers of the kernel's release, without what a distribution has added.
pub(crate) fn release_of_kernel(machine: &Machine) -> Option<String> {
    let release = machine.line("proc/sys/kernel/osrelease")?;
    let end = release.find(|character: char| !character.is_ascii_digit() && character != '.');
    let numbers = release.get(..end.unwrap_or(release.len()))?.trim_end_matches('.');
    (!numbers.is_empty()).then(|| numbers.to_owned())
}

/// When the machine was started.
pub(crate) fn booted(machine: &Machine) -> Option<DateTime> {
    let text = machine.text("proc/stat").ok()?;
    let seconds: i64 = text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    machine.timestamp(seconds.checked_mul(1_000_000)?)
}

/// How many minutes east of Greenwich the machine is now.
pub(crate) fn offset(machine: &Machine) -> Option<i16> {
    match machine.timestamp(now())? {
        DateTime::Timestamp(local) => Some(local.offset()),
        _ => None,
    }
}
