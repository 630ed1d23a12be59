//! `Win32_PageFileUsage` and `Win32_PageFileSetting`: swap space (`/proc/swaps`, fstab(5)).

use std::os::unix::fs::MetadataExt as _;

use linux::system::swap::{Setting, Swap, peak};
use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, failure};

/// Swap space in use.
pub(crate) struct PageFileUsage;

/// Swap space configured for the next start.
pub(crate) struct PageFileSetting;

impl Table for PageFileUsage {
    type Row = Swap;

    const CLASS: &'static str = "Win32_PageFileUsage";

    const COLUMNS: &'static [(&'static str, Fill<Swap>)] = &[
        ("AllocatedBaseSize", |_, swap| mib(swap.size).into()),
        ("Caption", |_, swap| swap.path.clone().into()),
        ("CurrentUsage", |_, swap| mib(swap.used).into()),
        ("Description", |_, swap| swap.path.clone().into()),
        ("InstallDate", |machine, swap| {
            // Device files are created at each start, so their time says nothing.
            let made = std::fs::metadata(machine.path(&swap.path)).ok().filter(std::fs::Metadata::is_file);
            made.and_then(|made| made.mtime().checked_mul(1_000_000))
                .and_then(|time| machine.timestamp(time))
                .into()
        }),
        ("Name", |_, swap| swap.path.clone().into()),
        ("PeakUsage", |_, swap| mib(peak(swap)).into()),
        ("Status", |_, _| "OK".into()),
        ("TempPageFile", |_, swap| swap.path.starts_with("/dev/zram").into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Swap>, ProviderError> {
        let text = match machine.text("proc/swaps") {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(failure)?,
        };
        Ok(text.lines().skip(1).filter_map(Swap::parse).collect::<Vec<_>>().into_iter())
    }
}

impl Table for PageFileSetting {
    type Row = Setting;

    const CLASS: &'static str = "Win32_PageFileSetting";

    const COLUMNS: &'static [(&'static str, Fill<Setting>)] = &[
        ("Caption", |_, setting| setting.path.clone().into()),
        ("Description", |_, setting| setting.path.clone().into()),
        ("InitialSize", |_, setting| setting.size.map(|size| mib(size / 1024)).into()),
        ("MaximumSize", |_, setting| setting.size.map(|size| mib(size / 1024)).into()),
        ("Name", |_, setting| setting.path.clone().into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Setting>, ProviderError> {
        let text = machine.text("etc/fstab").unwrap_or_default();
        Ok(text.lines().filter_map(|line| Setting::parse(machine, line)).collect::<Vec<_>>().into_iter())
    }
}

/// Converts KiB to MiB.
fn mib(kib: u64) -> u32 {
    u32::try_from(kib / 1024).unwrap_or(u32::MAX)
}
