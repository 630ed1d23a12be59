//! What is installed: the databases of dpkg and rpm.

mod dpkg;
pub(crate) mod oracle;
mod rpm;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::Machine;

/// An installed package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    /// Who made it, with an address.
    pub(crate) maintainer: Option<String>,
    pub(crate) section: Option<String>,
    pub(crate) homepage: Option<String>,
    /// Where to tell of what is wrong with it.
    pub(crate) bugs: Option<String>,
    /// One line.
    pub(crate) summary: Option<String>,
    /// What it takes on the disk, in KiB.
    pub(crate) size: Option<u64>,
    /// When it was installed, in seconds since 1970.
    pub(crate) installed: Option<i64>,
}

/// The packages of a machine, read again when their database has changed.
#[derive(Debug, Default)]
pub(crate) struct Packages {
    kept: Mutex<Option<(Version, Arc<Vec<Package>>)>>,
}

/// What tells whether a database has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    changed: SystemTime,
    length: u64,
}

/// Reads a database.
type Read = fn(&Machine) -> io::Result<Vec<Package>>;

/// Where there may be one; the first counts.
const DATABASES: [(&str, Read); 3] = [
    ("var/lib/dpkg/status", dpkg::packages),
    ("usr/lib/sysimage/rpm/rpmdb.sqlite", rpm::packages),
    ("var/lib/rpm/rpmdb.sqlite", rpm::packages),
];

impl Packages {
    /// All of them, in the order of their names; none if there is no database.
    ///
    /// # Errors
    /// What kept the database from being read.
    pub(crate) fn of(&self, machine: &Machine) -> io::Result<Arc<Vec<Package>>> {
        for (database, read) in DATABASES {
            let Ok(metadata) = std::fs::metadata(machine.path(database)) else { continue };
            let version = Version { changed: metadata.modified()?, length: metadata.len() };
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((own, packages)) = &*kept
                && *own == version
            {
                return Ok(packages.clone());
            }
            let mut packages = read(machine)?;
            packages.sort_by(|left, right| {
                (&left.name, &left.architecture).cmp(&(&right.name, &right.architecture))
            });
            let packages = Arc::new(packages);
            *kept = Some((version, packages.clone()));
            return Ok(packages);
        }
        Ok(Arc::default())
    }
}
