//! Installed packages, from the databases of dpkg and rpm.

pub mod dpkg;
pub mod rpm;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use locks::Mutex;

use crate::Machine;

/// An installed package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version with revision.
    pub version: String,
    /// Architecture.
    pub architecture: String,
    /// Maintainer, with mail address.
    pub maintainer: Option<String>,
    /// Section or group; `None` if the database has none.
    pub section: Option<String>,
    /// Address of the project.
    pub homepage: Option<String>,
    /// Address for bug reports.
    pub bugs: Option<String>,
    /// One-line description.
    pub summary: Option<String>,
    /// Installed size in KiB.
    pub size: Option<u64>,
    /// Installation time, in seconds since 1970.
    pub installed: Option<i64>,
}

/// Packages of a machine, read again when their database has changed.
#[derive(Debug, Default)]
pub struct Packages {
    stored: Mutex<Option<(Version, Arc<Vec<Package>>)>>,
}

/// Version of a database, to detect changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    changed: SystemTime,
    length: u64,
}

/// Package manager of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Debian packages.
    Dpkg,
    /// RPM packages.
    Rpm,
}

/// Possible databases; the first that exists is used. The formats of rpm are SQLite, its own one, and
/// Berkeley DB.
const DATABASES: [(&str, &str, Kind); 6] = [
    ("var/lib/dpkg", "status", Kind::Dpkg),
    ("usr/lib/sysimage/rpm", "rpmdb.sqlite", Kind::Rpm),
    ("usr/lib/sysimage/rpm", "Packages.db", Kind::Rpm),
    ("var/lib/rpm", "rpmdb.sqlite", Kind::Rpm),
    ("var/lib/rpm", "Packages.db", Kind::Rpm),
    ("var/lib/rpm", "Packages", Kind::Rpm),
];

/// Returns directory, file metadata and package manager of the machine's database.
fn database(machine: &Machine) -> Option<(&'static str, std::fs::Metadata, Kind)> {
    DATABASES.into_iter().find_map(|(folder, file, kind)| {
        let metadata = std::fs::metadata(machine.path(folder).join(file)).ok()?;
        Some((folder, metadata, kind))
    })
}

/// Returns the package manager of a machine.
pub fn kind(machine: &Machine) -> Option<Kind> {
    database(machine).map(|(.., kind)| kind)
}

impl Packages {
    /// Returns the files that change when packages change.
    pub fn sources(machine: &Machine) -> Vec<PathBuf> {
        DATABASES.iter().map(|(folder, file, _)| machine.path(folder).join(file)).collect()
    }

    /// Returns all packages, sorted by name; empty if there is no database.
    ///
    /// # Errors
    /// The reason why the database could not be read.
    pub fn of(&self, machine: &Machine) -> io::Result<Arc<Vec<Package>>> {
        let Some((folder, metadata, kind)) = database(machine) else { return Ok(Arc::default()) };
        let version = Version { changed: metadata.modified()?, length: metadata.len() };
        let mut stored = self.stored.lock();
        if let Some((own, packages)) = &*stored
            && *own == version
        {
            return Ok(packages.clone());
        }
        let mut packages = match kind {
            Kind::Dpkg => dpkg::packages(machine)?,
            Kind::Rpm => rpm::packages(machine, folder)?,
        };
        packages
            .sort_by(|left, right| (&left.name, &left.architecture).cmp(&(&right.name, &right.architecture)));
        let packages = Arc::new(packages);
        *stored = Some((version, packages.clone()));
        Ok(packages)
    }
}
