//! `/var/lib/dpkg/status` (deb-control(5), dpkg-query(1)).

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use super::Package;
use crate::Machine;

/// Maximum number of bytes of the database that are read.
const MAX: u64 = 64 << 20;
/// Maximum number of changes that are read. dpkg writes the database after 250 of them.
const MAX_UPDATES: usize = 1_000;

/// Returns the installed packages.
///
/// # Errors
/// Errors of the operating system if the database cannot be read.
pub fn packages(machine: &Machine) -> io::Result<Vec<Package>> {
    let octets = machine.octets_up_to("var/lib/dpkg/status", MAX)?;
    let mut found = entries(&octets);
    for octets in updates(machine) {
        for update in entries(&octets) {
            found.retain(|entry| !entry.is_of_same_package(&update));
            found.push(update);
        }
    }
    let dates = dates(machine);
    let installed = found.into_iter().filter(|entry| entry.is_installed);
    let mut packages: Vec<Package> = installed.map(|entry| entry.package).collect();
    for package in &mut packages {
        // Packages for several architectures include it in the name of the file.
        let own = format!("{}:{}", package.name, package.architecture);
        package.installed = dates.get(&own).or_else(|| dates.get(&package.name)).copied();
    }
    Ok(packages)
}

/// A package in the database, which also has packages that are not installed.
struct Entry {
    package: Package,
    is_installed: bool,
}

impl Entry {
    fn is_of_same_package(&self, other: &Self) -> bool {
        self.package.name == other.package.name && self.package.architecture == other.package.architecture
    }
}

fn entries(octets: &[u8]) -> Vec<Entry> {
    String::from_utf8_lossy(octets).split("\n\n").map(entry).collect()
}

/// Returns the changes that a running dpkg has not yet written into the database, in their order.
fn updates(machine: &Machine) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(machine.path("var/lib/dpkg/updates")).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // Other names are files that dpkg is writing.
    let mut names: Vec<String> =
        names.filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())).collect();
    names.sort_unstable();
    let paths = names.into_iter().take(MAX_UPDATES).map(|name| format!("var/lib/dpkg/updates/{name}"));
    paths.filter_map(|path| machine.octets_up_to(path, MAX).ok()).collect()
}

/// Parses a paragraph of the database; `None` if the package is not installed.
pub fn package(paragraph: &str) -> Option<Package> {
    let Entry { package, is_installed } = entry(paragraph);
    is_installed.then_some(package)
}

fn entry(paragraph: &str) -> Entry {
    let mut package = Package::default();
    let mut is_installed = false;
    for line in paragraph.lines() {
        // Lines that begin with a space continue the previous field.
        let Some((field, value)) = line.split_once(':').filter(|_| !line.starts_with([' ', '\t'])) else {
            continue;
        };
        let value = value.trim();
        let text = Some(value.to_owned()).filter(|text| !text.is_empty());
        match field {
            "Package" => package.name = value.to_owned(),
            // Desired state, error flag, and current state.
            "Status" => is_installed = value.split(' ').nth(2) == Some("installed"),
            "Version" => package.version = value.to_owned(),
            "Architecture" => package.architecture = value.to_owned(),
            "Maintainer" => package.maintainer = text,
            "Section" => package.section = text,
            "Bugs" => package.bugs = text,
            "Homepage" => package.homepage = text,
            "Description" => package.summary = text,
            "Installed-Size" => package.size = value.parse().ok(),
            _ => {}
        }
    }
    Entry { is_installed: is_installed && !package.name.is_empty(), package }
}

/// Returns the modification time of each package's file list, which is the time of the last installation.
fn dates(machine: &Machine) -> HashMap<String, i64> {
    let folder = machine.path("var/lib/dpkg/info");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name.strip_suffix(".list")?.to_owned(), entry.metadata().ok()?.mtime()))
        })
        .collect()
}
