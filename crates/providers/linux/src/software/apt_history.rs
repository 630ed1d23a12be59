//! The updates that apt has made and that are in effect (`/var/log/apt/history.log`).

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use jiff::civil::Date;

use super::quick_fix::{Kind, Update};
use crate::{Machine, program};

/// The updates of packages whose new version is still the one that is installed.
///
/// # Errors
/// What kept the database of packages from being read.
pub(super) fn updates(machine: &Machine) -> io::Result<Vec<Update>> {
    let packages = machine.packages()?;
    // Of several updates to one version the last one counts.
    let mut last: BTreeMap<(String, String), Upgrade> = BTreeMap::new();
    for upgrade in histories(machine).iter().flat_map(|history| upgrades(history)) {
        last.insert((upgrade.package.clone(), upgrade.version.clone()), upgrade);
    }
    let is_in_effect = |upgrade: &Upgrade| {
        packages.iter().any(|package| {
            let name = upgrade.package.split(':').next().unwrap_or_default();
            package.name == name && package.version == upgrade.version
        })
    };
    let update = |upgrade: Upgrade| Update {
        id: format!("{}={}", upgrade.package, upgrade.version),
        kind: Kind::Other,
        day: upgrade.day.parse::<Date>().ok(),
        by: Some(upgrade.by.unwrap_or_else(|| "root".to_owned())),
    };
    Ok(last.into_values().filter(is_in_effect).map(update).collect())
}

/// A package that was given another version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Upgrade {
    package: String,
    version: String,
    /// The day, as `2026-05-09`.
    day: String,
    /// Who asked for it, where it was not root.
    by: Option<String>,
}

/// What was upgraded in a history, of which each paragraph is one run of apt.
fn upgrades(history: &str) -> Vec<Upgrade> {
    let mut upgrades = Vec::new();
    for run in history.split("\n\n") {
        let field = |name: &str| run.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let (Some(day), Some(list)) = (field("Start-Date"), field("Upgrade")) else { continue };
        let day = day.split_whitespace().next().unwrap_or_default();
        let by = field("Requested-By").and_then(|by| by.split_whitespace().next()).map(str::to_owned);
        // `name:architecture (old, new)`, with commas between them.
        upgrades.extend(list.split("), ").filter_map(|entry| {
            let (package, versions) = entry.split_once(" (")?;
            let version = versions.trim_end_matches(')').split(", ").nth(1)?;
            Some(Upgrade {
                package: package.to_owned(),
                version: version.to_owned(),
                day: day.to_owned(),
                by: by.clone(),
            })
        }));
    }
    upgrades
}

/// What apt has written down, the oldest first; old files are packed by logrotate(8).
fn histories(machine: &Machine) -> Vec<String> {
    let names = machine.names(FOLDER).unwrap_or_default();
    let number = |name: &std::ffi::OsString| {
        let rest = name.to_str()?.strip_prefix("history.log")?;
        let rest = rest.strip_suffix(".gz").unwrap_or(rest);
        if rest.is_empty() { Some(0) } else { rest.strip_prefix('.')?.parse::<u32>().ok() }
    };
    let mut files: Vec<_> = names.iter().filter_map(|name| Some((number(name)?, name.to_str()?))).collect();
    files.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let text = |name: &str| {
        let file = format!("{FOLDER}/{name}");
        if !name.ends_with(".gz") {
            return machine.text(file).ok();
        }
        let words = ["-dc".into(), "--".into(), machine.path(file).into_os_string()];
        let ended = program::of_system("gzip", words, LIMIT).ok()?;
        (ended.code == 0).then_some(ended.stdout)
    };
    files.into_iter().filter_map(|(_, name)| text(name)).collect()
}

/// Where apt keeps its history.
const FOLDER: &str = "var/log/apt";

/// How long it may take to unpack a file.
const LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_has_an_update_for_each_package_of_a_run() {
        let history = "\nStart-Date: 2025-06-04  14:36:25\nRequested-By: alice (1000)\n\
                       Upgrade: a:amd64 (1-1, 1-2), b:all (2:3, 2:4)\nEnd-Date: 2025-06-04  14:36:25\n\n\
                       Start-Date: 2025-06-05  00:00:00\nInstall: c:amd64 (1)\n\nnonsense\n";
        let upgrade = |package: &str, version: &str| Upgrade {
            package: package.to_owned(),
            version: version.to_owned(),
            day: "2025-06-04".to_owned(),
            by: Some("alice".to_owned()),
        };
        assert_eq!(upgrades(history), [upgrade("a:amd64", "1-2"), upgrade("b:all", "2:4")]);
    }
}
