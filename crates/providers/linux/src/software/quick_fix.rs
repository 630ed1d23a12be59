//! `Win32_QuickFixEngineering`: the updates that are in effect, as apt keeps them (`/var/log/apt/history.log`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use wmi::{ProviderError, Scan};

use crate::table::{Fill, Push, Table, failure};
use crate::{Machine, program};

/// The updates of packages whose new version is still the one that is installed.
pub(crate) struct QuickFix;

/// An update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    package: String,
    version: String,
    /// The day, as `2026-05-09`.
    day: String,
    /// Who asked for it, where it was not root.
    by: Option<String>,
}

/// The updates in a history, of which each paragraph is one run of apt.
fn updates(history: &str) -> Vec<Update> {
    let mut updates = Vec::new();
    for run in history.split("\n\n") {
        let field = |name: &str| run.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let (Some(day), Some(list)) = (field("Start-Date"), field("Upgrade")) else { continue };
        let day = day.split_whitespace().next().unwrap_or_default();
        let by = field("Requested-By").and_then(|by| by.split_whitespace().next()).map(str::to_owned);
        // `name:architecture (old, new)`, with commas between them.
        updates.extend(list.split("), ").filter_map(|entry| {
            let (package, versions) = entry.split_once(" (")?;
            let version = versions.trim_end_matches(')').split(", ").nth(1)?;
            Some(Update {
                package: package.to_owned(),
                version: version.to_owned(),
                day: day.to_owned(),
                by: by.clone(),
            })
        }));
    }
    updates
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

impl Table for QuickFix {
    type Row = Update;

    const CLASS: &'static str = "Win32_QuickFixEngineering";

    const COLUMNS: &'static [(&'static str, Fill<Update>)] = &[
        ("Description", |_, _| "Update".into()),
        ("FixComments", |_, _| "".into()),
        ("HotFixID", |_, update| format!("{}={}", update.package, update.version).into()),
        ("InstalledBy", |_, update| update.by.clone().unwrap_or_else(|| "root".to_owned()).into()),
        ("InstalledOn", |_, update| {
            // Windows writes months and days without zeros, and the year last.
            let parts: Vec<&str> = update.day.split('-').map(|part| part.trim_start_matches('0')).collect();
            let date = if let [year, month, day] = parts.as_slice() {
                Some(format!("{month}/{day}/{year}"))
            } else {
                None
            };
            date.into()
        }),
        ("ServicePackInEffect", |_, _| "".into()),
        ("Status", |_, _| "OK".into()),
    ];

    const UNKNOWN: &'static [&'static str] = &["Caption", "Name"];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Update>,
    ) -> Result<(), ProviderError> {
        let packages = machine.packages().map_err(failure)?;
        // Of several updates to one version the last one counts.
        let mut last: BTreeMap<(String, String), Update> = BTreeMap::new();
        for update in histories(machine).iter().flat_map(|history| updates(history)) {
            last.insert((update.package.clone(), update.version.clone()), update);
        }
        let is_in_effect = |update: &Update| {
            packages.iter().any(|package| {
                let name = update.package.split(':').next().unwrap_or_default();
                package.name == name && package.version == update.version
            })
        };
        last.into_values().filter(is_in_effect).try_for_each(push)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_has_an_update_for_each_package_of_a_run() {
        let history = "\nStart-Date: 2025-06-04  14:36:25\nRequested-By: alice (1000)\n\
                       Upgrade: a:amd64 (1-1, 1-2), b:all (2:3, 2:4)\nEnd-Date: 2025-06-04  14:36:25\n\n\
                       Start-Date: 2025-06-05  00:00:00\nInstall: c:amd64 (1)\n\nnonsense\n";
        let update = |package: &str, version: &str| Update {
            package: package.to_owned(),
            version: version.to_owned(),
            day: "2025-06-04".to_owned(),
            by: Some("alice".to_owned()),
        };
        assert_eq!(updates(history), [update("a:amd64", "1-2"), update("b:all", "2:4")]);
    }
}
