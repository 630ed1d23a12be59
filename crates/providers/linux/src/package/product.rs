//! `Win32_Product`: an installed package.

use std::sync::Arc;

use cim::Value;
use wmi::{ProviderError, Scan};

use super::Package;
use crate::table::{Fill, Push, Table, failure};
use crate::{Machine, guid};

/// The installed packages.
pub(super) struct Product;

/// One of them, by its place.
pub(super) struct Row {
    all: Arc<Vec<Package>>,
    place: usize,
}

impl Row {
    fn of<T>(&self, read: impl FnOnce(&Package) -> Option<T>) -> Option<T> {
        self.all.get(self.place).and_then(read)
    }

    fn text(&self, read: impl FnOnce(&Package) -> &str) -> Value {
        self.of(|package| Some(read(package).to_owned())).into()
    }
}

impl Table for Product {
    type Row = Row;

    const CLASS: &'static str = "Win32_Product";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        // 1 is "Machine": nothing is installed for one user only.
        ("AssignmentType", |_, _| 1_u16.into()),
        ("Caption", |_, row| row.text(|package| &package.name)),
        ("Description", |_, row| row.of(|package| package.summary.clone()).into()),
        ("IdentifyingNumber", |_, row| {
            row.of(|package| Some(guid::of(&[&package.name, &package.architecture]))).into()
        }),
        ("InstallDate", |machine, row| {
            let date = row.of(|package| machine.timestamp(package.installed?.checked_mul(1_000_000)?));
            date.map(|date| date.to_string().chars().take(8).collect::<String>()).into()
        }),
        ("InstallDate2", |machine, row| {
            row.of(|package| machine.timestamp(package.installed?.checked_mul(1_000_000)?)).into()
        }),
        // 5 is "Installed".
        ("InstallState", |_, _| 5_i16.into()),
        ("Language", |_, _| "0".into()),
        ("Name", |_, row| row.text(|package| &package.name)),
        ("PackageCode", |_, row| row.of(|package| Some(guid::of(&[&package.name, &package.version]))).into()),
        ("PackageName", |_, row| {
            row.of(|package| Some(format!("{}_{}_{}", package.name, package.version, package.architecture)))
                .into()
        }),
        ("URLInfoAbout", |_, row| row.of(|package| package.homepage.clone()).into()),
        ("Vendor", |_, row| row.of(|package| package.maintainer.clone()).into()),
        ("Version", |_, row| row.text(|package| &package.version)),
        ("WordCount", |_, _| 0_u32.into()),
    ];

    const UNKNOWN: &'static [&'static str] = &[
        "HelpLink",
        "HelpTelephone",
        "InstallLocation",
        "InstallSource",
        "LocalPackage",
        "PackageCache",
        "ProductID",
        "RegCompany",
        "RegOwner",
        "SKUNumber",
        "Transforms",
        "URLUpdateInfo",
    ];

    fn rows(&self, machine: &Arc<Machine>, _: &Scan, push: &mut Push<'_, Row>) -> Result<(), ProviderError> {
        let all = machine.packages().map_err(failure)?;
        (0..all.len()).try_for_each(|place| push(Row { all: all.clone(), place }))
    }
}
