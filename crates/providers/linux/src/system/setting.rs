//! `Win32_WMISetting` and `Win32_Registry`: settings of Windows, most of which Linux lacks.

use linux::system::OperatingSystem as System;
use wmi::ProviderError;

use super::operating_system;
use crate::Machine;
use crate::table::{Fill, Table};

/// Settings of this WMI service.
pub(crate) struct WmiSetting;

/// The registry that `StdRegProv` shows.
pub(crate) struct Registry;

impl Table for WmiSetting {
    type Row = ();

    const CLASS: &'static str = "Win32_WMISetting";

    const COLUMNS: &'static [(&'static str, Fill<()>)] =
        &[("BuildVersion", |_, ()| env!("CARGO_PKG_VERSION").into())];

    fn all(_: &Machine) -> Result<impl Iterator<Item = ()>, ProviderError> {
        Ok(std::iter::once(()))
    }
}

impl Table for Registry {
    type Row = ();

    const CLASS: &'static str = "Win32_Registry";

    const COLUMNS: &'static [(&'static str, Fill<()>)] = &[
        ("Caption", |_, ()| "Registry".into()),
        ("Description", |_, ()| "Registry".into()),
        ("Name", |machine, ()| operating_system::name_of(&System::of(machine)).into()),
        ("Status", |_, ()| "OK".into()),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = ()>, ProviderError> {
        Ok(std::iter::once(()))
    }
}
