//! `Win32_Product`: installed packages.

use std::sync::Arc;

use cim::Value;
use linux::guid;
use linux::package::Package;
use wmi::{Lookup, ProviderError};

use crate::Machine;
use crate::table::{Fill, Table, failure};

/// Packages of the distribution.
pub(crate) struct Product;

/// A package, by its position in the package database.
pub(crate) struct Row {
    packages: Arc<Vec<Package>>,
    place: usize,
}

impl Row {
    fn package(&self) -> Option<&Package> {
        self.packages.get(self.place)
    }

    fn text(&self, of: impl Fn(&Package) -> String) -> Value {
        self.package().map(of).into()
    }
}

/// Returns the installation time in the time zone of the machine.
fn installed(machine: &Machine, row: &Row) -> Option<cim::DateTime> {
    machine.timestamp(row.package()?.installed?.checked_mul(1_000_000)?)
}

impl Table for Product {
    type Row = Row;

    const CLASS: &'static str = "Win32_Product";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("AssignmentType", |_, _| 1_u16.into()),
        ("Caption", |_, row| row.text(|package| package.name.clone())),
        ("Description", |_, row| row.package().and_then(|package| package.summary.clone()).into()),
        ("HelpLink", |_, row| row.package().and_then(|package| package.bugs.clone()).into()),
        ("IdentifyingNumber", |_, row| row.text(|package| guid::of(&[&package.name, &package.architecture]))),
        ("InstallDate", |machine, row| {
            installed(machine, row).and_then(|date| date.to_string().get(..8).map(str::to_owned)).into()
        }),
        ("InstallDate2", |machine, row| installed(machine, row).into()),
        // 5 is "Installed".
        ("InstallState", |_, _| 5_i16.into()),
        ("Language", |_, _| "0".into()),
        ("Name", |_, row| row.text(|package| package.name.clone())),
        ("PackageCode", |_, row| row.text(|package| guid::of(&[&package.name, &package.version]))),
        ("PackageName", |_, row| {
            row.text(|package| format!("{}_{}_{}", package.name, package.version, package.architecture))
        }),
        ("URLInfoAbout", |_, row| row.package().and_then(|package| package.homepage.clone()).into()),
        ("Vendor", |_, row| row.package().and_then(|package| package.maintainer.clone()).into()),
        ("Version", |_, row| row.text(|package| package.version.clone())),
        ("WordCount", |_, _| 0_u32.into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Row>, ProviderError> {
        let packages = machine.packages().map_err(failure)?;
        Ok((0..packages.len()).map(move |place| Row { packages: packages.clone(), place }))
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        let [identity, Value::String(name), Value::String(version)] = lookup.keys else {
            return Err(ProviderError::NotCapable);
        };
        let identity = identity.as_str().unwrap_or_default();
        let packages = machine.packages().map_err(failure)?;
        let place = packages.iter().position(|package| {
            package.name == *name
                && package.version == *version
                && guid::of(&[&package.name, &package.architecture]).eq_ignore_ascii_case(identity)
        });
        Ok(place.map(move |place| Row { packages, place }))
    }
}
