//! Parts of the registry that show settings and packages of this machine.

use std::collections::HashMap;
use std::path::PathBuf;

use linux::package::{Package, Packages};
use linux::system::os_release::OsRelease;

use super::key::{CURRENT_CONFIG, Data, Values, is_same, text_value};
use super::{hardware_view, system_view, unit, web_management};
use crate::Machine;
use crate::system::operating_system::build_number;
use crate::system::release_of_kernel;

/// A part of `HKEY_LOCAL_MACHINE`.
pub(super) struct View {
    /// Path of its key.
    pub(super) path: &'static [&'static str],
    pub(super) content: Content,
    /// Returns the files and folders that the part is read from; they change when it does, and need not
    /// exist.
    pub(super) sources: fn(&Machine) -> Vec<PathBuf>,
}

/// Contents of a view.
pub(super) enum Content {
    /// Values of the key itself.
    Values(fn(&Machine) -> Values),
    /// Subkeys with values: functions for their names, and for the values of one.
    Keys(fn(&Machine) -> Vec<String>, fn(&Machine, &str) -> Option<Values>),
    /// Values whose names depend on the machine.
    Named(fn(&Machine) -> Vec<(String, Data)>),
}

/// All views.
pub(super) const VIEWS: &[View] = &[
    View {
        path: &["SOFTWARE", "Microsoft", "Windows NT", "CurrentVersion"],
        content: Content::Values(current_version),
        sources: |machine| paths(machine, &["etc/os-release", "usr/lib/os-release", "etc/machine-id"]),
    },
    View {
        path: &["SOFTWARE", "Microsoft", "Windows", "CurrentVersion", "Uninstall"],
        content: Content::Keys(names_of_packages, package),
        sources: |machine| Packages::sources(machine),
    },
    View {
        path: &["SYSTEM", "CurrentControlSet", "Services"],
        content: Content::Keys(unit::names, unit::values),
        sources: unit::sources,
    },
    View {
        path: &["SYSTEM", "CurrentControlSet", "Control", "ComputerName", "ComputerName"],
        content: Content::Values(computer_name),
        sources: |machine| paths(machine, &["etc/hostname"]),
    },
    View {
        path: &["SYSTEM", "CurrentControlSet", "Control", "TimeZoneInformation"],
        content: Content::Values(system_view::time_zone),
        sources: |machine| paths(machine, &["etc/localtime", "etc/timezone"]),
    },
    View {
        path: &["SYSTEM", "CurrentControlSet", "Services", "Tcpip", "Parameters"],
        content: Content::Values(system_view::tcpip_parameters),
        sources: |machine| paths(machine, &["etc/hostname", "etc/resolv.conf"]),
    },
    View {
        path: web_management::KEY,
        content: Content::Values(web_management::values),
        sources: web_management::sources,
    },
    View { path: CURRENT_CONFIG, content: Content::Values(|_| Vec::new()), sources: |_| Vec::new() },
    View {
        path: &["HARDWARE", "DESCRIPTION", "System"],
        content: Content::Values(hardware_view::system),
        sources: |_| Vec::new(),
    },
    View {
        path: &["HARDWARE", "DESCRIPTION", "System", "BIOS"],
        content: Content::Values(hardware_view::bios),
        sources: |_| Vec::new(),
    },
    View {
        path: &["HARDWARE", "DESCRIPTION", "System", "CentralProcessor"],
        content: Content::Keys(hardware_view::processors, hardware_view::processor),
        sources: |_| Vec::new(),
    },
    View {
        path: &["SOFTWARE", "Policies", "Microsoft", "Windows", "WinRM", "Service"],
        content: Content::Named(|machine| policies(machine, "Service")),
        sources: policy,
    },
    View {
        path: &["SOFTWARE", "Policies", "Microsoft", "Windows", "WinRM", "Service", "WinRS"],
        content: Content::Named(|machine| policies(machine, "Service\\WinRS")),
        sources: policy,
    },
    View {
        path: &["SOFTWARE", "Policies", "Microsoft", "Windows", "WinRM", "Client"],
        content: Content::Named(|machine| policies(machine, "Client")),
        sources: policy,
    },
];

