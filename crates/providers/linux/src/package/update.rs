//! `Win32_QuickFixEngineering`: what has been brought up to date, from the history of apt, and by dnf.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use wmi::{ProviderError, Scan};

use crate::Machine;
use crate::program;
use crate::table::{Fill, Push, Table, host_name};

/// How long dnf may look into its cache.
const LIMIT: Duration = Duration::from_secs(30);

/// The updates that are installed.
pub(super) struct QuickFixEngineering;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// `bash=5.2-1`, or the number of an advisory.
    id: String,
    is_security: bool,
    /// Month, day and year, with slashes.
    date: Option<String>,
    by: Option<String>,
}

impl Table for QuickFixEngineering {
    type Row = Row;

    const CLASS: &'static str = "Win32_QuickFixEngineering";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("CSName", host_name),
        ("Description", |_, row| if row.is_security { "Security Update" } else { "Update" }.into()),
        ("FixComments", |_, _| "".into()),
        ("HotFixID", |_, row| row.id.clone().into()),
        ("InstalledBy", |_, row| row.by.clone().into()),
        ("InstalledOn", |_, row| row.date.clone().into()),
        ("ServicePackInEffect", |_, _| "".into()),
        ("Status", |_, _| "OK".into()),
    ];

    const UNKNOWN: &'static [&'static str] = &["Caption", "InstallDate", "Name"];

    fn rows(&self, machine: &Arc<Machine>, _: &Scan, push: &mut Push<'_, Row>) -> Result<(), ProviderError> {
        let found = match machine.text("var/log/apt/history.log") {
            Ok(text) => of_apt(&text),
            // Only the real machine has a dnf that speaks of it.
            Err(_) if machine.path("").as_os_str() == "/" => {
                let arguments = ["-C", "-q", "updateinfo", "list", "--installed"];
                program::of_system("dnf", arguments, LIMIT)
                    .map(|ended| of_dnf(&ended.stdout))
                    .unwrap_or_default()
            }
            Err(_) => Vec::new(),
        };
        found.into_iter().try_for_each(push)
    }
}

/// The upgrades in the history of apt; of one that was done twice, the last.
fn of_apt(text: &str) -> Vec<Row> {
    let mut found = Vec::<Row>::new();
    let mut places = HashMap::<String, usize>::new();
    for paragraph in text.split("\n\n") {
        let field =
            |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let Some(upgrades) = field("Upgrade") else { continue };
        let date = field("Start-Date").and_then(american);
        // apt writes the number behind the name.
        let by = field("Requested-By").map(|by| by.split(" (").next().unwrap_or(by).to_owned());
        for upgrade in upgrades.split("), ") {
            let Some((package, versions)) = upgrade.split_once(" (") else { continue };
            let Some((_, new)) = versions.trim_end_matches(')').split_once(", ") else { continue };
            // A package that is there for several architectures is one update.
            let name = package.split(':').next().unwrap_or(package);
            let row =
                Row { id: format!("{name}={new}"), is_security: false, date: date.clone(), by: by.clone() };
            match places.get(&row.id).and_then(|place| found.get_mut(*place)) {
                Some(known) => *known = row,
                None => {
                    places.insert(row.id.clone(), found.len());
                    found.push(row);
                }
            }
        }
    }
    found
}

/// `2025-06-24  14:36:25` as `6/24/2025`.
fn american(date: &str) -> Option<String> {
    let mut parts = date.split_whitespace().next()?.split('-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    Some(format!("{month}/{day}/{year}"))
}

/// Advisories that dnf lists as installed, each once.
fn of_dnf(text: &str) -> Vec<Row> {
    let mut found = Vec::<Row>::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(id), Some(kind), Some(_)) = (words.next(), words.next(), words.next()) else { continue };
        let is_known = found.iter().any(|row| row.id == id);
        if !is_known && id.contains('-') {
            let is_security = kind.ends_with("/Sec.") || kind == "security";
            found.push(Row { id: id.to_owned(), is_security, date: None, by: None });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upgrades_of_apt_are_updates() {
        let text = "\nStart-Date: 2025-06-24  14:36:25\nCommandline: apt-get upgrade\nRequested-By: ann (1000)\n\
                    Upgrade: libudev1:amd64 (252.36-1, 252.38-1), tzdata:all (1, 2)\nEnd-Date: 2025-06-24  14:36:25\n\n\
                    Start-Date: 2025-07-01  01:00:00\nInstall: curl:amd64 (8, automatic)\n\n\
                    Start-Date: 2025-07-02  01:00:00\nUpgrade: tzdata:all (1, 2)\n";
        let found = of_apt(text);
        let ids: Vec<&str> = found.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["libudev1=252.38-1", "tzdata=2"]);
        let dates: Vec<_> = found.iter().map(|row| row.date.as_deref()).collect();
        assert_eq!(dates, [Some("6/24/2025"), Some("7/2/2025")]);
        assert_eq!(found.first().and_then(|row| row.by.as_deref()), Some("ann"));
    }

    #[test]
    fn advisories_of_dnf_are_updates() {
        let text = "RHSA-2024:1 Important/Sec. bash-5.2-1.x86_64\nRHSA-2024:1 Important/Sec. bash-doc-5.2-1.noarch\n\
                    RHBA-2024:2 bugfix tzdata-2.noarch\n";
        let found: Vec<(String, bool)> =
            of_dnf(text).into_iter().map(|row| (row.id, row.is_security)).collect();
        assert_eq!(found, [("RHSA-2024:1".to_owned(), true), ("RHBA-2024:2".to_owned(), false)]);
    }
}
