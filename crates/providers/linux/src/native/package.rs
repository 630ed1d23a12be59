//! `Linux_Package`: an installed package, with its Linux properties.

use linux::package;
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, failure};

/// Installed packages.
pub(super) struct Package;

impl Table for Package {
    type Row = package::Package;

    const NAMESPACE: &'static str = super::NAMESPACE;

    const CLASS: &'static str = "Linux_Package";

    const COLUMNS: &'static [(&'static str, Fill<package::Package>)] = &[
        ("Architecture", |_, package| package.architecture.clone().into()),
        ("Description", |_, package| package.summary.clone().into()),
        ("Homepage", |_, package| package.homepage.clone().into()),
        ("InstallDate", |machine, package| {
            package.installed.and_then(|seconds| machine.timestamp(seconds.checked_mul(1_000_000)?)).into()
        }),
        ("Maintainer", |_, package| package.maintainer.clone().into()),
        ("Name", |_, package| package.name.clone().into()),
        ("Section", |_, package| package.section.clone().into()),
        // Size in bytes.
        ("Size", |_, package| package.size.and_then(|kib| kib.checked_mul(1024)).into()),
        ("Version", |_, package| package.version.clone().into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = package::Package>, ProviderError> {
        Ok(machine.packages().map_err(failure)?.to_vec().into_iter())
    }
}
