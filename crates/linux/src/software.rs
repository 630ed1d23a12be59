//! Installed updates.

mod advisory;
mod apt_history;

use jiff::civil::Date;

use crate::package;
use crate::{Error, Machine};

/// An update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Package with its version, or name of an advisory.
    pub id: String,
    /// Purpose of the update.
    pub kind: Kind,
    /// Installation date; `None` if unknown.
    pub day: Option<Date>,
    /// User who requested it; `None` if unknown.
    pub by: Option<String>,
}

/// Purpose of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The update fixes a vulnerability.
    Security,
    /// Other or unknown purpose.
    Other,
}

impl Update {
    /// Returns the upgrades made by apt, or the installed advisories of dnf.
    ///
    /// # Errors
    /// If dnf or the package database cannot be read.
    pub fn all(machine: &Machine) -> Result<Vec<Self>, Error> {
        match package::kind(machine) {
            Some(package::Kind::Rpm) => advisory::updates(machine),
            Some(package::Kind::Dpkg) => Ok(apt_history::updates(machine)?),
            None => Ok(Vec::new()),
        }
    }
}
