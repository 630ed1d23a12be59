//! `Win32_BootConfiguration`.

use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table};

/// Files and folders from which the machine starts.
pub(crate) struct BootConfiguration;

/// Returns a path if it is a folder.
fn folder(machine: &Machine, path: &'static str) -> Option<&'static str> {
    machine.path(path).is_dir().then_some(path)
}

/// Returns the kernel that the boot loader has started (bootparam(7), `BOOT_IMAGE`).
fn kernel(machine: &Machine) -> Option<String> {
    let line = machine.line("proc/cmdline")?;
    line.split_ascii_whitespace().find_map(|word| word.strip_prefix("BOOT_IMAGE=")).map(str::to_owned)
}

impl Table for BootConfiguration {
    type Row = ();

    const CLASS: &'static str = "Win32_BootConfiguration";

    const COLUMNS: &'static [(&'static str, Fill<()>)] = &[
        ("BootDirectory", |machine, ()| folder(machine, "/boot").into()),
        ("Caption", |_, ()| "BootConfiguration".into()),
        ("ConfigurationPath", |machine, ()| kernel(machine).into()),
        ("Description", |_, ()| "BootConfiguration".into()),
        ("Name", |_, ()| "BootConfiguration".into()),
        ("ScratchDirectory", |machine, ()| folder(machine, "/var/tmp").into()),
        ("TempDirectory", |machine, ()| folder(machine, "/tmp").into()),
    ];

    fn all(_: &Machine) -> Result<impl Iterator<Item = ()>, ProviderError> {
        Ok(std::iter::once(()))
    }
}
