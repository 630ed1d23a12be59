//! Package upgrades made by apt that are still in effect (`/var/log/apt/history.log`).

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::time::Duration;

use jiff::civil::Date;

use super::{Kind, Update};
use crate::lines::each_line;
use crate::{Machine, program};

/// Returns the upgrades of packages whose new version is still installed.
///
/// # Errors
/// Errors of reading the package database.
pub(super) fn updates(machine: &Machine) -> io::Result<Vec<Update>> {
    let packages = machine.packages()?;
    let installed = packages.iter().map(|package| (&*package.name, &*package.version));
    let mut history = History { installed: installed.collect(), run: Run::default(), last: BTreeMap::new() };
    read(machine, &mut history);
    Ok(history.last.into_iter().map(|((package, version), upgrade)| upgrade.of(&package, &version)).collect())
}

/// Reader of apt's history, line by line from the oldest, so that years of history are never held in memory.
struct History<'p> {
    /// Installed packages with their versions.
    installed: HashSet<(&'p str, &'p str)>,
    /// Data read so far of the current run of apt.
    run: Run,
    /// Upgrades in effect, by package and version; of several to the same version, the last.
    last: BTreeMap<(String, String), Upgrade>,
}

/// A run of apt: a paragraph of the history.
#[derive(Default)]
struct Run {
    /// Date, such as `2026-05-09`.
    day: Option<String>,
    /// User who requested it, if not root.
    by: Option<String>,
    /// List of `name:architecture (old, new)`, separated by commas.
    upgraded: Option<String>,
}

/// Date of an upgrade, and the user who requested it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Upgrade {
    day: String,
    by: Option<String>,
}

impl Upgrade {
    fn of(self, package: &str, version: &str) -> Update {
        Update {
            id: format!("{package}={version}"),
            kind: Kind::Other,
            day: self.day.parse::<Date>().ok(),
            by: Some(self.by.unwrap_or_else(|| "root".to_owned())),
        }
    }
}

impl History<'_> {
    fn line(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(": ") else {
            if line.is_empty() {
                self.end_of_run();
            }
            return;
        };
        match name {
            "Start-Date" => self.run.day = first_word(value),
            "Requested-By" => self.run.by = first_word(value),
            "Upgrade" => self.run.upgraded = Some(value.to_owned()),
            _ => {}
        }
    }

    fn end_of_run(&mut self) {
        let Run { day: Some(day), by, upgraded: Some(upgraded) } = std::mem::take(&mut self.run) else {
            return;
        };
        for (package, version) in upgraded.split("), ").filter_map(new_version) {
            let name = package.split(':').next().unwrap_or_default();
            if self.installed.contains(&(name, version)) {
                let upgrade = Upgrade { day: day.clone(), by: by.clone() };
                self.last.insert((package.to_owned(), version.to_owned()), upgrade);
            }
        }
    }
}

fn first_word(text: &str) -> Option<String> {
    text.split_whitespace().next().map(str::to_owned)
}

/// Returns the package and the new version of an entry `name:architecture (old, new`.
fn new_version(entry: &str) -> Option<(&str, &str)> {
    let (package, versions) = entry.split_once(" (")?;
    Some((package, versions.trim_end_matches(')').split(", ").nth(1)?))
}

/// Reads the history, including old files, which logrotate(8) compresses.
fn read(machine: &Machine, history: &mut History<'_>) {
    let names = machine.names(FOLDER).unwrap_or_default();
    let names = names.iter().filter_map(|name| name.to_str());
    let mut files: Vec<_> = names.filter_map(|name| Some((rotation(name)?, name))).collect();
    files.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    for (_, name) in files {
        let file = format!("{FOLDER}/{name}");
        let read = if name.ends_with(".gz") {
            let words = ["-dc".into(), "--".into(), machine.path(&file).into_os_string()];
            program::lines_of_system("gzip", words, LIMIT, |line| history.line(line)).and_then(|ended| {
                match ended.code {
                    0 => Ok(()),
                    _ => Err(io::Error::other(ended.stderr.trim().to_owned())),
                }
            })
        } else {
            machine.file(&file).and_then(|from| each_line(from, |line| history.line(line))).map(drop)
        };
        if let Err(error) = read {
            tracing::warn!(%error, file, "Cannot read apt history");
        }
        history.end_of_run();
    }
}

/// Returns the number of a rotated history, 0 for the current one.
fn rotation(name: &str) -> Option<u32> {
    let rest = name.strip_prefix("history.log")?;
    let rest = rest.strip_suffix(".gz").unwrap_or(rest);
    if rest.is_empty() { Some(0) } else { rest.strip_prefix('.')?.parse().ok() }
}

/// Folder of apt's history.
const FOLDER: &str = "var/log/apt";

/// Time limit for the decompression of a file.
const LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_history_yields_one_update_per_package() {
        let history = "\nStart-Date: 2025-06-04  14:36:25\nRequested-By: alice (1000)\n\
                       Upgrade: a:amd64 (1-1, 1-2), b:all (2:3, 2:4), old:all (1, 2)\n\
                       End-Date: 2025-06-04  14:36:25\n\n\
                       Start-Date: 2025-06-05  00:00:00\nInstall: c:amd64 (1)\n\nnonsense\n\nUpgrade: c:all (0, 1)\n";
        let installed = [("a", "1-2"), ("b", "2:4"), ("c", "1"), ("old", "3")].into_iter().collect();
        let mut read = History { installed, run: Run::default(), last: BTreeMap::new() };
        history.lines().for_each(|line| read.line(line));
        read.end_of_run();
        let reported = read.last.into_iter().map(|((package, version), upgrade)| {
            (package, version, upgrade.day, upgrade.by.unwrap_or_default())
        });
        let reported: Vec<_> = reported.collect();
        let upgrade = |package: &str, version: &str| {
            (package.to_owned(), version.to_owned(), "2025-06-04".to_owned(), "alice".to_owned())
        };
        assert_eq!(reported, [upgrade("a:amd64", "1-2"), upgrade("b:all", "2:4")]);
    }
}
