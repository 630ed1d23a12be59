//! `Win32_PageFileUsage` and `Win32_PageFileSetting`: swap space (`/proc/swaps`, fstab(5)).

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use wmi::ProviderError;

use crate::Machine;
use crate::table::{Fill, Table, failure};
use linux::mounts::unescaped;

/// Swap space in use.
pub(crate) struct PageFileUsage;

/// Swap space configured for the next start.
pub(crate) struct PageFileSetting;

/// A swap file or device; sizes in KiB.
#[derive(Clone, Debug)]
pub(crate) struct Swap {
    path: String,
    size: u64,
    used: u64,
}

impl Swap {
    /// Parses a line of `/proc/swaps`.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let path = unescaped(fields.next()?);
        let mut numbers = fields.skip(1).map(|field| field.parse().ok());
        Some(Self { path, size: numbers.next()??, used: numbers.next()?? })
    }
}

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

/// Swap space in a line of fstab.
pub(crate) struct Setting {
    path: String,
    /// Size in bytes; `None` for devices.
    size: Option<u64>,
}

impl Setting {
    /// Parses a line of `/etc/fstab`; `None` if it is not a swap area.
    fn parse(machine: &Machine, line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let source = fields.next().filter(|field| !field.starts_with('#')).map(unescaped)?;
        if fields.nth(1) != Some("swap") {
            return None;
        }
        let path = device(machine, &source).unwrap_or(source);
        let file = std::fs::metadata(machine.path(&path)).ok().filter(std::fs::Metadata::is_file);
        Some(Self { path, size: file.map(|file| file.len()) })
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

/// Returns the device for a source such as `UUID=…`, if udev has a link for it.
fn device(machine: &Machine, source: &str) -> Option<String> {
    let (kind, name) = source.split_once('=')?;
    let folder = match kind {
        "UUID" => "by-uuid",
        "LABEL" => "by-label",
        "PARTUUID" => "by-partuuid",
        "PARTLABEL" => "by-partlabel",
        _ => return None,
    };
    let target =
        std::fs::read_link(machine.path(format!("dev/disk/{folder}/{}", name.trim_matches('"')))).ok()?;
    Some(format!("/dev/{}", Path::new(&target).file_name()?.to_str()?))
}

/// Returns the peak usage seen since the start of this process; the kernel does not record it.
fn peak(swap: &Swap) -> u64 {
    static PEAKS: LazyLock<Mutex<HashMap<String, u64>>> = LazyLock::new(Mutex::default);
    let mut peaks = PEAKS.lock().unwrap_or_else(PoisonError::into_inner);
    let peak = peaks.entry(swap.path.clone()).or_default();
    *peak = swap.used.max(*peak);
    *peak
}

fn mib(kib: u64) -> u32 {
    u32::try_from(kib / 1024).unwrap_or(u32::MAX)
}
