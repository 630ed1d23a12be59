//! `Win32_WMISetting`, `Win32_Registry` and `Win32_Desktop`: what Windows keeps and Linux mostly has not.

use std::sync::Arc;

use wmi::{ProviderError, Scan};

use super::operating_system;
use crate::Machine;
use crate::table::{Fill, Push, Table};

/// How this service of WMI is set.
pub(crate) struct WmiSetting;

/// The registry that `StdRegProv` shows.
pub(crate) struct Registry;

/// Desktops of users, of which servers have none.
pub(crate) struct Desktop;

impl Table for WmiSetting {
    type Row = ();

    const CLASS: &'static str = "Win32_WMISetting";

    const COLUMNS: &'static [(&'static str, Fill<()>)] =
        &[("BuildVersion", |_, ()| env!("CARGO_PKG_VERSION").into())];

    const UNKNOWN: &'static [&'static str] = &[
        "ASPScriptDefaultNamespace",
        "ASPScriptEnabled",
        "AutorecoverMofs",
        "AutoStartWin9X",
        "BackupInterval",
        "BackupLastTime",
        "Caption",
        "DatabaseDirectory",
        "DatabaseMaxSize",
        "Description",
        "EnableAnonWin9xConnections",
        "EnableEvents",
        "EnableStartupHeapPreallocation",
        "HighThresholdOnClientObjects",
        "HighThresholdOnEvents",
        "InstallationDirectory",
        "LastStartupHeapPreallocation",
        "LoggingDirectory",
        "LoggingLevel",
        "LowThresholdOnClientObjects",
        "LowThresholdOnEvents",
        "MaxLogFileSize",
        "MaxWaitOnClientObjects",
        "MaxWaitOnEvents",
        "MofSelfInstallDirectory",
    ];

    fn rows(&self, _: &Arc<Machine>, _: &Scan, push: &mut Push<'_, ()>) -> Result<(), ProviderError> {
        push(())
    }
}

impl Table for Registry {
    type Row = ();

    const CLASS: &'static str = "Win32_Registry";

    const COLUMNS: &'static [(&'static str, Fill<()>)] = &[
        ("Caption", |_, ()| "Registry".into()),
        ("Description", |_, ()| "Registry".into()),
        ("Name", |machine, ()| operating_system::name_of(machine).into()),
        ("Status", |_, ()| "OK".into()),
    ];

    const UNKNOWN: &'static [&'static str] = &["CurrentSize", "MaximumSize", "ProposedSize"];

    fn rows(&self, _: &Arc<Machine>, _: &Scan, push: &mut Push<'_, ()>) -> Result<(), ProviderError> {
        push(())
    }
}

impl Table for Desktop {
    type Row = ();

    const CLASS: &'static str = "Win32_Desktop";

    const COLUMNS: &'static [(&'static str, Fill<()>)] = &[];

    const UNKNOWN: &'static [&'static str] = &[
        "BorderWidth",
        "Caption",
        "CoolSwitch",
        "CursorBlinkRate",
        "Description",
        "DragFullWindows",
        "GridGranularity",
        "IconSpacing",
        "IconTitleFaceName",
        "IconTitleSize",
        "IconTitleWrap",
        "Name",
        "Pattern",
        "ScreenSaverActive",
        "ScreenSaverExecutable",
        "ScreenSaverSecure",
        "ScreenSaverTimeout",
        "Wallpaper",
        "WallpaperStretched",
        "WallpaperTiled",
    ];

    /// There is nothing that all desktops of Linux keep in one place.
    fn rows(&self, _: &Arc<Machine>, _: &Scan, _: &mut Push<'_, ()>) -> Result<(), ProviderError> {
        Ok(())
    }
}
