//! `SCX_Agent`: this service and the machine it runs on.

use linux::system::os_release::OsRelease;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, host_name, null};

/// The only instance.
pub(super) struct Agent;

impl Table for Agent {
    type Row = ();

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "SCX_Agent";

    const COLUMNS: &'static [(&'static str, Fill<()>)] = &[
        ("Architecture", |_, ()| std::env::consts::ARCH.into()),
        ("BuildDate", null),
        ("BuildNumber", null),
        ("Caption", |_, ()| "Telarch".into()),
        ("CommunicationStatus", null),
        ("Description", null),
        ("DetailedStatus", null),
        ("ElementName", null),
        ("HealthState", null),
        ("Hostname", host_name),
        ("InstallDate", null),
        ("InstanceID", null),
        ("KitVersionString", null),
        ("LogicalProcessors", |machine, ()| processors(machine).map(|(_, logical)| logical).into()),
        ("MachineType", |machine, ()| {
            let is_guest = machine.text("proc/cpuinfo").ok().map(|text| {
                text.lines()
                    .find(|line| line.starts_with("flags"))
                    .is_some_and(|flags| flags.contains(" hypervisor"))
            });
            is_guest.map(|is_guest| if is_guest { "Virtual" } else { "Physical" }).into()
        }),
        ("MajorVersion", |_, ()| part(0).into()),
        ("MinActiveLogSeverityThreshold", null),
        ("MinorVersion", |_, ()| part(1).into()),
        ("Name", |_, ()| "scx".into()),
        ("OperatingStatus", null),
        ("OperationalStatus", null),
        ("OSAlias", null),
        ("OSName", |machine, ()| OsRelease::of(machine).field("NAME").map(str::to_owned).into()),
        ("OSType", |_, ()| "Linux".into()),
        ("OSVersion", |machine, ()| OsRelease::of(machine).field("VERSION_ID").map(str::to_owned).into()),
        ("PhysicalProcessors", |machine, ()| processors(machine).map(|(physical, _)| physical).into()),
        ("PrimaryStatus", null),
        ("RevisionNumber", |_, ()| part(2).into()),
        ("Status", null),
        ("StatusDescriptions", null),
        ("UnameArchitecture", |_, ()| std::env::consts::ARCH.into()),
        ("VersionString", |_, ()| env!("CARGO_PKG_VERSION").into()),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = ()>, ProviderError> {
        Ok(std::iter::once(()))
    }
}

/// Returns a part of the program's version number.
fn part(index: usize) -> Option<u16> {
    env!("CARGO_PKG_VERSION").split('.').nth(index)?.parse().ok()
}

/// Returns the numbers of processor packages and of hardware threads (proc_cpuinfo(5)).
fn processors(machine: &Machine) -> Option<(u64, u64)> {
    let text = machine.text("proc/cpuinfo").ok()?;
    let logical = values_in(&text, "processor").len();
    let mut packages = values_in(&text, "physical id");
    packages.sort_unstable();
    packages.dedup();
    // Machines that do not show packages have one.
    Some((u64::try_from(packages.len().max(1)).ok()?, u64::try_from(logical).ok()?))
}

fn values_in<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(field, _)| field.trim() == name).map(|(_, value)| value.trim()).collect()
}