fn current_version(machine: &Machine) -> Values {
    let release = OsRelease::of(machine);
    let (kernel, build) = (release_of_kernel(machine), build_number(machine, &release));
    let version = kernel.as_deref().map(|release| release.split('.').take(2).collect::<Vec<_>>().join("."));
    let installed = std::fs::metadata(machine.path("etc/machine-id")).and_then(|file| file.modified()).ok();
    let installed = installed.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let installed = installed.and_then(|time| u32::try_from(time.as_secs()).ok());
    [
        text_value("CurrentBuild", build.as_deref()),
        text_value("CurrentBuildNumber", build.as_deref()),
        text_value("CurrentVersion", version.as_deref()),
        text_value("DisplayVersion", release.field("VERSION_ID")),
        text_value("EditionID", release.field("ID")),
        installed.map(|seconds| ("InstallDate", Data::Number(seconds))),
        text_value("ProductName", release.field("PRETTY_NAME").or_else(|| release.field("NAME"))),
        text_value("SystemRoot", Some("/")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn computer_name(machine: &Machine) -> Values {
    vec![("ComputerName", Data::Text(machine.host_name()))]
}

/// Returns the names of packages; packages installed for several architectures include it.
fn names_of_packages(machine: &Machine) -> Vec<String> {
    let packages = machine.packages().unwrap_or_default();
    let mut counts = HashMap::<&str, usize>::new();
    packages.iter().for_each(|package| *counts.entry(&package.name).or_default() += 1);
    packages
        .iter()
        .map(|package| match counts.get(package.name.as_str()) {
            Some(1) => package.name.clone(),
            _ => qualified(package),
        })
        .collect()
}

fn qualified(package: &Package) -> String {
    format!("{}:{}", package.name, package.architecture)
}

fn package(machine: &Machine, name: &str) -> Option<Values> {
    let packages = machine.packages().ok()?;
    let found =
        packages.iter().find(|package| is_same(&package.name, name) || is_same(&qualified(package), name))?;
    let text =
        |name: &'static str, value: &Option<String>| value.clone().map(|value| (name, Data::Text(value)));
    let date = found.installed.and_then(|seconds| machine.timestamp(seconds.checked_mul(1_000_000)?));
    let date = date.map(|date| date.to_string().chars().take(8).collect::<String>());
    let size = found.size.map(|size| u32::try_from(size).unwrap_or(u32::MAX));
    Some(
        [
            text("Comments", &found.summary),
            Some(("DisplayName", Data::Text(found.name.clone()))),
            Some(("DisplayVersion", Data::Text(found.version.clone()))),
            size.map(|size| ("EstimatedSize", Data::Number(size))),
            date.map(|date| ("InstallDate", Data::Text(date))),
            text("Publisher", &found.maintainer),
            text("URLInfoAbout", &found.homepage),
        ]
        .into_iter()
        .flatten()
        .collect(),
    )
}

const POLICIES: &str = "etc/telarch/policy.d";

fn policy(machine: &Machine) -> Vec<PathBuf> {
    paths(machine, &[POLICIES])
}

fn paths(machine: &Machine, paths: &[&str]) -> Vec<PathBuf> {
    paths.iter().map(|path| machine.path(path)).collect()
}

/// Returns the values that policies set in a key below that of WinRM.
fn policies(machine: &Machine, key: &str) -> Vec<(String, Data)> {
    let folder = machine.path(POLICIES);
    let policies = config::Policies::of_folder(&folder).unwrap_or_default();
    let mut values = Vec::new();
    for demand in policies.iter() {
        let Some(policy) = demand.policy else { continue };
        let Some((_, below)) = policy.key().split_once("\\WinRM\\") else { continue };
        if !is_same(below, key) {
            continue;
        }
        match policy.kind() {
            config::PolicyKind::Switch { value, .. } | config::PolicyKind::Flag { value } => {
                values.push(((*value).to_owned(), Data::Number((demand.value == "true").into())));
            }
            config::PolicyKind::Number { value, .. } => {
                values.extend(
                    demand.value.parse().ok().map(|number| ((*value).to_owned(), Data::Number(number))),
                );
            }
            config::PolicyKind::Text { switch: name, value, .. } => {
                values.push(((*name).to_owned(), Data::Number(1)));
                values.push(((*value).to_owned(), Data::Text(demand.value.clone())));
            }
            config::PolicyKind::AutoConfig | config::PolicyKind::List { .. } => {}
        }
    }
    values
}
