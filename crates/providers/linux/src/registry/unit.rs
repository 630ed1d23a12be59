//! Services in the registry, read from unit files (systemd.unit(5)) without asking whether they run.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::Machine;

use super::key::{Data, Values, is_same};

/// Folders of unit files, in order of precedence.
const FOLDERS: [&str; 4] =
    ["etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system"];

/// Returns the names of all services without their suffix; templates are left out.
pub(super) fn names(machine: &Machine) -> Vec<String> {
    let files = FOLDERS.iter().flat_map(|folder| machine.names(folder).unwrap_or_default());
    files
        .filter_map(|file| {
            let file = file.into_string().ok()?;
            file.strip_suffix(".service").filter(|name| !name.ends_with('@')).map(str::to_owned)
        })
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// Returns the folders that determine which services exist and which start at boot.
pub(super) fn sources(machine: &Machine) -> Vec<PathBuf> {
    let wants = wants(machine).map(|name| machine.path(format!("etc/systemd/system/{name}")));
    FOLDERS.iter().map(|folder| machine.path(folder)).chain(wants).collect()
}

/// Returns the values of the key of a service; `None` if there is no such service.
pub(super) fn values(machine: &Machine, name: &str) -> Option<Values> {
    let (folder, file) = FOLDERS.iter().find_map(|folder| {
        machine
            .names(folder)
            .ok()?
            .into_iter()
            .find(|file| {
                let file = file.to_str().and_then(|file| file.strip_suffix(".service"));
                file.is_some_and(|file| is_same(file, name))
            })
            .and_then(|file| Some((*folder, file.into_string().ok()?)))
    })?;
    let path = format!("{folder}/{file}");
    let text = machine.text(&path).unwrap_or_default();
    let start = if is_masked(machine, &path) {
        4
    } else if is_wanted(machine, &file) {
        2
    } else {
        3
    };
    let description = value_in(&text, "Description");
    Some(
        [
            description.clone().map(|text| ("Description", Data::Text(text))),
            Some((
                "DisplayName",
                Data::Text(description.unwrap_or_else(|| file.trim_end_matches(".service").to_owned())),
            )),
            // Removes prefixes that only systemd understands.
            value_in(&text, "ExecStart").map(|command| {
                (
                    "ImagePath",
                    Data::ExpandedText(command.trim_start_matches(['@', '-', ':', '+', '!', '|']).to_owned()),
                )
            }),
            Some(("ObjectName", Data::Text(value_in(&text, "User").unwrap_or_else(|| "root".to_owned())))),
            // 2 starts at boot, 3 on demand, 4 is disabled.
            Some(("Start", Data::Number(start))),
            // 16 is a process of its own.
            Some(("Type", Data::Number(16))),
        ]
        .into_iter()
        .flatten()
        .collect(),
    )
}

/// Returns the first value of a key that is not empty.
fn value_in(text: &str, key: &str) -> Option<String> {
    let lines = text.lines().map(str::trim).filter_map(|line| line.split_once('='));
    lines
        .filter(|(own, _)| own.trim() == key)
        .map(|(_, value)| value.trim().to_owned())
        .find(|value| !value.is_empty())
}

/// Returns whether a unit is masked: a link to `/dev/null`, or an empty file.
fn is_masked(machine: &Machine, path: &str) -> bool {
    let path = machine.path(path);
    let link = std::fs::read_link(&path);
    link.is_ok_and(|target| target.as_os_str() == "/dev/null")
        || std::fs::metadata(&path).is_ok_and(|file| file.len() == 0)
}

/// Returns whether a target starts the unit.
fn is_wanted(machine: &Machine, file: &str) -> bool {
    wants(machine).any(|folder| {
        std::fs::symlink_metadata(machine.path(format!("etc/systemd/system/{folder}/{file}"))).is_ok()
    })
}

/// Returns the folders in which targets list the units they start.
fn wants(machine: &Machine) -> impl Iterator<Item = String> {
    let folders = machine.names("etc/systemd/system").unwrap_or_default();
    let folders = folders.into_iter().filter_map(|name| name.into_string().ok());
    folders.filter(|name| name.ends_with(".wants") || name.ends_with(".requires"))
}
