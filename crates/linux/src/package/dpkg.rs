//! `/var/lib/dpkg/status` (deb-control(5), dpkg-query(1)).

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use super::Package;
use crate::Machine;

/// Maximum number of bytes of the database that are read.
const MAX: u64 = 64 << 20;

/// Returns the installed packages.
///
/// # Errors
/// Errors of the operating system if the database cannot be read.
pub fn packages(machine: &Machine) -> io::Result<Vec<Package>> {
    let octets = machine.octets_up_to("var/lib/dpkg/status", MAX)?;
    let text = String::from_utf8_lossy(&octets);
    let dates = dates(machine);
    let mut packages: Vec<Package> = text.split("\n\n").filter_map(package).collect();
    for package in &mut packages {
        // Packages for several architectures include it in the name of the file.
        let own = format!("{}:{}", package.name, package.architecture);
        package.installed = dates.get(&own).or_else(|| dates.get(&package.name)).copied();
    }
    Ok(packages)
}

/// Parses a paragraph of the database; `None` if the package is not installed.
pub fn package(paragraph: &str) -> Option<Package> {
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
    (is_installed && !package.name.is_empty()).then_some(package)
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
